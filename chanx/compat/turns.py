"""Whose turn it is, where several tasks dispatch messages of one consumer, which sees one at a time."""

from __future__ import annotations

import anyio


class Turns:
    """The part of a pump that lets tasks take turns.

    Attributes:
        busy: is something being dispatched?
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
