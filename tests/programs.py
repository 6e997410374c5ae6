"""Programs that pip does not bring. A test whose program is missing is skipped by name; in CI it fails."""

from __future__ import annotations

import os
import shutil

import pytest

NAMES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "node": ("node",),
    "redis-server": ("redis-server",),
    "valgrind": ("valgrind",),
}


def find(program: str) -> str | None:
    """The path of `program`, from the variable CHANX_<PROGRAM> or from PATH."""
    if chosen := os.environ.get("CHANX_" + program.upper().replace("-", "_")):
        return chosen
    return next((path for name in NAMES[program] if (path := shutil.which(name))), None)


def need(program: str) -> str:
    """Like `find`, and ends the test where there is none: `make test` installs what it may."""
    if path := find(program):
        return path
    reason = f"{program} is not installed; `make test` installs it where it may"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
