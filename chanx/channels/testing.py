"""Communicators for tests."""

from chanx.compat.testing import ApplicationCommunicator, HttpCommunicator, WebsocketCommunicator

__all__ = ["ApplicationCommunicator", "HttpCommunicator", "WebsocketCommunicator"]
