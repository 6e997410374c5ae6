"""Test channels in process, on the test's own event loop."""

from chanx.testing.capture import Captured, capture
from chanx.testing.client import Client, connect
from chanx.testing.frames import Failed
from chanx.testing.socket import Closed, Refused
from chanx.testing.stream import Stream

__all__ = ["Captured", "Client", "Closed", "Failed", "Refused", "Stream", "capture", "connect"]
