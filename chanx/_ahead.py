"""Reading ahead while a handler is suspended, so that a client that leaves is noticed and control frames act at once.

Rules: `receive` is called by one task at a time, and a call under way is never cancelled while the
connection lives, since a server may lose the frame it was about to return. The connection's own task
reads until a handler has been suspended for a while; then a background task reads into a bounded queue,
and hands back as soon as the connection's task waits for a frame again. In a channel with client streams or
serial events it never hands back: the queue is where frames, and events among them, find their order.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio

from chanx._dispatch import Control
from chanx._room import Room
from chanx._runtime import Cancel, Runtime
from chanx.types import size_of

Received = dict[str, Any]

#: Stands among the frames for an event that waits its turn.
EVENT: Received = {"type": "chanx.event"}


class Waiting(NamedTuple):
    """A frame in the queue: its ref as JSON, and whose stream it belongs to."""

    event: Received
    ref: str
    control: Control | None
    size: int


class ReadAhead:
    """The queue of frames read ahead of one connection.

    Args:
        receive: the server's ASGI `receive`.
        runtime: of the connection's loop.
        room: for so much; other queues may share it.
        context: the context variables of the connection.
        sift: acts on a frame that is none of the handlers' business and returns None, or returns how it waits.
        gone: called when the client has left.
        stuck: called when the queue is full, and so nothing is read.
        streams: is there a handler that reads, or will read, the client's stream with this ref?
        stays: it never hands back.
    """

    __slots__ = (
        *("_arrived", "_cancel", "_context", "_gone", "_over", "_queue", "_receive", "_runtime"),
        *("_sift", "_stays", "_streams", "_stuck", "room"),
    )

    def __init__(
        self,
        receive: Callable[[], Awaitable[Any]],
        runtime: Runtime,
        room: Room,
        context: contextvars.Context,
        *,
        sift: Callable[[Received], Awaitable[tuple[str, Control | None] | None]],
        gone: Callable[[Received], None],
        stuck: Callable[[], None],
        streams: Callable[[str], bool],
        stays: bool,
    ) -> None:
        self._receive = receive
        self._runtime = runtime
        self.room = room
        self._context = context
        self._sift = sift
        self._gone = gone
        self._stuck = stuck
        self._streams = streams
        self._stays = stays
        self._queue: deque[Waiting] = deque()
        self._arrived: anyio.Event | None = None
        self._cancel: Cancel | None = None
        self._over = False

    @property
    def idle(self) -> bool:
        """Nothing is queued and nobody reads: the connection may read by itself."""
        return not self._queue and self._cancel is None and not self._stays

    @property
    def reading(self) -> bool:
        """A background task reads."""
        return self._cancel is not None

    @property
    def empty(self) -> bool:
        """Nothing is queued."""
        return not self._queue

    @property
    def full(self) -> bool:
        """There is no room for another frame."""
        return self.room.full

    def start(self) -> None:
        """Read in the background, unless that is so already, the queue is full, or nothing more is to be read."""
        if self._cancel is None and not self.full and not self._over:
            self._cancel = self._runtime.spawn(self._read, context=self._context)

    def stop(self) -> None:
        """The connection is over; a handler that outlives it may still take frames out, but none comes in."""
        self._over = True
        if self._cancel is not None:
            self._cancel()

    def append(self, event: Received, ref: str, control: Control | None) -> None:
        """Let a frame wait its turn."""
        size = 1 + len(event.get("bytes") or b"") + size_of(event.get("text") or "")
        self._queue.append(Waiting(event, ref, control, size))
        self.room.add(size)

    def put_turn(self) -> None:
        """Let an event wait its turn among the frames; it takes no room, its own bounds are elsewhere."""
        self._queue.append(Waiting(EVENT, "", None, 0))
        self.wake()

    def drop_turn(self) -> None:
        """The event whose turn would come first was dropped; the turns of the others stay where they are."""
        for index, one in enumerate(self._queue):
            if one.event is EVENT:
                del self._queue[index]
                return

    def holds(self, ref: str) -> bool:
        """Does a message with this ref wait?"""
        return any(one.ref == ref and one.control is None for one in self._queue)

    def remove(self, ref: str) -> bool:
        """Take out the message with this ref; False when there is none."""
        for index, one in enumerate(self._queue):
            if one.ref == ref and one.control is None:
                self._pop(index)
                return True
        return False

    def take(self, ref: str) -> tuple[Control, str] | None:
        """The first frame of a client's stream that waits."""
        for index, one in enumerate(self._queue):
            if one.control is not None and one.ref == ref:
                self._pop(index)
                return one.control, one.event["text"]
        return None

    def wanted(self, refs: set[str], *, messages: bool) -> bool:
        """Is there a frame of one of these streams, or, where that is asked for, one of no stream?"""
        return any(
            one.ref in refs if one.control is not None and self._streams(one.ref) else messages for one in self._queue
        )

    async def next(self) -> Received:
        """The next frame in order that belongs to no stream."""
        while True:
            for index, one in enumerate(self._queue):
                if one.control is None or not self._streams(one.ref):
                    self._pop(index)
                    return one.event
            if self._cancel is None and not self._stays:
                return await self._receive()  # type: ignore[no-any-return]
            self.start()
            if self.full:  # of streams only: their handlers look whether they can go on
                self.wake()
            await self.changed()

    async def changed(self) -> None:
        """Wait until the queue has changed."""
        self._arrived = self._arrived or anyio.Event()
        await self._arrived.wait()

    def wake(self) -> None:
        """Have those look again who wait for a change."""
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None

    def end(self, event: Received) -> None:
        """Nothing follows this event."""
        self._queue.append(Waiting(event, "", None, 0))
        self.wake()

    def _pop(self, index: int) -> None:
        was_full = self.full
        if self._queue[index].size:
            self.room.remove(self._queue[index].size)
        del self._queue[index]
        if was_full and self._stays:
            self.start()

    async def _read(self) -> None:
        try:
            while True:
                event = await self._receive()
                if event["type"] != "websocket.receive":
                    self._lost(event)
                    return
                waits = await self._sift(event)
                if waits is not None:
                    self.append(event, *waits)
                    if self._arrived is not None and not self._stays:
                        return
                    self.wake()
                if self.full:
                    self._stuck()
                    return
        except Exception as error:  # noqa: BLE001 - a server that cannot be read from has lost the client
            self._lost({"type": "websocket.disconnect", "code": 1006, "reason": str(error)})
        finally:
            self._cancel = None
            self.wake()

    def _lost(self, event: Received) -> None:
        self.end(event)
        self._gone(event)
