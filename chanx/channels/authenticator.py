"""Authentication by Django REST Framework, as chanx 2.x has it; needs it, and the `django` extra."""

from chanx.compat.authenticators import BaseAuthenticator
from chanx.compat.drf import DjangoAuthenticator, QuerysetLike

__all__ = ["BaseAuthenticator", "DjangoAuthenticator", "QuerysetLike"]
