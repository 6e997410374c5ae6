"""What a connection's scope says of its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def url_params(scope: Mapping[str, Any]) -> dict[str, Any]:
    """What the path captured, by name: by a `URLRouter`, or by a route of Starlette or FastAPI."""
    routed: Mapping[str, Any] = scope.get("url_route") or {}
    return {**(scope.get("path_params") or {}), **(routed.get("kwargs") or {})}
