"""Which pages may open a WebSocket, by their origin; needs the `django` extra."""

from typing import Any

from chanx.compat.extra import needed

_theirs = needed("channels.security.websocket")

AllowedHostsOriginValidator: Any = _theirs.AllowedHostsOriginValidator
OriginValidator: Any = _theirs.OriginValidator
WebsocketDenier: Any = _theirs.WebsocketDenier

__all__ = ["AllowedHostsOriginValidator", "OriginValidator", "WebsocketDenier"]
