"""The states of a connection."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a connection is in its life; see the rules at the top of `connection`."""

    HANDSHAKE = 0
    OPEN = 1
    LEAVING = 2
    CLOSED = 3
