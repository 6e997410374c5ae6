"""Virtual time for both event loops: when nothing is left to do, the clock jumps to the next deadline.

Limits of many seconds are tested with their own defaults, exactly and at once.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

import anyio


class _Jumping(selectors.SelectSelector):
    """Waits for nobody but threads: a timeout that would pass without input has passed."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(5 if timeout is None else 0)
        if not ready and timeout is None:
            raise RuntimeError("deadlock: no task can go on, no deadline is set, and no thread says anything")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def backend(name: str) -> tuple[str, dict[str, Any]]:
    """The value of an `anyio_backend` fixture for a test in virtual time."""
    if name == "asyncio":
        factory: Callable[[], asyncio.AbstractEventLoop] = _Loop
        return "asyncio", {"loop_factory": factory}
    from trio.testing import MockClock

    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Stopwatch:
    """Seconds of the loop's clock since it was made."""

    def __init__(self) -> None:
        self._start = anyio.current_time()

    @property
    def seconds(self) -> float:
        return anyio.current_time() - self._start
