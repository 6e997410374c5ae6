"""The communicator of chanx 2.x, by the documented import path for applications without Django."""

from chanx.compat.communicators import WebsocketCommunicator

__all__ = ["WebsocketCommunicator"]
