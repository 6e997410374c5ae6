"""Values of the opening handshake: path, query, headers and cookies, read and converted.

Every reader is built once and takes the ASGI scope. A wrong value is refused with 422 and a text that
names it; a path parameter that the route does not have is a mistake of set-up.
"""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Callable, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection

from chanx.exceptions import ConfigurationError, Reject
from chanx.params import Cookie, Header, Param, Path, Query


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: Stands for "no default" and for "not resolved yet".
MISSING: Any = _Missing()

_MANY = (list, set, frozenset, tuple, collections.abc.Sequence, collections.abc.Set)


def name_of(marker: Param, parameter: str) -> str:
    """The name in the handshake of what a parameter asks for."""
    return marker.name or (parameter.replace("_", "-") if isinstance(marker, Header) else parameter)


def reader(marker: Param, name: str, annotation: Any, default: Any, where: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function from the scope to the converted value.

    Raises:
        ConfigurationError: pydantic cannot validate the annotation.
    """
    try:
        convert = TypeAdapter(annotation).validate_python
    except PydanticSchemaGenerationError as error:
        raise ConfigurationError(f"parameter {name!r} of {where}: {error}") from error
    kind = type(marker).__name__.lower()
    name = name_of(marker, name)
    many = _takes_many(annotation)
    find = _FIND[type(marker)]

    def read(scope: Mapping[str, Any]) -> Any:
        values = find(scope, name)
        if not values:
            if default is not MISSING:
                return default
            if kind == "path":
                known = ", ".join(sorted(map(str, _path(scope)))) or "none"
                raise ConfigurationError(
                    f"{where} asks for the path parameter {name!r}, but its route has: {known}. "
                    f"Write {{{name}}} into the route's path, or give the parameter a default"
                )
            if not many:
                raise Reject(422, f"{kind} parameter {name!r} is missing")
        try:
            return convert(values if many else values[-1])
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise Reject(422, f"{kind} parameter {name!r}: {first['msg']}") from None

    return read


def _takes_many(annotation: Any) -> bool:
    """Is it a collection, or may it be one, as in `list[str] | None`?"""
    if hasattr(annotation, "__metadata__"):
        return _takes_many(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return any(map(_takes_many, get_args(annotation)))
    return (get_origin(annotation) or annotation) in _MANY


def _path(scope: Mapping[str, Any]) -> dict[str, Any]:
    # Django's URLRouter leaves its kwargs under url_route, Starlette under path_params
    route: dict[str, Any] = scope.get("url_route") or {}
    return {**(route.get("kwargs") or {}), **(scope.get("path_params") or {})}


def _find_path(scope: Mapping[str, Any], name: str) -> list[Any]:
    values = _path(scope)
    return [values[name]] if name in values else []


def _find_query(scope: Mapping[str, Any], name: str) -> list[str]:
    return QueryParams(scope.get("query_string", b"")).getlist(name)


def _find_header(scope: Mapping[str, Any], name: str) -> list[str]:
    return Headers(raw=list(scope["headers"])).getlist(name)


def _find_cookie(scope: Mapping[str, Any], name: str) -> list[str]:
    cookies = HTTPConnection({"type": "websocket", "headers": scope["headers"]}).cookies
    return [cookies[name]] if name in cookies else []


_FIND: dict[type[Param], Callable[[Mapping[str, Any], str], list[Any]]] = {
    Path: _find_path,
    Query: _find_query,
    Header: _find_header,
    Cookie: _find_cookie,
}
