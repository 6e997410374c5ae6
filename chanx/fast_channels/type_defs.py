"""What the endpoints of the AsyncAPI document take."""

from chanx.compat.schema import AsyncAPIConfig

__all__ = ["AsyncAPIConfig"]
