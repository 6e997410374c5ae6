"""Messages and their schemas, collected by hand: `chanx.core.registry` of 2.x (document 002, "Registry")."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from chanx.asyncapi.draft7 import rename
from chanx.asyncapi.naming import names
from chanx.asyncapi.schemas import Schemas
from chanx.exceptions import ConfigurationError

#: What `add` takes: one class of messages, or several as a union, a list or a tuple.
Messages = type[BaseModel] | UnionType | list[type[BaseModel]] | tuple[type[BaseModel], ...]


class MessageRegistry:
    """Collects the classes of messages that consumers use; their names and schemas are those of a document.

    Documents do not need one: `chanx.asyncapi.document` finds the messages of consumers by itself.

    Attributes:
        consumers: the classes of messages by the name of the consumer, in the order in which they came.
    """

    def __init__(self) -> None:
        self.consumers: dict[str, list[type[BaseModel]]] = {}
        self._models: dict[type[BaseModel], None] = {}
        self._made: tuple[dict[str, Any], dict[type[BaseModel], str]] | None = None

    def add(self, message_type: Messages | Any, consumer_name: str) -> None:
        """Register the messages of a consumer.

        Args:
            message_type: a class, a union, a list or a tuple; None in a union is passed over.
            consumer_name: whose they are.

        Raises:
            ConfigurationError: one is no pydantic model.
        """
        for one in _members(message_type):
            self.build_message(one, consumer_name)

    def build_message(self, message_type: type[BaseModel], consumer_name: str) -> None:
        """Register one class of messages, and its schema.

        Raises:
            ConfigurationError: it is no pydantic model; `add` takes unions, lists and tuples.
        """
        self.build_message_schema(_model(message_type), consumer_name)
        own = self.consumers.setdefault(consumer_name, [])
        if message_type not in own:
            own.append(message_type)

    def build_message_schema(self, model_type: type[BaseModel] | UnionType | Any, consumer_name: str) -> None:  # noqa: ARG002
        """Register the schema of a model, or of each in a union, that is no message itself.

        Raises:
            ConfigurationError: one is no pydantic model.
        """
        self._models.update(dict.fromkeys(_members(model_type)))
        self._made = None

    @property
    def schemas(self) -> dict[str, Any]:
        """The JSON schemas of all models, and of what they refer to, by name."""
        return self._named()[0]

    @property
    def messages(self) -> dict[str, dict[str, Any]]:
        """The messages as AsyncAPI 3.0 Message Objects, by name."""
        schemas, named = self._named()
        found = dict.fromkeys(one for own in self.consumers.values() for one in own)
        return {
            named[one]: {
                "name": _tag(one) or named[one],
                "title": schemas[named[one]].get("title", named[one]),
                "contentType": "application/json",
                "payload": {"$ref": f"#/components/schemas/{named[one]}"},
            }
            for one in found
        }

    def _named(self) -> tuple[dict[str, Any], dict[type[BaseModel], str]]:
        if self._made is None:
            made = Schemas([(one, "validation") for one in self._models], {})
            ids: dict[type[BaseModel], str] = {}
            for index, one in enumerate(self._models):
                root = made.roots[one, "validation"].get("$ref")
                ids[one] = root if isinstance(root, str) else f"model:{index}"
                made.definitions[ids[one]] = made.message(one, "validation")
            chosen = names(made.definitions)
            schemas: dict[str, Any] = {
                chosen[one]: rename(definition.schema, lambda target: f"#/components/schemas/{chosen[target]}")
                for one, definition in made.definitions.items()
            }
            self._made = dict(sorted(schemas.items())), {one: chosen[key] for one, key in ids.items()}
        return self._made


def _members(given: Any) -> Iterator[type[BaseModel]]:
    several: list[Any]
    if isinstance(given, (list, tuple)):
        several = [*given]  # pyright: ignore[reportUnknownVariableType]
    elif get_origin(given) in (Union, UnionType):
        several = [*get_args(given)]
    else:
        several = []
        yield _model(given)
    for one in several:
        if one is not type(None):
            yield from _members(one)


def _model(given: Any) -> type[BaseModel]:
    if not (isinstance(given, type) and issubclass(given, BaseModel)):
        raise ConfigurationError(f"{given!r} is no pydantic model; a message is a class such as PingMessage")
    return given


def _tag(model: type[BaseModel]) -> str | None:
    """The action of a message, where there is one only."""
    field = model.model_fields.get("action")
    if field is None:
        return None
    values = get_args(field.annotation)
    if len(values) == 1:
        return str(values[0])
    return field.default if field.default is not PydanticUndefined and isinstance(field.default, str) else None
