"""Tests of consumers of chanx 2.x, by the documented import path."""

from chanx.compat.captured import CapturedBroadcastEvent, capture_broadcast_events, capture_topic_broadcasts
from chanx.compat.communicators import WebsocketCommunicatorMixin

__all__ = ["CapturedBroadcastEvent", "WebsocketCommunicatorMixin"]
__all__ += ["capture_broadcast_events", "capture_topic_broadcasts"]
