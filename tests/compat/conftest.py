"""Consumers run on asyncio; each test has the channel layers that it registers, and no others."""

from __future__ import annotations

import pytest

from chanx.compat.layers import channel_layers


@pytest.fixture(params=[pytest.param("asyncio", id="asyncio")])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(autouse=True)
def _no_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_layers, "_registered", {})
