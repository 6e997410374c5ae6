"""Django's databases from coroutines; needs the `django` extra."""

from typing import Any

from chanx.compat.extra import needed

_theirs = needed("channels.db")

DatabaseSyncToAsync: Any = _theirs.DatabaseSyncToAsync
aclose_old_connections: Any = _theirs.aclose_old_connections
database_sync_to_async: Any = _theirs.database_sync_to_async

__all__ = ["DatabaseSyncToAsync", "aclose_old_connections", "database_sync_to_async"]
