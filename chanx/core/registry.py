"""The registry of messages, by the import path that document 002 gives."""

from chanx.asyncapi.registry import MessageRegistry

__all__ = ["MessageRegistry"]
