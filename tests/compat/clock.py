"""The clock of channel layers, set by a test."""

from __future__ import annotations

import pytest

import chanx.compat.layer
import chanx.compat.mailbox


class Clock:
    """Stands still until it is moved; in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chanx.compat.mailbox, "monotonic", self)
        monkeypatch.setattr(chanx.compat.layer, "monotonic", self)
