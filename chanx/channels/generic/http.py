"""The consumer of HTTP requests, by the import path that document 004 gives."""

from chanx.compat.http import AsyncHttpConsumer

__all__ = ["AsyncHttpConsumer"]
