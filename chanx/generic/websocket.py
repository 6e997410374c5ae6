"""Consumers of chanx 0.12."""

from chanx.compat.old import AsyncJsonWebsocketConsumer

__all__ = ["AsyncJsonWebsocketConsumer"]
