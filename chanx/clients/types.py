"""JSON schemas as Python: annotations, and classes of pydantic."""

from __future__ import annotations

import builtins
import json
import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chanx.clients.base import Model

_FORMATS = {"date-time": "datetime", "date": "date", "time": "time", "duration": "timedelta", "uuid": "UUID"}
_SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
# What annotations are made of: a field of such a name would take its place in the class.
_WORDS = {"Annotated", "Any", "Field", "Literal", *_FORMATS.values(), *_SIMPLE.values(), "dict", "list", "tuple"}
# Names that stand in generated modules beside those of classes.
_TAKEN = {*_WORDS, *dir(builtins), "ClassVar", "Client", "IncomingMessage", "Model", "OutgoingMessage", "TypeAdapter"}
_REF = "#/components/schemas/"


class Field(NamedTuple):
    """One field of a class."""

    name: str
    annotation: str
    default: str | None
    left_out: bool


class Class(NamedTuple):
    """One class: its name, what it is for, and its fields."""

    name: str
    text: str
    fields: tuple[Field, ...]


class Models:
    """The classes of a document.

    Args:
        schemas: its schemas by name.

    Attributes:
        classes: those that were asked for, and what they refer to.
    """

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self.schemas = schemas
        self.classes: dict[str, Class] = {}
        self._taken = set(_TAKEN)
        self._names: dict[str, str] = {}
        for name in sorted(schemas):  # the names do not depend on what is asked for first
            if _is_class(schemas[name]):
                self._names[name] = unique(camel(name), self._taken)
        self._open: list[str] = []

    def named(self, name: str) -> str:
        """The class for a schema of the document; None in place of one that is no class makes its annotation."""
        if name not in self._names:
            return self.annotation(self.schemas[name], camel(name))
        found = self._names[name]
        if found not in self.classes:
            self._make(found, self.schemas[name])
        return found

    def annotation(self, schema: Any, hint: str) -> str:
        """The annotation for a schema; `hint` names the class that it may need."""
        if not isinstance(schema, Mapping):
            return "Any"
        one: Mapping[str, Any] = schema  # pyright: ignore[reportUnknownVariableType]
        if isinstance(one.get("$ref"), str):
            return self._referred(one["$ref"])
        if "const" in one or "enum" in one:
            return _literal([one["const"]] if "const" in one else one["enum"])
        for word in ("anyOf", "oneOf"):
            if one.get(word):
                return _union(self.annotation(part, hint) for part in one[word])
        if one.get("allOf"):
            return self.annotation(one["allOf"][0], hint) if len(one["allOf"]) == 1 else "Any"
        kind = one.get("type")
        if isinstance(kind, list):
            kinds: list[Any] = kind  # pyright: ignore[reportUnknownVariableType]
            return _union(self.annotation({**one, "type": part}, hint) for part in kinds)
        if kind == "string":
            return _FORMATS.get(one.get("format", ""), "str")
        if kind == "array":
            return self._array(one, hint)
        if kind == "object" or (kind is None and "properties" in one):
            return self._object(one, hint)
        return _SIMPLE.get(str(kind), "Any")

    def _referred(self, target: str) -> str:
        name = target.removeprefix(_REF)
        if name not in self.schemas or name in self._open:  # a schema that is nothing but itself
            return "Any"
        if name in self._names:
            return self.named(name)
        self._open.append(name)
        try:
            return self.annotation(self.schemas[name], camel(name))
        finally:
            self._open.pop()

    def _array(self, schema: Mapping[str, Any], hint: str) -> str:
        items: Any = schema.get("items", {})
        if isinstance(items, list) and items:
            several: list[Any] = items  # pyright: ignore[reportUnknownVariableType]
            parts = [self.annotation(one, f"{hint}{index}") for index, one in enumerate(several, 1)]
            if schema.get("minItems") == schema.get("maxItems") == len(parts):
                return f"tuple[{', '.join(parts)}]"
            return f"list[{_union(parts)}]"
        return f"list[{self.annotation(items, f'{hint}Item')}]"

    def _object(self, schema: Mapping[str, Any], hint: str) -> str:
        if schema.get("properties"):
            name = unique(hint, self._taken)
            self._make(name, schema)
            return name
        rest = schema.get("additionalProperties")
        return f"dict[str, {self.annotation(rest, f'{hint}Value') if isinstance(rest, Mapping) else 'Any'}]"

    def _make(self, name: str, schema: Mapping[str, Any]) -> None:
        self.classes[name] = Class(name, "", ())  # it may refer to itself
        needed = schema.get("required", ())
        taken = {*_WORDS, *self._names.values(), *self.classes, "self", "cls"}
        fields: list[Field] = []
        properties: dict[str, Any] = schema.get("properties", {})
        for key, given in properties.items():
            one: Mapping[str, Any] = given if isinstance(given, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]
            python = key if _usable(key, taken) else unique(f"{_identifier(key)}_", set(taken))
            taken.add(python)
            annotation = self.annotation(given, f"{name}{camel(key)}")
            fields.append(_field(key, python, annotation, one, key in needed))
        text = str(schema.get("description") or schema.get("title") or name)
        self.classes[name] = Class(name, text, tuple(fields))


def _field(key: str, python: str, annotation: str, schema: Mapping[str, Any], needed: bool) -> Field:
    default: str | None = None
    left_out = False
    if "const" in schema:
        default = constant(schema["const"]) if annotation.startswith("Literal[") else default
    elif not needed:
        if "default" in schema and _fits(schema["default"], annotation):
            default = constant(schema["default"])
        else:  # the server fills it in
            annotation = annotation if annotation == "Any" or "None" in _parts(annotation) else f"{annotation} | None"
            default, left_out = "None", True
    if key != python:
        annotation = f"Annotated[{annotation}, Field(alias={constant(key)})]"
    return Field(python, annotation, default, left_out)


def _fits(value: Any, annotation: str) -> bool:
    """Whether a default has the type of its field, as type checkers see it."""
    parts = _parts(annotation)
    if value is None:
        return "None" in parts or annotation == "Any"
    if isinstance(value, str) and annotation.startswith("Literal[") and annotation.endswith("]"):
        return constant(value) in annotation
    return type(value) in (str, int, float, bool) and type(value).__name__ in parts


def _parts(annotation: str) -> list[str]:
    return annotation.split(" | ")


def _union(parts: Iterable[str]) -> str:
    found = dict.fromkeys(parts)
    if "Any" in found:
        return "Any"
    ordered = [one for one in found if one != "None"] + [one for one in found if one == "None"]
    return " | ".join(ordered) or "Any"


def _literal(values: list[Any]) -> str:
    if values and all(isinstance(one, (str, int, bool)) or one is None for one in values):
        return f"Literal[{', '.join(map(constant, values))}]" if values != [None] else "None"
    return _union(_SIMPLE["number"] if isinstance(one, float) else "Any" for one in values)


def constant(value: Any) -> str:
    """A value as Python's source."""
    if isinstance(value, str):
        return json.dumps(value) if value.isascii() and value.isprintable() else repr(value)
    return repr(value)


def _is_class(schema: Any) -> bool:
    return isinstance(schema, Mapping) and "properties" in schema and "$ref" not in schema  # pyright: ignore[reportUnknownVariableType]


def _usable(key: str, taken: set[str]) -> bool:
    return (
        key.isidentifier()
        and not keyword.iskeyword(key)
        and key[0] != "_"
        and key not in taken
        and not hasattr(Model, key)
    )


def _identifier(text: str) -> str:
    found = re.sub(r"\W+", "_", text).strip("_") or "x"
    return f"x{found}" if found[0].isdigit() else found


def camel(text: str) -> str:
    """Text as the name of a class."""
    words = re.findall(r"[A-Za-z0-9]+", re.sub(r"[^\x00-\x7f]", " ", text))
    found = "".join(word[0].upper() + word[1:] for word in words) or "X"
    return f"X{found}" if found[0].isdigit() else found


def snake(text: str) -> str:
    """Text as the name of a function or a module."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    found = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_") or "x"
    found = f"x{found}" if found[0].isdigit() else found
    return f"{found}_" if keyword.iskeyword(found) else found


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken already; it is taken from now on."""
    found, number = name, 1
    while found in taken or keyword.iskeyword(found):
        number += 1
        found = f"{name}{number}"
    taken.add(found)
    return found
