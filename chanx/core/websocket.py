"""The consumer of chanx 2.x, by the import path that document 002 gives."""

from chanx.compat.decorated import ChanxWebsocketConsumerMixin

__all__ = ["ChanxWebsocketConsumerMixin"]
