"""One caller that waits, on its own event loop, for what the link does on another one, or on the same.

Rules: who waits may be cancelled; what it waits for goes on. It is resolved at most once, from any thread.
"""

from __future__ import annotations

import anyio

from chanx import _runtime
from chanx.exceptions import LayerUnavailable


class Waiter:
    """Made on the loop of who waits.

    Args:
        home: that loop.
        deadline: until when the link may take, by `time.monotonic`.

    Attributes:
        over: there is nobody to be told, or it was told.
    """

    __slots__ = ("_error", "_event", "_home", "deadline", "over")

    def __init__(self, home: _runtime.Runtime, deadline: float) -> None:
        self._home = home
        self._event = anyio.Event()
        self._error: LayerUnavailable | None = None
        self.deadline = deadline
        self.over = False

    def resolve(self, error: LayerUnavailable | None = None) -> None:
        """It is done, or failed."""
        if self.over:
            return
        self.over = True
        self._error = error
        if self._home.here():
            self._event.set()
        else:
            self._home.post(self._event.set)

    async def wait(self, grace: float | None) -> None:
        """Wait until it is resolved.

        Args:
            grace: where the link runs on another loop: so many seconds after which that has ended without a word.

        Raises:
            LayerUnavailable: it failed.
        """
        try:
            if grace is None:
                await self._event.wait()
            else:
                with anyio.move_on_after(grace):
                    await self._event.wait()
        finally:
            over, self.over = self.over, True
        if not over:
            raise LayerUnavailable("the event loop that talks to the broker gave no answer", sent=True)
        if self._error is not None:
            raise self._error
