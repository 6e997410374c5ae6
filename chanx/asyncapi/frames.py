"""Messages as they travel: a class's own schema with its tag on the wire, and what the envelope puts beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from chanx._streams import MOST_STREAMS
from chanx.asyncapi.draft7 import Schema, fits, is_object
from chanx.asyncapi.naming import Definition, slug
from chanx.asyncapi.schemas import Mode, Schemas

#: Whether a frame carries the client's correlation id.
Ref = Literal["never", "may", "must"]

#: The id of the definition of a `ref`.
REF = "chanx:ref"

_REF = Definition(
    {
        "title": "Ref",
        "description": "The client's correlation id. The final answer to a frame that has one carries it too.",
        "anyOf": [{"type": "string", "minLength": 1, "maxLength": 64}, {"type": "integer"}],
    },
    "ref",
    "chanx",
)

_CODES = (
    *("malformed_json", "invalid_message", "unknown_action", "unsupported_frame", "unauthorized", "duplicate_ref"),
    *("cancelled", "timeout", "rate_limited", "overloaded", "unknown_topic", "not_subscribed", "internal_error"),
)

_FINDING: Schema = {
    "type": "object",
    "properties": {
        "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "type": {"type": "string"},
        "msg": {"type": "string"},
    },
    "required": ["loc", "type", "msg"],
}

_ERROR: Schema = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": f"One of {', '.join(_CODES)}, or the application's own."},
        "detail": {"type": "string", "description": "For people."},
        "errors": {"type": "array", "items": _FINDING, "description": "What is wrong with a message, and where."},
    },
    "required": ["code", "detail"],
}


def _by_name(fields: dict[str, Schema], needed: list[str], most: int | None = None) -> Schema:
    """An object of streams by their public names."""
    one: Schema = {"type": "object", "properties": fields, "required": needed}
    return {"type": "object", "additionalProperties": one, **({} if most is None else {"maxProperties": most})}


_STREAM: Schema = {"type": "string", "description": "The public name of a group with history."}
_SEQ: Schema = {"type": "integer", "minimum": 0, "description": "The position in the stream."}
_EPOCH: Schema = {
    "type": "string",
    "maxLength": 64,
    "description": "The life of the count, which begins anew when it is lost.",
}
_PLACE: Schema = {"stream": _STREAM, "seq": _SEQ, "epoch": _EPOCH}
_KNOWN: dict[str, Schema] = {"seq": {**_SEQ, "maximum": 2**53}, "epoch": _EPOCH}

#: What the frames of the envelope are for, and their payload.
_CONTROL: dict[str, tuple[str, Schema | None]] = {
    "ack": ("The final answer to a message that has no other.", None),
    "complete": ("The end of several messages with one `ref`.", None),
    "error": ("What is wrong with a message, or why it has no other answer.", _ERROR),
    "cancel": ("The client wants no answer to the message with this `ref` any more.", None),
    "heartbeat": ("The server asks for a sign of life; the client sends the same frame back.", None),
    "subscribe": ("Open a topic on this connection.", None),
    "subscribed": ("The topic is open.", {"type": "null"}),
    "unsubscribe": ("Close a topic.", None),
    "unsubscribed": (
        "The topic is closed: at the client's wish, or with the code and reason for which the server closed it.",
        {
            "type": ["object", "null"],
            "properties": {"code": {"type": "integer"}, "reason": {"type": "string"}},
            "required": ["code", "reason"],
        },
    ),
    "gap": ("Something that the connection's groups were sent may not have come: ask for what is needed anew.", None),
    "joined": ("Where a stream stands that the connection takes part in from now on.", None),
    "position": (
        "Where the client stands in a stream: after a push not for it, or, with `recovered`, one that is lost.",
        None,
    ),
    "recover": ("The client has come back, and asks for what came after the last position that it knows.", None),
    "recovered": (
        "What was missed has come before this, where it says so; else it tells where the stream stands.",
        None,
    ),
}

#: Fields of those that have some beside a payload, and which of them are always there.
_FIELDS: dict[str, tuple[dict[str, Schema], list[str]]] = {
    "heartbeat": ({"ask": {"type": "string"}}, ["ask"]),
    "joined": (_PLACE, ["stream", "seq", "epoch"]),
    "position": ({**_PLACE, "recovered": {"type": "boolean", "const": False}}, ["stream", "seq", "epoch"]),
    "recover": ({"streams": _by_name(_KNOWN, ["seq", "epoch"], MOST_STREAMS)}, ["streams"]),
    "recovered": (
        {"streams": _by_name({"recovered": {"type": "boolean"}, "seq": _SEQ, "epoch": _EPOCH}, ["recovered"])},
        ["streams"],
    ),
}

#: Frames of the envelope that never carry a `ref`.
NO_REF = frozenset({"heartbeat", "gap", "joined", "position"})


class Topic(msgspec.Struct, frozen=True):
    """The topic that frames belong to, as its pattern: `discussion:{pk}`."""

    pattern: str

    @property
    def slug(self) -> str:
        """The pattern as part of a name."""
        return slug(self.pattern)

    @property
    def schema(self) -> Schema:
        """What the key `topic` holds."""
        if "{" not in self.pattern:
            return {"type": "string", "const": self.pattern}
        text = re.sub(r"([\\^$.*+?()\[\]|/])", r"\\\1", self.pattern)  # as ECMA-262 wants it, and not more
        return {"type": "string", "pattern": f"^{re.sub(r'{[^{}]*}', '[^:]+', text)}$"}

    @property
    def example(self) -> str:
        """A topic that matches."""
        return re.sub(r"{[^{}]*}", "1", self.pattern)


class Frame(msgspec.Struct, frozen=True):
    """One kind of message on the wire.

    Attributes:
        cls: the class; or the action of a frame of the envelope.
        tags: what stands in the discriminator.
        prefix: of a channel that is included with one.
        camelized: the names of fields are in camel case on the wire.
        streamed: it may be a push to a group with history, and then tells its place.
    """

    cls: Any
    mode: Mode
    discriminator: str
    tags: tuple[str, ...]
    ref: Ref
    prefix: str = ""
    topic: Topic | None = None
    camelized: bool = False
    streamed: bool = False

    @property
    def tag(self) -> str | None:
        """The tag, where there is only one."""
        return self.tags[0] if len(self.tags) == 1 else None

    def definition(self, schemas: Schemas) -> Definition:
        """The definition of what travels."""
        control = isinstance(self.cls, str)
        own = _control(self.cls) if control else schemas.message(self.cls, self.mode)
        if self.camelized:
            own = schemas.camelized(own)
        base = f"{self.topic.slug}.{own.base}" if self.topic else own.base
        standard = self.discriminator == "action" and (self.ref != "never" or self.cls in NO_REF)
        marks = [self.discriminator] if control and self.discriminator != "action" else []
        marks += ["NoRef"] if self.ref == "never" else ["WithRef"] if self.ref == "must" else []
        marks += ["Streamed"] if self.streamed else []
        prefix = self.prefix and f"{slug(self.prefix)}."
        return Definition(
            schema=self._framed(own.schema),
            base=f"{prefix}{base}",
            module=own.module,
            mode=own.mode,
            rank=0 if not control else 1 if standard else 2,
            marks=tuple(marks),
        )

    def base_of(self, schemas: Schemas) -> str:
        """The base name of the class alone."""
        return self.cls if isinstance(self.cls, str) else schemas.message(self.cls, self.mode).base

    def _framed(self, own: Schema) -> Schema:
        tag: Schema = {"type": "string", "const": self.tag} if self.tag else {"type": "string", "enum": [*self.tags]}
        fields: dict[str, Any] = dict(own.get("properties", {}))
        told = fields.get(self.discriminator)
        if told is None and own.get("type", "object") != "object":
            return own  # a model that writes itself in a way of its own
        if told is not None and "description" in told:
            tag["description"] = told["description"]
        fields = {self.discriminator: tag, **{key: one for key, one in fields.items() if key != self.discriminator}}
        needed = [self.discriminator, *(one for one in own.get("required", ()) if one != self.discriminator)]
        if self.topic is not None:
            fields["topic"] = self.topic.schema
            fields["version"] = {"type": "integer", "const": 1}
            needed += ["topic", "version"] if self.mode == "serialization" else ["topic"]
        if self.ref != "never":
            fields["ref"] = {"$ref": REF}
            needed += ["ref"] if self.ref == "must" else []
        if self.streamed:
            fields.update({"stream": _STREAM, "seq": _SEQ})
        return {**own, "type": "object", "properties": fields, "required": needed}

    def examples(self, schema: Schema, resolve: Callable[[str], Schema]) -> list[Any]:
        """Messages that a schema made here gives for examples, or those of its fields put together."""
        fields: dict[str, Schema] = schema.get("properties", {})
        around: dict[str, Any] = {self.discriminator: self.tags[0]}
        if self.topic is not None:
            around["topic"] = self.topic.example
        around.update({"version": 1} if "version" in schema.get("required", ()) else {})
        around.update({"ref": "1"} if self.ref == "must" else {})
        given = [one for one in schema.get("examples", ()) if is_object(one)]
        if not given and any("examples" in field for field in fields.values()):
            told = [(key, _example(field)) for key, field in fields.items() if key not in around]
            given = [{key: value[0] for key, value in told if value}]
        made = [{**around, **self._own(one)} for one in given]
        return [one for one in made if fits(one, schema, resolve)]

    def _own(self, example: dict[str, Any]) -> dict[str, Any]:
        """An example's values; a tag without the prefix gets it."""
        tag = example.get(self.discriminator)
        if isinstance(tag, str) and f"{self.prefix}{tag}" in self.tags:
            return {**example, self.discriminator: f"{self.prefix}{tag}"}
        return {key: value for key, value in example.items() if key != self.discriminator or tag in self.tags}


def ref_definition() -> Definition:
    """What a `ref` is."""
    return _REF


def _example(field: Schema) -> list[Any]:
    """An example of a field, or nothing."""
    if field.get("examples"):
        return [field["examples"][0]]
    return [field[key] for key in ("const",) if key in field]


def _control(action: str) -> Definition:
    """A frame of the envelope, as if it were a class."""
    told, payload = _CONTROL[action]
    schema: Schema = {"title": action, "description": told, "type": "object", "properties": {}}
    if payload is not None:
        schema = {**schema, "properties": {"payload": payload}, "required": ["payload"]}
    if action in _FIELDS:
        fields, needed = _FIELDS[action]
        schema = {**schema, "properties": dict(fields), "required": list(needed)}
    return Definition(schema, action, "chanx")
