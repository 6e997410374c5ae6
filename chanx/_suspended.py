"""Handlers and sends that stay suspended: found by the runtime's tick, so that the common message needs no timer."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from chanx._asks import Asks, Questions
from chanx._membership import Membership
from chanx._states import State

if TYPE_CHECKING:
    from chanx._runtime import Cancel
    from chanx._service import Service
    from chanx.connection import Connection


class Suspended(Membership):
    """The part of `Connection` that the runtime looks at while it is busy.

    Attributes:
        running: what the connection's own task handles just now; a new object each time.
        watched: the runtime looks already.
        closing: the server has begun to close.
        asks: its open questions, once it has asked one.
    """

    __slots__ = ("_seen", "_seen_writing", "_stuck", "asks", "closing", "running", "watched")

    def __init__(self, service: Service, scope: Any) -> None:
        Membership.__init__(self, service, scope)
        self.running: Any = None
        self.watched = False
        self.closing = False
        self.asks: Asks | None = None
        self._seen: Any = None
        self._seen_writing: str | None = None
        self._stuck: Cancel | None = None

    @abstractmethod
    def read_ahead(self) -> None:
        """A handler stays suspended: let a background task read, so that a leaving client is seen."""

    def expect_answer(self) -> None:
        """A question was sent: read at once, also while a handler is suspended, and look for the answer."""
        if self.running is not None:
            self.read_ahead()

    def made_asks(self) -> Asks:
        """Its questions; made when it asks the first."""
        if self.asks is None:
            self.asks = Asks(cast("Connection", self), Questions())
            self.watched = False
        return self.asks

    async def ask(self, message: Any, classes: tuple[Any, ...], timeout: float | None) -> Any:
        """Send a question and wait for its answer; see `Context.ask`."""
        if self.state is State.HANDSHAKE:
            raise RuntimeError("nothing can be asked before the connection is accepted; ask in a handler")
        return await self.made_asks().ask(
            message, classes, self.service.limits.ask_timeout if timeout is None else timeout
        )

    def watch(self) -> None:
        """Have the runtime look at this connection while it is busy."""
        if not self.watched:
            # never set while closing, or once something was asked: `serve` then looks at that too
            self.watched = not self.closing and self.asks is None
            self.home.watch(self)

    def tick(self) -> bool:
        """Find a handler or a send that has been suspended since the last look."""
        again = False
        running, writing = self.running, self.outbox.busy
        if running is not None and running is self._seen:
            self.read_ahead()
        elif running is not None:
            again = True
        self._seen = running if again else None
        if writing is None:
            self._seen_writing = None
        elif writing is not self._seen_writing:
            self._seen_writing = writing
            again = True
        elif self._stuck is None:
            self._stuck = self.home.later(self.service.limits.send_timeout, partial(self._check_stuck, writing))
        self.watched = again and not self.closing and self.asks is None
        return again

    def unwatch(self) -> None:
        """The connection is over."""
        if self._stuck is not None:
            self._stuck()

    def _check_stuck(self, writing: str) -> None:
        self._stuck = None
        if self.outbox.writing is writing:
            self.overloaded("a frame could not be written in time")
        elif self.outbox.busy is not None:
            self.watch()  # a later frame is under way; it gets its own time
