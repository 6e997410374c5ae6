"""Whose turn it is, where several tasks do what only one may do at a time: dispatch for one consumer, or send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio


class Turns:
    """Lets tasks take turns; the part of a pump that does.

    Attributes:
        busy: is it somebody's turn, such as of a task that dispatches?
    """

    __slots__ = ("_turns", "busy")

    def __init__(self) -> None:
        self.busy = False
        self._turns: list[anyio.Event] | None = None  # of those who wait for their turn, the first first

    async def _wait_for_turn(self) -> None:
        turn = anyio.Event()
        self._turns = self._turns or []
        self._turns.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn in self._turns:
                self._turns.remove(turn)
            else:  # it was passed on to this one already
                self._pass_turn()
            raise

    def _pass_turn(self) -> None:
        if self._turns:
            self.busy = True
            self._turns.pop(0).set()
        else:
            self.busy = False


class Sending(Turns):
    """The server's `send` for handlers that run at the same time: one event after another, each whole.

    Not every server takes two at once: the older implementation of websockets fails where both wait for the client.
    When the client has left, all that send are told by one and the same exception.

    Args:
        send: the server's ASGI `send`.

    Attributes:
        server: the same; who finds that it is nobody's turn may take it, call this, and then call `next`.
    """

    __slots__ = ("_lost", "server")

    def __init__(self, send: Callable[[Any], Awaitable[None]]) -> None:
        Turns.__init__(self)
        self.server = send
        self._lost: OSError | None = None

    async def __call__(self, event: Any) -> None:
        """Send an event.

        Raises:
            OSError: the client has left.
        """
        if self.busy:
            await self._wait_for_turn()
        self.busy = True
        try:
            await self.server(event)
        except OSError as error:
            raise self.lose(error) from None
        finally:
            self.next()

    def next(self) -> None:
        """An event was sent."""
        if self._turns:
            self._pass_turn()
        else:
            self.busy = False

    def lose(self, error: OSError) -> OSError:
        """The client has left, as this tells; returns what was told first. Some servers take what is sent to nobody."""
        if self._lost is None:
            self._lost = error
            self.server = self._refuse
        return self._lost

    async def _refuse(self, _event: Any) -> None:
        if self._lost is not None:
            raise self._lost.with_traceback(None)
