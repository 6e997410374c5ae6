"""Frames on their way to one client.

Rules: only one send is under way at a time, and `writing` is what it carries; who finds None there may write
at once and puts it back, and then nothing waits. While nothing waits, the sender of an answer itself writes; what
is pushed, and what waits, is written by the writer, in a task of its own. Group pushes never wait for room: a full
outbox does with them what the channel's policy says. Answers do, at most `send_timeout`, and in turn: none takes the
room that one before it waits for.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from chanx._queue import Queue
from chanx._writers import Writer
from chanx.exceptions import ConnectionClosed
from chanx.types import size_of

if TYPE_CHECKING:
    from chanx.connection import Connection
    from chanx.groups.layer import Publication

#: Stands in `writing` until the handshake is over: everything waits.
HELD = "held"

#: Stands in `writing` when nothing more may be written, and in the queue to tell so to who writes.
SHUT = "shut"


class Outbox(Queue):
    """The bounded queue of one connection and whoever writes from it.

    Attributes:
        send: the server's ASGI `send`.
        writing: the frame that is being written, `HELD`, or None: the next sender may write at once.
        closed: a close frame was queued or the connection broke; nothing more is taken.
    """

    __slots__ = (
        *("_connection", "_empty", "_mine", "_turns", "_writer"),
        *("closed", "send", "writing"),
    )

    name = "outbox"

    def __init__(self, send: Any, connection: Connection) -> None:
        limits = connection.service.limits
        Queue.__init__(self, connection, limits.outbox, limits.outbox_bytes)  # `super()` takes three times as long
        self.send = send
        self.writing: str | None = HELD
        self.closed = False
        self._connection = connection
        self._turns: deque[anyio.Event] | None = None  # of those who wait for room
        self._empty: anyio.Event | None = None
        self._writer: Writer | None = None
        self._mine = False  # does the writer write what stands in `writing`?

    def release(self) -> None:
        """The handshake is over: what waited goes out."""
        if self.writing is HELD:
            self.writing = None
        self.start()

    async def put(self, text: str, more: bool = False) -> None:  # noqa: ARG002 - for subscriptions
        """Send a frame, or queue it when others wait; returns once it is written or queued.

        Args:
            text: the frame.
            more: others with the same `ref` follow it, so it is not the final answer.

        Raises:
            ConnectionClosed: nothing more can be sent.
            TimeoutError: there was no room for `send_timeout`.
        """
        if self.closed:
            raise ConnectionClosed
        if self.writing is None:
            self.writing = text
            try:
                await self.send({"type": "websocket.send", "text": text})
            except BaseException as error:
                self.interrupted(error)
                raise ConnectionClosed from error
            self.writing = None
            self.start()
            return
        size = size_of(text)
        if self.crowded(size):
            await self.room_for(size)
        self.add(text, size)
        self.start()

    def crowded(self, size: int) -> bool:
        """Must an answer of so many bytes wait for room?"""
        return self.claims > 0 or self.full(size)

    async def room_for(self, size: int) -> None:
        """Wait until there is room for so many bytes, and it is the caller's turn; he takes it at once.

        Raises:
            ConnectionClosed: nothing more can be sent.
            TimeoutError: there was no room for `send_timeout`.
        """
        if self._turns is None:
            self._turns = deque()
        turns, turn = self._turns, anyio.Event()
        turns.append(turn)
        self.claims += 1
        self.claimed += size
        try:
            with anyio.fail_after(self._connection.service.limits.send_timeout):
                while turns[0] is not turn or self.full(size):
                    await turn.wait()
                    if self.closed:
                        raise ConnectionClosed
                    if self.full(size):  # not yet, or a push was faster
                        turns[0] = turn = anyio.Event()
        finally:
            self.claims -= 1
            self.claimed -= size
            turns.remove(turn)
            self._next_turn()  # there may be room for it too

    def _next_turn(self) -> None:
        """Have the first of those who wait for room look again; all of them, when nothing more is taken."""
        for turn in self._turns or ():
            turn.set()
            if not self.closed:
                return

    def push(self, publication: Publication) -> bool:
        """Write a frame of a group, or queue it; False when there is no room and the policy is to close."""
        if self.writing is None:
            self.writing = publication.body
            self._mine = True
            if (self._writer or self._made_writer()).begin():
                self._connection.watch()
            return True
        return self.closed or super().push(publication)  # gone is not full

    def close(self, code: int, reason: str, *, now: bool = False) -> int:
        """Queue the close frame, behind what waits or instead of it; returns how many frames were dropped."""
        if self.closed:
            return 0
        self.closed = True
        dropped = self.clear() if now else 0
        self.add({"type": "websocket.close", "code": code, "reason": short_reason(reason)}, 0)
        self._wake()
        self.start()
        return dropped

    def interrupted(self, error: BaseException) -> None:
        """A direct send raised: the server could not send, or the sender was cancelled (raised again)."""
        self.writing = None
        if isinstance(error, Exception):
            self.broke(error)
            return
        self.start()
        raise error

    @property
    def busy(self) -> str | None:
        """What is being written just now."""
        return None if self.writing is HELD or self.writing is SHUT else self.writing

    async def drained(self) -> None:
        """Wait until everything is written or the connection broke."""
        while self.waiting or self.busy is not None:
            self._empty = self._empty or anyio.Event()
            await self._empty.wait()

    def abandon(self) -> None:
        """The connection is over: forget what waits and stop the writer."""
        if self.waiting or self.writing is not SHUT:
            self.shut()
        if self._mine:
            self._mine = False
            self.writing = SHUT
        if self._writer is not None:
            self._writer.cancel()

    def start(self) -> None:
        """Have the writer take what waits, if there is something and nobody writes."""
        if self.waiting and self.waiting[0] is SHUT:
            self.clear()
            self.writing = SHUT
            self._wake()
        if self.writing is None and self.waiting:
            self.writing = ""  # taken, so that nobody overtakes the writer before it runs
            self._mine = True
            self._connection.watch()
            (self._writer or self._made_writer()).soon()

    def _made_writer(self) -> Writer:
        connection = self._connection
        self._writer = connection.home.writer(self._write, self._lost, connection.variables, connection.watch)
        return self._writer

    async def _write(self) -> None:
        """Write what was handed over, and then what waits."""
        try:
            if self.writing and self._mine:  # not abandoned before it began
                await self.send({"type": "websocket.send", "text": self.writing})
            while self.waiting:
                await self._write_next()
        except BaseException as raised:  # noqa: BLE001 - whatever a server raises, the connection is broken
            error = self._connection.home.ordinary(raised)  # a cancellation goes on; `_lost` hears of it
            if self._mine:
                self._mine = False
                self.writing = None
                self.broke(error)
            return
        self._mine = False
        self.writing = SHUT if self.closed else None
        if self._turns or self._empty is not None:
            self._wake()

    async def _write_next(self) -> None:
        item = self.take()
        self._next_turn()
        if isinstance(item, dict):
            self.writing = ""
            await self._send_close(item)
        else:
            self.writing = text = item if isinstance(item, str) else item.body
            await self.send({"type": "websocket.send", "text": text})

    def _lost(self) -> None:
        """The writer was cancelled; what it had to write cannot be written any more."""
        if self._mine:
            self._mine = False
            self.writing = None
            self.broke(ConnectionAbortedError("the task that writes was cancelled"))

    async def _send_close(self, event: dict[str, Any]) -> None:
        """Send the close frame, with a code of the application's range where the server refuses to send ours.

        RFC 6455, section 7.4.2, leaves 4000 to 4999 to the application; Daphne lets it send no other code but
        1000 and 3000 to 3999, and the client of a close that raises would stay connected.
        """
        try:
            await self.send(event)
        except OSError:  # the connection is broken
            raise
        except Exception:
            if not 1000 < event["code"] < 2000:
                raise
            await self.send({**event, "code": event["code"] + 3000})

    def broke(self, error: Exception) -> None:
        """The server could not send: nothing more goes out on this connection."""
        self.shut()
        self._connection.broke(error)

    def shut(self) -> None:
        """Take nothing more, and forget what waits."""
        self.closed = True
        self.clear()
        writing = self.writing
        if writing is None or writing is HELD or writing is SHUT:  # not `busy`: nothing is being written
            self.writing = SHUT
        elif not self._mine:  # who writes directly looks at the queue afterwards, and shuts it in `start`
            self.add(SHUT, 0)
        self._wake()

    def _wake(self) -> None:
        self._next_turn()
        if self._empty is not None:
            self._empty.set()
            self._empty = None


def short_reason(reason: str) -> str:
    """A close reason cut to the 123 bytes that fit a control frame (RFC 6455, section 5.5)."""
    return reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
