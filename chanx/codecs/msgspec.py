"""msgspec structs: one decoder over tagged structs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Union

import msgspec

from chanx.codecs.protocol import MAX_TEXT, Finding
from chanx.exceptions import ConfigurationError
from chanx.types import place

_ValidationError = msgspec.ValidationError
_MALFORMED = (msgspec.DecodeError, UnicodeError)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_NAMED = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`$")


class MsgspecCodec:
    """The codec of `msgspec.Struct` subclasses."""

    def owns(self, cls: Any) -> bool:
        return isinstance(_origin(cls), type) and issubclass(_origin(cls), msgspec.Struct) and cls is not msgspec.Struct

    def tags(self, cls: Any, discriminator: str) -> tuple[str, ...]:
        config = _origin(cls).__struct_config__
        if config.array_like:
            raise ConfigurationError(f"{place(_origin(cls))} is array_like; a message is a JSON object, so remove it")
        if config.tag_field != discriminator or not isinstance(config.tag, str):
            raise ConfigurationError(
                f"{place(_origin(cls))} has no string tag in {discriminator!r}; declare it as "
                f'`class {_origin(cls).__name__}(Struct, tag_field="{discriminator}", tag="…")`'
            )
        return (config.tag,)

    def names(self, cls: Any) -> frozenset[str]:
        try:
            fields = msgspec.structs.fields(cls)
            msgspec.json.Decoder(cls)
        except (NameError, TypeError) as error:
            raise ConfigurationError(f"{place(_origin(cls))} cannot be decoded: {error}") from error
        return frozenset(name for field in fields for name in (field.name, field.encode_name))

    def extra(self, cls: Any) -> bool:
        return bool(_origin(cls).__struct_config__.forbid_unknown_fields)

    def union(self, classes: Iterable[Any], discriminator: str) -> Callable[[str], Any]:
        members = tuple(classes)
        if len(members) == 1:  # alone, its tag would be optional; among two it is needed
            members = (*members, msgspec.defstruct("Nothing", [], tag_field=discriminator, tag="\0"))
        return msgspec.json.Decoder(Union[members]).decode  # noqa: UP007

    def single(self, cls: Any) -> Callable[[str], Any]:
        return msgspec.json.Decoder(cls).decode

    def encoder(self, cls: Any, *, names: bool = False) -> Callable[[Any], bytes]:
        return msgspec.json.Encoder().encode

    def explain(self, error: Exception, tags: frozenset[str]) -> Finding | None:
        text = str(error)
        if isinstance(error, _ValidationError):  # it has no parts: all is in the text
            msg, _, path = text.partition(" - at `$.")
            step = path[:-1]
            loc: list[str | int] = [step]
            if not step.isidentifier():  # a path with more steps, or none
                msg, _, path = text.partition(" - at `$")
                loc = [int(found[2]) if found[2] else found[1] or "..." for found in _STEP.finditer(path[:-1])]
            kind = "invalid"
            if msg[:7] == "Object " and (named := _NAMED.match(msg)):
                loc.append(named[1])
                kind = "missing" if msg.startswith("Object missing") else "extra_forbidden"
            if len(text) > MAX_TEXT:  # the client's own keys are in it
                loc = [one[:MAX_TEXT] if isinstance(one, str) else one for one in loc]
                msg = msg[: 2 * MAX_TEXT]
            return False, "the message is invalid", [{"loc": loc, "type": kind, "msg": msg}]
        if isinstance(error, _MALFORMED):
            return True, text, []
        return None


def _origin(cls: Any) -> Any:
    """A generic struct with parameters is an alias of its class."""
    return getattr(cls, "__origin__", cls)
