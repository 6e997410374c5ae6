"""What a client streams to a handler: the frames with the ref of its message, until one that says `complete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chanx import _dispatch
from chanx._answers import Stopped
from chanx.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from chanx._ahead import ReadAhead
    from chanx._plan import Section
    from chanx.connection import Connection


class Chunks:
    """The async iterator that the handler gets.

    The frames wait in the queue of frames read ahead, whose bounds hold for them too.

    Args:
        connection: whose queue holds the frames.
        section: their validator.
        ref: of the message, as JSON.
        serial: its handler is serial, so nobody empties a queue that is full of other messages.
    """

    __slots__ = ("_connection", "_over", "_section", "_serial", "ref")

    def __init__(self, connection: Connection, section: Section, ref: str, serial: bool) -> None:
        self._connection = connection
        self._section = section
        self.ref = ref
        self._serial = serial
        self._over = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Any:
        """The next message of the stream.

        Raises:
            BadFrame: it is invalid; let go, it becomes the answer to the message.
            ConnectionClosed: the client left in the middle of its stream.
            Stopped: the client sends so much else that its stream cannot be read.
        """
        connection = self._connection
        ahead = connection.ahead
        assert ahead is not None
        while not self._over:
            found = ahead.take(self.ref)
            if found is not None:
                control, text = found
                if control.action == "complete":
                    self._over = True
                    break
                try:
                    return _dispatch.validated(connection.plan, self._section, text, self.ref)
                except _dispatch.BadFrame as bad:
                    if bad.fault is None:
                        connection.strike()
                    raise
            if connection.left or connection.closing:
                raise ConnectionClosed(connection.close_code, connection.close_reason)
            await self._more(ahead)
        raise StopAsyncIteration

    async def _more(self, ahead: ReadAhead) -> None:
        """Wait until more of the stream may have come."""
        runs = self._connection.made_runs()
        runs.hungry.add(self)
        try:
            if ahead.full and (self._serial or runs.stuck):
                raise Stopped("overloaded", "too many frames wait in front of the stream")
            await ahead.changed()
        finally:
            runs.hungry.discard(self)

    def drop(self) -> None:
        """The handler has ended: what is left of the stream is of no use."""
        self._over = True
        ahead = self._connection.ahead
        while ahead is not None and ahead.take(self.ref) is not None:
            pass
