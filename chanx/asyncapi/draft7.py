"""JSON Schemas of pydantic and msgspec (draft 2020-12) as draft-07, which AsyncAPI 3.0 schemas build on.

References stay what they are; `rename` gives them other targets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeGuard, cast

from pydantic_core import to_jsonable_python

Schema = dict[str, Any]

#: Keywords that hold one schema, several, and several by name; `dependentSchemas` is newer than draft-07.
_ONE = ("items", "additionalItems", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas")

_SCHEMAS = {*_ONE, *_SEVERAL, *_NAMED, "default", "examples"}

_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def is_object(value: Any) -> TypeGuard[Schema]:
    """Is it an object, as JSON calls it?"""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Is it an array, as JSON calls it?"""
    return isinstance(value, list)


def inner(schema: Mapping[str, Any]) -> Iterator[Schema]:
    """The schemas that stand directly in a schema."""
    for key in _ONE:
        if is_object(schema.get(key)):
            yield schema[key]
    for key in _SEVERAL:
        if is_list(schema.get(key)):
            yield from (one for one in schema[key] if is_object(one))
    for key in _NAMED:
        if is_object(schema.get(key)):
            yield from (one for one in schema[key].values() if is_object(one))


def mapped(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> Schema:
    """The schema with another one in the place of each that stands directly in it."""
    made = dict(schema)
    for key in _ONE:
        if is_object(made.get(key)):
            made[key] = change(made[key])
    for key in _SEVERAL:
        if is_list(made.get(key)):
            made[key] = [change(one) for one in made[key]]
    for key in _NAMED:
        if is_object(made.get(key)):
            made[key] = {name: change(one) for name, one in made[key].items()}
    return made


def references(schema: Mapping[str, Any]) -> Iterator[str]:
    """All that a schema refers to, in order."""
    if isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for one in inner(schema):
        yield from references(one)


def rename(schema: Any, target: Callable[[str], str]) -> Any:
    """The schema with other targets of its references."""
    if not is_object(schema):
        return schema
    made = mapped(schema, lambda one: rename(one, target))
    if isinstance(made.get("$ref"), str):
        made["$ref"] = target(made["$ref"])
    return made


def draft7(schema: Any) -> Any:
    """A schema in the words of draft-07."""
    if not is_object(schema):
        return schema
    made = mapped(schema, draft7)
    # an object in OpenAPI, a string in AsyncAPI that would have to be the name of a schema; `oneOf` tells as much
    made.pop("discriminator", None)
    if made.get("required") == []:
        del made["required"]
    if "prefixItems" in made:
        rest = made.pop("items", None)
        made["items"] = made.pop("prefixItems")
        if rest is not None:
            made["additionalItems"] = rest
    if "$ref" in made and len(made) > 1:  # draft-07 does not look at what stands beside a reference
        made = {"allOf": [{"$ref": made.pop("$ref")}, *made.pop("allOf", [])], **made}
    return made


def settle(schema: Any, resolve: Callable[[str], Schema]) -> Any:
    """A draft-07 schema whose defaults and examples are JSON, in an order of their own, and fit the schema.

    The examples of the schema itself may lack what the envelope adds: `fitting` is for these.
    """
    if not is_object(schema):
        return schema
    made = mapped(schema, lambda one: fitting(settle(one, resolve), resolve))
    made = {key: value if key in _SCHEMAS else plain(value) for key, value in made.items()}
    if "default" in made:
        made["default"] = ordered(plain(made["default"]), made, resolve)
        if not fits(made["default"], made, resolve):
            del made["default"]
    if "examples" in made:
        given: Any = made["examples"]
        listed: list[Any] = list(given.values()) if is_object(given) else given if is_list(given) else [given]
        made["examples"] = [ordered(plain(one), made, resolve) for one in listed]
    return made


def fitting(schema: Any, resolve: Callable[[str], Schema]) -> Any:
    """A schema without the examples that do not fit it."""
    if not is_object(schema) or "examples" not in schema:
        return schema
    kept = [one for one in schema["examples"] if fits(one, schema, resolve)]
    made = {key: value for key, value in schema.items() if key != "examples"}
    return {**made, "examples": kept} if kept else made


def plain(value: Any) -> Any:
    """A Python value as JSON has it; sets in order."""
    if isinstance(value, (set, frozenset)):
        return sorted((plain(one) for one in cast("Iterable[Any]", value)), key=text_of)
    if is_object(value):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if is_list(value) or isinstance(value, tuple):
        return [plain(one) for one in cast("Iterable[Any]", value)]
    return to_jsonable_python(value, fallback=str)


def text_of(value: Any) -> str:
    """Text by which values can be compared and put in order."""
    return json.dumps(value, sort_keys=True)


def ordered(value: Any, schema: Schema, resolve: Callable[[str], Schema]) -> Any:
    """A value with its sets in an order of their own: what was a set is known from the schema only."""
    if isinstance(schema.get("$ref"), str):
        return ordered(value, resolve(schema["$ref"]), resolve)
    for key in ("allOf", "anyOf", "oneOf"):
        for one in schema.get(key, ()):
            if is_object(one) and fits(value, one, resolve):
                value = ordered(value, one, resolve)
    if is_list(value):
        items = schema.get("items")
        value = [ordered(one, items, resolve) if is_object(items) else one for one in value]
        return sorted(value, key=text_of) if schema.get("uniqueItems") is True else value
    if is_object(value):
        named, rest = schema.get("properties", {}), schema.get("additionalProperties")
        return {
            key: ordered(one, named.get(key, rest), resolve) if is_object(named.get(key, rest)) else one
            for key, one in value.items()
        }
    return value


def fits(value: Any, schema: Any, resolve: Callable[[str], Schema]) -> bool:
    """Whether a value could be valid: a look at types, choices and what is inside, not at lengths and patterns."""
    if isinstance(value, float) and not math.isfinite(value):
        return False  # JSON has no such number
    if not is_object(schema):
        return schema is not False
    if isinstance(schema.get("$ref"), str):
        return fits(value, resolve(schema["$ref"]), resolve)
    if ("const" in schema and schema["const"] != value) or ("enum" in schema and value not in schema["enum"]):
        return False
    if "type" in schema:
        types: Any = schema["type"] if is_list(schema["type"]) else [schema["type"]]
        if not any(_is(value, one) for one in types):
            return False
    if not all(fits(value, one, resolve) for one in schema.get("allOf", ())):
        return False
    for key in ("anyOf", "oneOf"):
        if key in schema and not any(fits(value, one, resolve) for one in schema[key]):
            return False
    if is_list(value):
        items: Any = schema.get("items", True)
        pairs: Iterable[tuple[Any, Any]] = ((one, items) for one in value)
        if is_list(items):
            pairs = zip(value, items, strict=False)
        return all(fits(one, found, resolve) for one, found in pairs)
    if is_object(value):
        named, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        return all(key in value for key in schema.get("required", ())) and all(
            fits(one, named.get(key, rest), resolve) for key, one in value.items()
        )
    return True


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, (object,)))
