"""Reading ahead while a handler is suspended, so that a client that leaves is noticed.

Rules: `receive` is called by one task at a time, and a call under way is never cancelled while the
connection lives, since a server may lose the frame it was about to return. The connection's own task
reads until a handler has been suspended for a while; then a background task reads into a bounded queue,
and hands back as soon as the connection's task waits for a frame again.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from chanx._outbox import size_of
from chanx._runtime import Cancel, Runtime
from chanx.types import Limits

Received = dict[str, Any]


class ReadAhead:
    """The queue of frames read ahead of one connection."""

    __slots__ = ("_arrived", "_cancel", "_context", "_limits", "_queue", "_receive", "_runtime", "_size", "gone")

    def __init__(
        self,
        receive: Callable[[], Awaitable[Any]],
        runtime: Runtime,
        limits: Limits,
        context: contextvars.Context,
        gone: Callable[[Received], None],
    ) -> None:
        self._receive = receive
        self._runtime = runtime
        self._context = context
        self._limits = limits
        self._queue: deque[Received] = deque()
        self._size = 0
        self._arrived: anyio.Event | None = None
        self._cancel: Cancel | None = None
        self.gone = gone

    @property
    def idle(self) -> bool:
        """Nothing is queued and nobody reads: the connection may read by itself."""
        return not self._queue and self._cancel is None

    @property
    def empty(self) -> bool:
        """Nothing is queued."""
        return not self._queue

    def start(self) -> None:
        """Read in the background, unless that is so already or the queue is full."""
        if self._cancel is None and not self._full():
            self._cancel = self._runtime.spawn(self._read, context=self._context)

    def stop(self) -> None:
        """The connection is over."""
        if self._cancel is not None:
            self._cancel()

    async def next(self) -> Received:
        """The next frame in order."""
        while not self._queue:
            if self._cancel is None:
                return await self._receive()  # type: ignore[no-any-return]
            self._arrived = anyio.Event()
            await self._arrived.wait()
        event = self._queue.popleft()
        self._size -= _size(event)
        return event

    async def _read(self) -> None:
        try:
            while True:
                event = await self._receive()
                self._queue.append(event)
                self._size += _size(event)
                if event["type"] != "websocket.receive":
                    self.gone(event)
                    return
                if self._arrived is not None or self._full():
                    return
        except Exception as error:  # noqa: BLE001 - a server that cannot be read from has lost the client
            lost: Received = {"type": "websocket.disconnect", "code": 1006, "reason": str(error)}
            self._queue.append(lost)
            self.gone(lost)
        finally:
            self._cancel = None
            if self._arrived is not None:
                self._arrived.set()
                self._arrived = None

    def _full(self) -> bool:
        return len(self._queue) >= self._limits.read_ahead or self._size >= self._limits.read_ahead_bytes


def _size(event: Received) -> int:
    return len(event.get("bytes") or b"") + size_of(event.get("text") or "")
