"""Routers of ASGI applications."""

from typing import Any

from chanx.compat.extra import needed
from chanx.compat.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from chanx.compat.urls import include, path, re_path

__all__ = ["ChannelNameRouter", "ProtocolTypeRouter", "URLRouter", "get_default_application"]
__all__ += ["include", "path", "re_path"]


def get_default_application() -> Any:
    """The application that Django's `ASGI_APPLICATION` names; needs the `django` extra."""
    return needed("channels.routing").get_default_application()
