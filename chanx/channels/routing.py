"""Routers of ASGI applications."""

from chanx.compat.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter

__all__ = ["ChannelNameRouter", "ProtocolTypeRouter", "URLRouter"]
