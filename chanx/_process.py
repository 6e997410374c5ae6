"""Which process this is: a random name that no other process has, a forked one included."""

from __future__ import annotations

import os
import secrets

#: The ids of connections begin with it, and a hyphen.
identity = secrets.token_hex(6)


def _forked() -> None:
    """This process is a copy of another one, and needs a name of its own."""
    global identity
    identity = secrets.token_hex(6)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
