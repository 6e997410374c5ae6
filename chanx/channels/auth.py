"""Who is behind a connection, by Django's sessions: `scope["user"]`; needs the `django` extra."""

from typing import Any

from chanx.compat.extra import needed

_theirs = needed("channels.auth")

AuthMiddleware: Any = _theirs.AuthMiddleware
AuthMiddlewareStack: Any = _theirs.AuthMiddlewareStack
UserLazyObject: Any = _theirs.UserLazyObject
get_user: Any = _theirs.get_user
login: Any = _theirs.login
logout: Any = _theirs.logout

__all__ = ["AuthMiddleware", "AuthMiddlewareStack", "UserLazyObject", "get_user", "login", "logout"]
