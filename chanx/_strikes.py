"""Frames of one client that could not be read: answered, up to a number within a time."""

from __future__ import annotations

from chanx.types import Limits


class Strikes:
    """The count of bad frames of one connection; made with the first."""

    __slots__ = ("_count", "_since")

    def __init__(self) -> None:
        self._count = 0
        self._since = 0.0

    def out(self, limits: Limits, now: float) -> bool:
        """Count one more; True when it was one too many."""
        self._count += 1
        if 1 < self._count <= limits.strikes:
            return False
        if self._count > 1 and now - self._since > limits.strikes_window:
            self._count = 1
        if self._count == 1:
            self._since = now
        return self._count > limits.strikes
