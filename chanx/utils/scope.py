"""What a connection's scope says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from chanx.compat.scope import url_params

__all__ = ["get_query_params", "get_url_params"]


def get_url_params(scope: Mapping[str, Any]) -> dict[str, Any]:
    """What the path captured, by name: by a `URLRouter`, or by a route of Starlette or FastAPI."""
    return url_params(scope)


def get_query_params(scope: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of the query string; of one that was given more than once, the last value."""
    query: bytes | str = scope.get("query_string", b"")
    text = query if isinstance(query, str) else query.decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
