"""Communicators for tests."""

from typing import Any

from chanx.compat.extra import needed
from chanx.compat.testing import ApplicationCommunicator, HttpCommunicator, WebsocketCommunicator

__all__ = ["ApplicationCommunicator", "HttpCommunicator", "WebsocketCommunicator"]


def __getattr__(name: str) -> Any:
    """`ChannelsLiveServerTestCase` comes from Channels, and needs Daphne, too: only where it is asked for."""
    if name == "ChannelsLiveServerTestCase":
        return needed("channels.testing").ChannelsLiveServerTestCase
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
