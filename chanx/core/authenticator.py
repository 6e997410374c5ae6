"""The base of authenticators (document 002)."""

from chanx.compat.authenticators import BaseAuthenticator

__all__ = ["BaseAuthenticator"]
