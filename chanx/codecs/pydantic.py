"""pydantic models: one tagged union in pydantic's core validator, fed with the frame's text."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from chanx.codecs.protocol import MAX_ERRORS, MAX_TEXT, Finding
from chanx.exceptions import ConfigurationError
from chanx.types import place


class PydanticCodec:
    """The codec of `pydantic.BaseModel` subclasses."""

    def owns(self, cls: Any) -> bool:
        return isinstance(cls, type) and issubclass(cls, BaseModel) and cls is not BaseModel

    def tags(self, cls: type[BaseModel], discriminator: str) -> tuple[str, ...]:
        _complete(cls)
        field = cls.model_fields.get(discriminator)
        if field is None:
            raise ConfigurationError(
                f"{place(cls)} has no field {discriminator!r}; "
                f'add `{discriminator}: Literal["{cls.__name__.lower()}"] = "{cls.__name__.lower()}"`'
            )
        if get_origin(field.annotation) is not Literal:
            raise ConfigurationError(
                f"{place(cls)}: the type of {discriminator!r} is {field.annotation!r}; a tag is a Literal of strings: "
                f'write `{discriminator}: Literal["{cls.__name__.lower()}"] = "{cls.__name__.lower()}"`'
            )
        if any(alias not in (None, discriminator) for alias in (field.validation_alias, field.serialization_alias)):
            raise ConfigurationError(
                f"{place(cls)}: remove the alias of {discriminator!r}; a tag has one name on the wire"
            )
        tags = get_args(field.annotation)
        # a member of an enum that is no str itself is written as its value, but not read back from it
        if not all(isinstance(tag, str) for tag in tags):
            raise ConfigurationError(f"{place(cls)}: the tags {tags!r} are not all strings; use strings, or a StrEnum")
        return tuple(str(tag.value) if isinstance(tag, Enum) else tag for tag in tags)

    def names(self, cls: type[BaseModel]) -> frozenset[str]:
        _complete(cls)
        return frozenset(_names(cls))

    def extra(self, cls: type[BaseModel]) -> bool:
        return cls.model_config.get("extra") in ("forbid", "allow")

    def union(self, classes: Iterable[type[BaseModel]], discriminator: str) -> Callable[[str], Any]:
        members = tuple(classes)
        if len(members) == 1:  # alone, its tag's default would make the tag optional; among two it is needed
            tag: dict[str, Any] = {discriminator: (Literal["\0"], ...)}
            members = (*members, create_model("Nothing", **tag))
        union: Any = Annotated[Union[members], Field(discriminator=discriminator)]  # noqa: UP007
        return TypeAdapter[Any](union).validator.validate_json

    def single(self, cls: type[BaseModel]) -> Callable[[str], Any]:
        _complete(cls)
        return functools.partial(cls.__pydantic_validator__.validate_json, by_alias=False, by_name=True)

    def encoder(self, cls: type[BaseModel], *, names: bool = False) -> Callable[[Any], bytes]:
        _complete(cls)
        to_json = cls.__pydantic_serializer__.to_json
        if names:
            return functools.partial(to_json, by_alias=False, round_trip=True)
        return lambda message: to_json(message, by_alias=True)  # a partial would cost five times as much

    def explain(self, error: Exception, tags: frozenset[str]) -> Finding | None:
        if not isinstance(error, ValidationError):
            return None
        count = error.error_count()
        if count > MAX_ERRORS * 5:  # reading them all would cost more than the frame did
            return False, f"{count} values of the frame are invalid", []
        errors: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
        if not errors[0]["loc"] and errors[0]["type"] in ("json_invalid", "string_unicode"):
            return True, errors[0]["msg"], []
        detail = "the message is invalid"
        if count > MAX_ERRORS:
            detail = f"{detail}; {count - MAX_ERRORS} more findings"
            del errors[MAX_ERRORS:]
        for one in errors:  # pydantic puts the tag in front
            loc = one["loc"]
            steps = loc[1:] if loc and loc[0] in tags else loc
            one["loc"] = [step[:MAX_TEXT] if isinstance(step, str) else step for step in steps]
            one["msg"] = one["msg"][: 2 * MAX_TEXT]
        return False, detail, errors


def _complete(cls: type[BaseModel]) -> None:
    """Resolve forward references now, so that a missing one is a mistake of set-up, not of a message."""
    try:
        cls.model_rebuild()
    except (PydanticUndefinedAnnotation, PydanticUserError) as error:
        raise ConfigurationError(f"{place(cls)} cannot be completed: {error}") from error
    if not cls.__pydantic_complete__:  # rebuilding did not raise, and did not help
        raise ConfigurationError(
            f"{place(cls)} cannot be completed: an annotation cannot be resolved where the class is used, such as one "
            f"of a generic parent that names itself; write the parent without `from __future__ import annotations`"
        )


def _names(cls: type[BaseModel]) -> Iterator[str]:
    for name, field in cls.model_fields.items():
        yield name
        if field.serialization_alias:
            yield field.serialization_alias
        alias = field.validation_alias
        for choice in alias.choices if isinstance(alias, AliasChoices) else (alias,):
            if choice is not None:
                yield str(choice.path[0] if isinstance(choice, AliasPath) else choice)
    for name, computed in cls.model_computed_fields.items():
        yield computed.alias or name
