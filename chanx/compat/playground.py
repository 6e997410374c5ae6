"""What a page for trying consumers out has to know: `chanx.playground` of 0.12."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from pydantic import BaseModel, TypeAdapter

from chanx.compat.compiled import compiled
from chanx.compat.discovery import RouteDiscovery, RouteInfo
from chanx.compat.project import django
from chanx.compat.settings import setting
from chanx.exceptions import ConfigurationError

View: Any = django("views").View
JsonResponse: Any = django("http").JsonResponse

logger = logging.getLogger("chanx")

#: So deep an example goes into models that hold themselves.
_DEEPEST = 8
_EXAMPLES: Mapping[str, Any] = {"string": "string", "integer": 0, "number": 0.0, "boolean": True}


class WebSocketInfoView(View):  # type: ignore[misc]
    """Answers with the consumers of the project as JSON; 500 where they cannot be told, and the log says why."""

    http_method_names: ClassVar[list[str]] = ["get", "head", "options"]

    def get(self, request: Any) -> Any:
        """All consumers; their addresses begin with the setting WEBSOCKET_BASE_URL, or where the request came to."""
        origin = f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
        try:
            routes = RouteDiscovery().discover_routes(setting("WEBSOCKET_BASE_URL") or origin)
            return JsonResponse([told(route) for route in routes], safe=False)
        except ConfigurationError:
            logger.exception("the consumers of the project cannot be told")
            return JsonResponse({"detail": "The consumers cannot be told; the server's log says why."}, status=500)


def told(route: RouteInfo) -> dict[str, Any]:
    """One consumer, as JSON has it.

    Raises:
        ConfigurationError: its set-up is wrong.
    """
    consumer = route.consumer
    return {
        "name": consumer.__name__,
        "url": route.full_url,
        "friendly_url": route.path,
        "description": inspect.getdoc(consumer) if consumer.__doc__ else "",
        "path_params": [
            {"name": name, "pattern": kind, "description": f"{name}: {kind}"}
            for name, kind in (route.path_params or {}).items()
        ],
        "message_examples": [_message(one) for one in compiled(consumer).incoming],
    }


def _message(cls: type[BaseModel]) -> dict[str, Any]:
    schema = TypeAdapter(cls).json_schema()
    return {
        "name": cls.__name__,
        "description": inspect.cleandoc(cls.__dict__.get("__doc__") or ""),
        "example": example(schema, schema.get("$defs", {})),
    }


def example(schema: Any, definitions: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that a JSON Schema of pydantic's describes.

    Args:
        schema: of the value.
        definitions: of models within it.
        depth: of the value in the whole.
    """
    one = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    for key in ("const", "default"):
        if key in one:
            return one[key]
    for key in ("examples", "enum"):
        if one.get(key):
            return one[key][0]
    if depth > _DEEPEST:
        return None
    if "$ref" in one:
        return example(definitions.get(one["$ref"].rpartition("/")[2]), definitions, depth + 1)
    if choices := cast("list[dict[str, Any]]", one.get("anyOf") or one.get("oneOf") or one.get("allOf") or []):
        chosen = next((each for each in choices if each.get("type") != "null"), {"const": None})
        return example(chosen, definitions, depth + 1)
    if one.get("type") == "object":
        inner: dict[str, Any] = one.get("properties") or {}
        return {name: example(each, definitions, depth + 1) for name, each in inner.items()}
    if one.get("type") == "array":
        return [example(one["items"], definitions, depth + 1)] if "items" in one else []
    return _EXAMPLES.get(str(one.get("type")))
