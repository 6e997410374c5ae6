"""Authentication by Django REST Framework, as chanx 0.12 has it; needs it, and the `django` extra."""

from chanx.compat.authenticators import AuthenticationResult
from chanx.compat.drf import ChanxAuthView, ChanxWebsocketAuthenticator, QuerysetLike

__all__ = ["AuthenticationResult", "ChanxAuthView", "ChanxWebsocketAuthenticator", "QuerysetLike"]
