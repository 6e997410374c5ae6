"""The base class of middleware that adds to a connection's scope; needs the `django` extra."""

from typing import Any

from chanx.compat.extra import needed

BaseMiddleware: Any = needed("channels.middleware").BaseMiddleware

__all__ = ["BaseMiddleware"]
