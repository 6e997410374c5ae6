"""Test channels in process, on the test's own event loop.

The classes of chanx 0.12 for its consumers, `WebsocketCommunicator` and `WebsocketTestCase`, are here as well, and are
loaded when they are asked for; the latter needs Django.
"""

import typing

from chanx.testing.capture import Captured, capture
from chanx.testing.client import Client, connect
from chanx.testing.conversation import Closed
from chanx.testing.frames import Failed
from chanx.testing.socket import Refused
from chanx.testing.stream import Stream
from chanx.testing.topic import Topic

if typing.TYPE_CHECKING:
    from chanx.compat.messaging import WebsocketCommunicator as WebsocketCommunicator
    from chanx.compat.testcase import WebsocketTestCase as WebsocketTestCase

__all__ = ["Captured", "Client", "Closed", "Failed", "Refused", "Stream", "Topic", "capture", "connect"]


def __getattr__(name: str) -> typing.Any:
    if name == "WebsocketCommunicator":
        from chanx.compat.messaging import WebsocketCommunicator

        return WebsocketCommunicator
    if name == "WebsocketTestCase":
        from chanx.compat.testcase import WebsocketTestCase

        return WebsocketTestCase
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
