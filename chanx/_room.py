"""How much of what a client has sent may wait for its turn, in number and in bytes."""

from __future__ import annotations

import anyio

from chanx.types import Limits


class Room:
    """What waits in one place, or in several that share a bound, as the topics of a connection do."""

    __slots__ = ("_changed", "_limits", "_number", "_size")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._number = 0
        self._size = 0
        self._changed: anyio.Event | None = None

    @property
    def full(self) -> bool:
        """There is no room for anything more."""
        return self._number >= self._limits.read_ahead or self._size >= self._limits.read_ahead_bytes

    def add(self, size: int) -> None:
        """Something of so many bytes waits."""
        self._number += 1
        self._size += size

    def remove(self, size: int) -> None:
        """It waits no longer."""
        self._number -= 1
        self._size -= size
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def changed(self) -> None:
        """Wait until something waits no longer."""
        self._changed = self._changed or anyio.Event()
        await self._changed.wait()
