"""The consumer of chanx 2.x, by the import path that document 001 gives."""

from chanx.compat.decorated import AsyncJsonWebsocketConsumer

__all__ = ["AsyncJsonWebsocketConsumer"]
