"""Communicators and a test case for tests: those of chanx 2.x, which do all that Channels' do."""

from typing import TYPE_CHECKING, Any

from chanx.compat.communicators import WebsocketCommunicator
from chanx.compat.extra import needed
from chanx.compat.testing import ApplicationCommunicator, HttpCommunicator

if TYPE_CHECKING:
    from chanx.compat.testcase_2x import WebsocketTestCase as WebsocketTestCase  # noqa: PLC0414

__all__ = ["ApplicationCommunicator", "HttpCommunicator", "WebsocketCommunicator"]


def __getattr__(name: str) -> Any:
    """`WebsocketTestCase` needs Django, and `ChannelsLiveServerTestCase` Channels and Daphne: where it is asked for."""
    if name == "WebsocketTestCase":
        from chanx.compat.testcase_2x import WebsocketTestCase

        return WebsocketTestCase
    if name == "ChannelsLiveServerTestCase":
        return needed("channels.testing").ChannelsLiveServerTestCase
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
