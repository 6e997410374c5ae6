"""Django's sessions for connections: `scope["session"]`; needs the `django` extra."""

from typing import Any

from chanx.compat.extra import needed

_theirs = needed("channels.sessions")

CookieMiddleware: Any = _theirs.CookieMiddleware
InstanceSessionWrapper: Any = _theirs.InstanceSessionWrapper
SessionMiddleware: Any = _theirs.SessionMiddleware
SessionMiddlewareStack: Any = _theirs.SessionMiddlewareStack

__all__ = ["CookieMiddleware", "InstanceSessionWrapper", "SessionMiddleware", "SessionMiddlewareStack"]
