"""Events on their way to one connection's handlers: one at a time, in order, beside its messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import anyio

from chanx._queue import Queue
from chanx._runtime import Cancel
from chanx.groups.layer import Publication

if TYPE_CHECKING:
    from chanx._membership import Membership


class Turns(Protocol):
    """Where serial events wait for their turn among the frames."""

    def put_turn(self) -> None:
        """One more turn, after all that waits."""
        ...

    def drop_turn(self) -> None:
        """The oldest turn is over before it came."""
        ...


class Inbox(Queue):
    """The bounded queue of events of one connection, and the task that handles them while there are any.

    Serial events have one of their own, without a task: each gets a turn, and `next` is called when it comes.
    """

    __slots__ = ("_cancel", "_finished", "_handle", "_held", "_turns")

    name = "inbox of events"

    def __init__(
        self,
        handle: Callable[[Publication], Awaitable[None]],
        owner: Membership,
        turns: Turns | None = None,
    ) -> None:
        super().__init__(owner, owner.service.limits.inbox, owner.service.limits.inbox_bytes)
        self._turns = turns
        self._handle = handle
        self._held = True
        self._cancel: Cancel | None = None
        self._finished: anyio.Event | None = None

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return self._cancel is None and not (self._turns is not None and self.waiting)

    def push(self, publication: Publication) -> bool:
        """Queue an event; False when there is no room for it and the policy is to close."""
        if not super().push(publication):
            return False
        if self._turns is None:
            self._run()
        return True

    def next(self) -> Publication | None:
        """The next event, when its turn has come; None when it was forgotten meanwhile."""
        return self._taken() if self.waiting else None

    def start(self) -> None:
        """The handshake is over: handle what waits, and all that comes."""
        self._held = False
        self._run()

    def stop(self) -> None:
        """Cancel the running handler."""
        if self._cancel is not None:
            self._cancel()

    async def finished(self) -> None:
        """Wait until no handler runs."""
        while self._cancel is not None:
            self._finished = self._finished or anyio.Event()
            await self._finished.wait()

    def _added(self) -> None:
        if self._turns is not None:
            self._turns.put_turn()

    def _dropped(self) -> None:
        if self._turns is not None:
            self._turns.drop_turn()

    def _run(self) -> None:
        if self._cancel is None and not self._held and self.waiting:
            self._cancel = self._owner.home.spawn(self._work, context=self._owner.variables)

    def _taken(self) -> Publication:
        item = self.take()
        assert isinstance(item, Publication)
        return item

    async def _work(self) -> None:
        try:
            while self.waiting:
                await self._handle(self._taken())
        finally:
            self._cancel = None
            if self._finished is not None:
                self._finished.set()
                self._finished = None
