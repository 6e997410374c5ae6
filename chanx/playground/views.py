"""The views of the playground."""

from chanx.compat.playground import WebSocketInfoView

__all__ = ["WebSocketInfoView"]
