"""How much is tried: the short form, unless CHANX_FULL asks for the long one."""

from __future__ import annotations

import os

#: Every matrix, walk and repetition in full, as `make full`, `make hosts` and `make faults` have it.
FULL = bool(os.environ.get("CHANX_FULL"))


def examples(full: int) -> int:
    """How many examples a property is tried with: all of them, or a third in the short form."""
    return full if FULL else max(5, full // 3)


def rounds(full: int) -> int:
    """How often something is repeated: always as often, or a fifth in the short form."""
    return full if FULL else full // 5
