"""Consumers, by the import path that document 004 gives."""

from chanx.compat.consumer import AsyncConsumer, SyncConsumer, get_handler_name

__all__ = ["AsyncConsumer", "SyncConsumer", "get_handler_name"]
