"""What a client must know to connect: path parameters, query, headers, close codes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from chanx._inject import Value
from chanx._values import MISSING
from chanx.asyncapi.draft7 import Schema, draft7, plain, settle
from chanx.asyncapi.schemas import Schemas
from chanx.asyncapi.sections import Section
from chanx.asyncapi.served import split
from chanx.params import Cookie, Header, Path, Query

#: The schemas of the convertors of Starlette and Django, by name.
_CONVERTORS: dict[str, Schema] = {
    "int": {"type": "integer", "minimum": 0},
    "float": {"type": "number", "minimum": 0},
    "uuid": {"type": "string", "format": "uuid"},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
    "path": {"type": "string", "description": "The rest of the path, slashes included."},
}

_CLOSE = {
    "1008": "Too many bad frames: mend the client.",
    "1009": "A frame was too large: send less.",
    "1011": "The server failed, or was not answered in time: reconnect.",
    "1012": "The server is restarting: reconnect, not all at once.",
    "1013": "Too slow or overloaded: reconnect later.",
}
_REFUSED = {
    "4401": "Not authenticated: do not retry with the same credentials.",
    "4403": "Forbidden, or the wrong origin: do not retry.",
    "4422": "A missing or wrong value of path, query, header or cookie: mend the request.",
    "4500": "The server failed to open the connection: reconnect later.",
    "4503": "The server is overloaded or restarting: reconnect later.",
}


def parameters(section: Section, schemas: Schemas) -> dict[str, Any]:
    """The parameters of the address: AsyncAPI 3.0 knows them as strings only, so that types stand in `x-schema`."""
    _, named = split(section.served.address)
    kinds = {**named, **section.served.parameters}
    return {name: _parameter(_asked(section, Path, name), kinds.get(name), schemas) for name in named}


def topic_parameters(section: Section, schemas: Schemas) -> dict[str, Any]:
    """The parameters of a topic's pattern, likewise."""
    _, named = split("" if section.topic is None else section.topic.pattern)
    return {name: _parameter(_asked(section, Path, name), None, schemas) for name in named}


def binding(section: Section, schemas: Schemas) -> dict[str, Any] | None:
    """The WebSocket binding of a channel: query and headers of the handshake, and cookies in an extension."""
    found = {
        "query": _object(section, Query, schemas),
        "headers": _object(section, Header, schemas),
        "x-cookies": _object(section, Cookie, schemas),
    }
    told = {key: schema for key, schema in found.items() if schema is not None}
    return {**told, "bindingVersion": "0.1.0"} if told else None


def close_codes(section: Section) -> dict[str, str]:
    """The close codes that a client may see, with what to do."""
    if section.consumer is not None:
        return dict(section.consumer.close_codes)
    told = dict(_CLOSE)
    if section.service.limits.idle is not None:
        told = {"1000": "Nothing was sent for too long: reconnect when there is something to say.", **told}
    return {**told, **_REFUSED} if section.service.refuse == "close" else told


def _asked(section: Section, marker: type[Any], name: str) -> Value | None:
    """Who asks for a value: the first with a type of its own."""
    found = [one for one in section.values if one.marker is marker and one.name == name]
    return next((one for one in found if one.annotation is not str), found[0] if found else None)


def _parameter(value: Value | None, kind: str | None, schemas: Schemas) -> dict[str, Any]:
    schema: Schema = {"type": "string"} if kind is None else dict(_CONVERTORS.get(kind, {"type": "string"}))
    if value is not None and not (value.annotation is str and kind in _CONVERTORS):
        schema = schemas.roots[value]
    flat = _flat(schema, schemas)
    told: dict[str, Any] = {}
    if flat.get("description"):
        told["description"] = flat["description"]
    choices = flat.get("enum", [flat["const"]] if "const" in flat else [])
    if choices:
        told["enum"] = [_text(one) for one in choices]
    if value is not None and value.default is not MISSING and value.default is not None:
        told["default"] = _text(plain(value.default))
    if flat.get("examples"):
        told["examples"] = [_text(one) for one in flat["examples"]]
    return {**told, "x-schema": schema}


def _object(section: Section, marker: type[Any], schemas: Schemas) -> Schema | None:
    """The values of one kind as an object."""
    names = list(dict.fromkeys(one.name for one in section.values if one.marker is marker))
    if not names:
        return None
    fields: dict[str, Any] = {}
    for name in names:
        value = _asked(section, marker, name)
        if value is not None:
            fields[name] = _with_default(value, schemas)
    needed = {
        one.name
        for one in section.values
        if one.marker is marker and one in section.required and one.default is MISSING and not _many(one, schemas)
    }
    required = {"required": [name for name in names if name in needed]} if needed else {}
    return {"type": "object", "properties": fields, **required}


def _with_default(value: Value, schemas: Schemas) -> Schema:
    schema = schemas.roots[value]
    if value.default is MISSING:
        return schema
    made: Schema = settle(draft7({**schema, "default": plain(value.default)}), schemas.resolve)
    return made


def _many(value: Value, schemas: Schemas) -> bool:
    """A collection may be empty: it is never missing."""
    schema = _flat(schemas.roots[value], schemas)
    return schema.get("type") == "array" and not schema.get("minItems")


def _flat(schema: Mapping[str, Any], schemas: Schemas) -> Schema:
    """A schema with what it refers to, where that is all that it does."""
    found = dict(schema)
    for one in (found, *found.get("allOf", ())):
        if isinstance(one.get("$ref"), str):
            found = {**_flat(schemas.resolve(one["$ref"]), schemas), **found}
    return found


def _text(value: Hashable) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
