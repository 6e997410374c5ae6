"""Events on their way to one connection's handlers: one at a time, in order, beside its messages."""

from __future__ import annotations

import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from chanx._outbox import size_of
from chanx._plan import Event
from chanx._runtime import Cancel, Runtime
from chanx.types import Limits

if TYPE_CHECKING:
    from chanx.groups.layer import Publication

logger = logging.getLogger("chanx")


class Inbox:
    """The bounded queue of events of one connection, and the task that handles them while there are any.

    Serial events have one of their own, without a task: `turn` is called for each, and `take` when its turn comes.
    """

    __slots__ = (
        *("_cancel", "_context", "_finished", "_handle", "_held", "_limits", "_queue", "_runtime", "_size", "_turn"),
    )

    def __init__(
        self,
        handle: Callable[[Event, str], Awaitable[None]],
        runtime: Runtime,
        limits: Limits,
        context: contextvars.Context,
        turn: Callable[[], None] | None = None,
    ) -> None:
        self._turn = turn
        self._handle = handle
        self._runtime = runtime
        self._limits = limits
        self._context = context
        self._queue: deque[tuple[Event, str]] = deque()
        self._size = 0
        self._held = True
        self._cancel: Cancel | None = None
        self._finished: anyio.Event | None = None

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return self._cancel is None and not (self._turn is not None and self._queue)

    def push(self, event: Event, publication: Publication) -> bool:
        """Queue an event; False when there is no room for it."""
        size = size_of(publication.body)
        if len(self._queue) >= self._limits.inbox or (self._queue and self._size + size > self._limits.inbox_bytes):
            return False
        self._queue.append((event, publication.body))
        self._size += size
        if self._turn is not None:
            self._turn()
        else:
            self._run()
        return True

    def take(self) -> tuple[Event, str] | None:
        """The next event, when its turn has come; None when it was dropped meanwhile."""
        if not self._queue:
            return None
        event, body = self._queue.popleft()
        self._size -= size_of(body)
        return event, body

    def start(self) -> None:
        """The handshake is over: handle what waits, and all that comes."""
        self._held = False
        self._run()

    def clear(self) -> int:
        """Forget what waits; the running handler goes on. Returns how many events were dropped."""
        dropped = len(self._queue)
        self._queue.clear()
        self._size = 0
        return dropped

    def cancel(self) -> None:
        """Cancel the running handler."""
        if self._cancel is not None:
            self._cancel()

    async def finished(self) -> None:
        """Wait until no handler runs."""
        while self._cancel is not None:
            self._finished = self._finished or anyio.Event()
            await self._finished.wait()

    def _run(self) -> None:
        if self._cancel is None and not self._held and self._queue:
            self._cancel = self._runtime.spawn(self._work, context=self._context)

    async def _work(self) -> None:
        try:
            while self._queue:
                event, body = self._queue.popleft()
                self._size -= size_of(body)
                await self._handle(event, body)
        finally:
            self._cancel = None
            if self._finished is not None:
                self._finished.set()
                self._finished = None
