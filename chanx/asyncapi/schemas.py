"""The schemas of classes and annotations, as definitions that refer to each other by id.

pydantic's come from one run over all that a document needs, so that its classes are told apart by themselves and
not by their names; msgspec's are made one class at a time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Literal, cast

import msgspec
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from chanx.asyncapi.draft7 import Schema, draft7, is_list, is_object, mapped, plain, rename, settle
from chanx.asyncapi.naming import Definition, legal
from chanx.types import place

Mode = Literal["validation", "serialization"]

logger = logging.getLogger("chanx")

_DEFS = "#/$defs/"


class _Generator(GenerateJsonSchema):
    """pydantic's generator, with definitions under names that are never shared."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - as in the base class
        "skipped-choice",
        "non-serializable-default",
        "skipped-discriminator",
    }

    def __init__(self) -> None:
        super().__init__(by_alias=True, ref_template=f"{_DEFS}{{model}}")
        self.told: dict[str, tuple[str, str, str]] = {}

    def get_defs_ref(self, core_mode_ref: Any) -> Any:
        made = super().get_defs_ref(core_mode_ref)
        reference, mode = core_mode_ref
        bare = re.sub(r":\d+", "", reference)  # the ids of objects
        base = re.sub(r"(?:[^.\[\],]+\.)+([^.\[\],]+)", r"\1", bare)
        module = bare.partition("[")[0].rpartition(".")[0]
        self.told[made] = (legal(base), module, mode)
        # Else it would shorten names, and lose whose they are; ours are chosen for the document as a whole.
        choices: dict[Any, Any] = getattr(self, "_prioritized_defsref_choices", {})
        choices[made] = [made]
        return made

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:  # noqa: ARG002
        return {}  # a type of the application's own: what it takes is not known from here

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False  # a field's name says as much

    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(plain(dft) if isinstance(dft, (set, frozenset)) else dft)


class Schemas:
    """The definitions of a document while it is made.

    Attributes:
        definitions: by id.
        roots: the schema of each class and annotation that was asked for.
    """

    def __init__(self, classes: Iterable[tuple[Any, Mode]], annotations: Mapping[Any, Any]) -> None:
        self.definitions: dict[str, Definition] = {}
        self.roots: dict[Hashable, Schema] = {}
        wanted = list(dict.fromkeys(classes))
        adapters: list[tuple[Hashable, Mode, TypeAdapter[Any]]] = [
            ((cls, mode), mode, TypeAdapter(cls)) for cls, mode in wanted if _is_model(cls)
        ]
        for key, annotation in annotations.items():
            adapters.append((key, "validation", TypeAdapter(annotation)))
        self._pydantic(adapters)
        for cls, mode in wanted:
            if not _is_model(cls):
                self._msgspec(cls, mode)
        for one, definition in self.definitions.items():
            settled = settle(definition.schema, self.resolve)
            self.definitions[one] = msgspec.structs.replace(definition, schema=settled)
        self.roots = {key: settle(schema, self.resolve) for key, schema in self.roots.items()}

    def resolve(self, one: str) -> Schema:
        """The schema with an id."""
        return self.definitions[one].schema

    def message(self, cls: Any, mode: Mode) -> Definition:
        """The definition of a message class."""
        root = self.roots[cls, mode]
        if isinstance(root.get("$ref"), str):
            return self.definitions[root["$ref"]]
        return Definition(root, legal(getattr(cls, "__name__", "Message")), getattr(cls, "__module__", ""), mode)

    def camelized(self, definition: Definition) -> Definition:
        """A definition with the names of fields in camel case, and what it refers to likewise."""
        return msgspec.structs.replace(definition, schema=self._in_camel_case(definition.schema))

    def _in_camel_case(self, schema: Any) -> Any:
        if not is_object(schema):
            return schema
        from chanx.compat.casing import camelized

        def named(name: str) -> str:
            (found,) = camelized({name: None})
            return str(found)

        made = mapped(schema, self._in_camel_case)
        if is_object(made.get("properties")):
            made["properties"] = {named(name): one for name, one in made["properties"].items()}
        if is_list(made.get("required")):
            made["required"] = [named(name) for name in made["required"]]
        for key in ("default", "examples", "const"):
            if key in made:
                made[key] = camelized(made[key])
        target = made.get("$ref")
        if isinstance(target, str) and target in self.definitions:
            made["$ref"] = f"camel:{target}"
            if made["$ref"] not in self.definitions:
                self.definitions[made["$ref"]] = self.definitions[target]  # it may refer to itself
                self.definitions[made["$ref"]] = self.camelized(self.definitions[target])
        return made

    def _pydantic(self, adapters: list[tuple[Hashable, Mode, TypeAdapter[Any]]]) -> None:
        try:
            generator, found, definitions = _generated(adapters)
        except Exception:
            good = [one for one in adapters if self._works(*one)]
            if len(good) == len(adapters):
                raise
            self._pydantic(good)
            return

        def mine(schema: Schema) -> Schema:
            made: Schema = rename(draft7(schema), lambda target: f"pydantic:{target.removeprefix(_DEFS)}")
            return made

        for name, schema in definitions.items():
            base, module, mode = generator.told.get(name, (legal(name), "", ""))
            self.definitions[f"pydantic:{name}"] = Definition(mine(schema), base, module, mode)
        for index, (key, mode, _) in enumerate(adapters):
            self.roots[key] = mine(found[index, mode])

    def _works(self, key: Hashable, mode: Mode, adapter: TypeAdapter[Any]) -> bool:
        """Whether there is a schema; if not, anything is valid."""
        try:
            _generated([(key, mode, adapter)])
        except Exception as error:  # noqa: BLE001 - see above
            self._unknown(key, error)
            return False
        return True

    def _unknown(self, key: Hashable, error: Exception) -> None:
        cls: Any = cast("Any", key)[0] if isinstance(key, tuple) else getattr(key, "annotation", key)
        where = place(cls) if isinstance(cls, type) else cls
        logger.warning("the document cannot say what is in %s: no JSON schema can be made of it: %s", where, error)
        self.roots[key] = {"title": _told(cls), "type": "object"} if isinstance(key, tuple) else {}

    def _msgspec(self, cls: Any, mode: Mode) -> None:
        try:
            (root,), found = msgspec.json.schema_components(
                [cls], schema_hook=lambda _: {}, ref_template=f"{_DEFS}{{name}}"
            )
        except Exception as error:  # noqa: BLE001 - a default that it cannot write, for one
            self._unknown((cls, mode), error)
            return
        nested: dict[str, Any] = {}
        enums: list[type[Enum]] = []
        for one in _classes(msgspec.inspect.type_info(cls)):  # where two have one name, msgspec takes the long one
            enums += [one] if isinstance(one, type) and issubclass(one, Enum) else []
            nested[legal(_told(one))] = nested[legal(f"{one.__module__}.{one.__qualname__}")] = one
        space = f"msgspec:{mode}:{len(self.roots)}:"

        def mine(schema: Any) -> Schema:
            made: Schema = rename(draft7(schema), lambda target: f"{space}{target.removeprefix(_DEFS)}")
            return made

        for name, schema in found.items():
            whose: Any = nested.get(legal(name))
            if whose in enums:
                schema = _choices(whose, schema)  # noqa: PLW2901
            module, base = getattr(whose, "__module__", ""), legal(name if whose is None else _told(whose))
            self.definitions[f"{space}{name}"] = Definition(mine(schema), base, module, mode)
        self.roots[cls, mode] = mine(root)


def _generated(
    adapters: Iterable[tuple[Hashable, Mode, TypeAdapter[Any]]],
) -> tuple[_Generator, Any, dict[str, Schema]]:
    """One run of pydantic's generator."""
    generator = _Generator()
    inputs: Any = [(index, mode, adapter.core_schema) for index, (_, mode, adapter) in enumerate(adapters)]
    found, definitions = generator.generate_definitions(inputs)
    return generator, found, cast("dict[str, Schema]", definitions)


def _is_model(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, BaseModel)


def _told(cls: Any) -> str:
    """A class's name, with the parameters of a generic one, as msgspec makes it."""
    origin = getattr(cls, "__origin__", None)
    if origin is None:
        return str(getattr(cls, "__name__", cls))
    arguments = (_told(one) if isinstance(one, type) else str(one) for one in cls.__args__)
    return f"{origin.__name__}[{', '.join(arguments)}]"


def _classes(info: Any) -> Iterator[Any]:
    """The classes that a type is made of, by msgspec's description of it."""
    waiting, seen = [info], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, (tuple, list)):
            waiting.extend(one)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(one, (msgspec.inspect.Type, msgspec.inspect.Field)):
            cls: Any = getattr(one, "cls", None)
            if cls is not None:
                yield cls
            waiting.extend(getattr(one, name) for name in one.__struct_fields__)


def _choices(cls: type[Enum], schema: Schema) -> Schema:
    """An enum in the order of its definition, as pydantic writes it: so that both families agree on it."""
    values = [member.value for member in cls]
    made: Schema = {**schema, "enum": values}
    for kind, name in ((str, "string"), (int, "integer")):
        if all(type(value) is kind for value in values):
            made["type"] = name
    return made
