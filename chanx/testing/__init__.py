"""Test channels in process, on the test's own event loop."""

from chanx.testing.capture import Captured, capture
from chanx.testing.client import Client, connect
from chanx.testing.conversation import Closed
from chanx.testing.frames import Failed
from chanx.testing.socket import Refused
from chanx.testing.stream import Stream
from chanx.testing.topic import Topic

__all__ = ["Captured", "Client", "Closed", "Failed", "Refused", "Stream", "Topic", "capture", "connect"]
