"""Consumers run on asyncio; each test has the channel layers that it registers, and no others."""

from __future__ import annotations

import inspect

import pytest

from chanx.compat import communicators, messaging, testing
from chanx.compat.layers import channel_layers

# A second is too short on a machine that does other work as well; what is there is not waited for.
for communicator in (
    testing.ApplicationCommunicator,
    testing.HttpCommunicator,
    testing.WebsocketCommunicator,
    messaging.MessagingCommunicator,
    communicators.WebsocketCommunicatorMixin,
):
    for method in vars(communicator).values():
        if getattr(method, "__defaults__", None) and not method.__name__.startswith("receive_all"):  # they wait so long
            names = inspect.getfullargspec(method).args[-len(method.__defaults__) :]
            defaults = zip(names, method.__defaults__, strict=True)
            method.__defaults__ = tuple(10 if given == ("timeout", 1) else given[1] for given in defaults)


@pytest.fixture(params=[pytest.param("asyncio", id="asyncio")])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(autouse=True)
def _no_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_layers, "_registered", {})
