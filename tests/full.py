"""How much is tried: the short form, unless CHANX_FULL asks for the long one."""

from __future__ import annotations

import os

#: Every matrix, walk and repetition in full, as `make full`, `make hosts` and `make faults` have it.
FULL = bool(os.environ.get("CHANX_FULL"))
