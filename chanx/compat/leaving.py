"""A client that leaves while its consumer is busy.

Rules: the server's task reads, until it has been busy with a frame for a while; then a background task reads ahead of
it, into a bounded queue, until the server's task wants the next frame. So a client that leaves is noticed meanwhile.
Its groups are left at once, and what is sent to it raises from then on. What it had sent before is still handled, for
at most `LINGER` seconds; then what runs is cancelled, the rest is dropped, and the disconnect comes next.

A handler in the server's task is ended by a native cancellation of asyncio, taken back when the handler has ended:
a cancel scope for each frame would cost every handler what very few need.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

from chanx import _runtime
from chanx._ahead import ReadAhead, Received
from chanx._dispatch import Control
from chanx._room import Room
from chanx.compat.turns import Turns
from chanx.types import Limits

LIMITS = Limits()

#: How long what a client had sent before it left may still be handled, in seconds.
LINGER = LIMITS.linger

#: A handler that goes on for so many seconds after that is cancelled again; longer than one waits for its thread.
AGAIN = 6.0

#: What comes from the client in the order in which it is handled, and not from the server about it.
FRAME = "websocket.receive"


def is_farewell(message: Received) -> bool:
    """Does this event of ASGI say that the client has left?"""
    return str(message.get("type")).endswith(".disconnect")


async def _sift(_event: Received) -> tuple[str, Control | None]:
    return "", None  # consumers know no control frames


class Leaving(Turns):
    """The part of a pump that looks out for a client that leaves.

    Args:
        receive: the server's ASGI `receive`.
        gone: called when the client has left while something is handled.

    Attributes:
        farewell: the disconnect of a client that has left while something was handled.
    """

    __slots__ = (
        *("_again", "_cancelling", "_cancels", "_gone", "_handling", "_home", "_next", "_number", "_reader"),
        *("_receive", "_running", "_seen", "_server", "_watched", "farewell", "over"),
    )

    def __init__(self, receive: Callable[[], Awaitable[Any]], gone: Callable[[], None] | None) -> None:
        Turns.__init__(self)
        self.farewell: Received | None = None
        self.over = False  # the client's time is: nothing is handled any more but its disconnect
        self._receive = receive
        self._next = receive  # the next event of the client's
        self._gone = gone
        self._home = _runtime.current()
        self._server: asyncio.Task[Any] | None = self._home.task()
        self._cancelling = 0 if self._server is None else self._server.cancelling()  # by others, before
        self._cancels = 0  # ours of the server's task, which are to be taken back
        self._handling = False  # is it in a handler?
        self._number = 0
        self._running = 0  # the number of the frame that it is busy with
        self._seen = 0
        self._watched = False
        self._reader: ReadAhead | None = None
        self._again: _runtime.Cancel | None = None

    # -- what the runtime looks at ------------------------------------------------------------------

    def tick(self) -> bool:
        """Have frames read ahead when the server's task has been busy with one since the last look."""
        running = self._running
        if running and running == self._seen:
            self._read_ahead()
            running = 0
        self._seen = running
        self._watched = running != 0
        return self._watched

    def _begin(self) -> None:
        """The server's task is busy with a frame from now on, until `_running` is 0."""
        self._running = self._number = self._number + 1
        if not self._watched:
            self._watched = True
            self._home.watch(self)

    def _read_ahead(self) -> None:
        if self._reader is None:
            self._reader = ReadAhead(
                self._received,
                self._home,
                Room(LIMITS),
                contextvars.copy_context(),
                sift=_sift,
                gone=self.leave,
                stuck=lambda: None,
                streams=lambda _ref: False,
                stays=False,
            )
            self._next = self._reader.next
        self._reader.start()

    async def _received(self) -> Received:
        try:
            return await self._receive()  # type: ignore[no-any-return]
        except Exception as error:  # it ends the consumer
            if self._server is None or self._home.task() is self._server:
                raise
            self._failed(error)
            return {"type": "failed"}

    def _failed(self, error: BaseException) -> None:
        """End the consumer with what was raised by another task than the server's."""
        raise NotImplementedError

    # -- the end ------------------------------------------------------------------------------------

    def leave(self, farewell: Received) -> None:
        """The client has left while something is handled."""
        if self.farewell is None:
            self.farewell = farewell
            self._again = self._home.later(LINGER, self._expel)
            if self._gone is not None:
                self._gone()

    def _expel(self) -> None:
        self.over = True
        self._again = self._home.later(AGAIN, self._expel)  # a handler may catch its cancellation
        if self._handling and self._server is not None:
            self._cancels += 1
            self._server.cancel()
        self.cancel_others()

    def cancel_others(self) -> None:
        """Cancel what other tasks than the server's handle."""
        raise NotImplementedError

    def _look_away(self) -> None:
        """The consumer has ended."""
        if self._watched:
            self._home.unwatch(self)
        if self._again is not None:
            self._stay()

    def _stay(self) -> None:
        """Cancel nothing any more."""
        if self._again is not None:
            self._again()
            self._again = None

    def _taken_back(self) -> bool:
        """Take our cancellations of the server's task back; have there been any, and nobody else's?"""
        server, cancels = self._server, self._cancels
        if server is None or not cancels:
            return False
        self._cancels = 0
        for _ in range(cancels):
            server.uncancel()
        return server.cancelling() == self._cancelling
