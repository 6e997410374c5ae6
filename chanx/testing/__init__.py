"""Test channels in process, on the test's own event loop."""

from chanx.testing.capture import Captured, capture
from chanx.testing.client import Client, Closed, Refused, connect

__all__ = ["Captured", "Client", "Closed", "Refused", "capture", "connect"]
