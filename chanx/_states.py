"""The states of a connection."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class State(Enum):
    """Where a connection is in its life; see the rules at the top of `connection`."""

    HANDSHAKE = 0
    OPEN = 1
    LEAVING = 2
    CLOSED = 3


class Beside(Protocol):
    """What runs beside the serial messages of a connection, and ends before its hooks do."""

    @property
    def idle(self) -> bool:
        """Nothing runs, or waits to run."""
        ...

    def stop(self) -> None:
        """Cancel what runs."""
        ...

    async def finished(self) -> None:
        """Wait until nothing runs."""
        ...
