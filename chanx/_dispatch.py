"""Frame in: what to run. Answer out: which text. No I/O, no tasks, no clock.

A frame is read in one step when the plan has one section and the text holds no envelope key. Everything
else (a `ref`, two families, a prefix, a mistake) takes the longer way through a peek at tag and `ref`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from chanx._plan import Handler, Plan, Section
from chanx.codecs.protocol import Codec
from chanx.exceptions import ConfigurationError
from chanx.types import CONTROL_ACTIONS, RESERVED_KEYS, place

#: A ref of 64 characters is at most this long in JSON, each character escaped as a pair of surrogates.
_REF_TEXT = 64 * 12 + 2

_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class BadFrame(Exception):
    """A frame that cannot be handled; it is answered, never fatal.

    Attributes:
        code: the machine-readable code of the error frame.
        ref: the frame's own `ref` as JSON, if it carried a good one.
    """

    def __init__(self, code: str, detail: str, errors: list[dict[str, Any]] | None = None, ref: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.ref = ref


def make_peek(discriminator: str) -> Any:
    """A decoder of tag and `ref`; both stay raw, so that a wrong one is ours to answer."""
    optional = msgspec.Raw | msgspec.UnsetType
    fields = [
        ("tag", optional, msgspec.field(name=discriminator, default=msgspec.UNSET)),
        ("ref", optional, msgspec.field(default=msgspec.UNSET)),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Peek", fields)).decode  # type: ignore[arg-type]


def read(plan: Plan, text: str) -> tuple[Handler, Any, str]:
    """The handler, the message, and the `ref` as JSON (empty when there is none).

    Raises:
        BadFrame: with the code and detail to answer.
    """
    try:
        seen = plan.peek(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _explain_peek(plan, text, error) from None
    ref = ""
    if plan.envelope and seen.ref is not msgspec.UNSET:
        ref = _ref(seen.ref)
    section = plan.direct
    if section is None:
        section = _route(plan, seen.tag, ref)
    if section.prefix:
        text = _retag(plan, section, text)
    try:
        message = _decode(section, text) if plan.envelope else section.decode(text)
    except Exception as error:  # noqa: BLE001 - each family has exceptions of its own; explain() knows them
        raise explain(plan, section, text, error, ref) from None
    return section.handlers[type(message)], message, ref


def explain(plan: Plan, section: Section, text: str, error: Exception, ref: str = "") -> BadFrame:
    """What to answer where a validator raised."""
    if isinstance(error, RecursionError):
        return BadFrame("malformed_json", "the frame is nested too deeply", ref=ref)
    found = section.explain(error, section.tags)
    if found is None:
        # a validator of the user's own raised something else: its text may hold what clients must not see
        return BadFrame("invalid_message", "the message is invalid", ref=ref)
    if found.malformed:
        return BadFrame("malformed_json", found.detail, ref=ref)
    try:
        tag = msgspec.json.decode(plan.peek(text).tag, type=str)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return BadFrame("invalid_message", found.detail, found.errors, ref)
    if not section.prefix and tag not in plan.known:
        return _unknown(plan, tag, ref)
    return BadFrame("invalid_message", found.detail, found.errors, ref)


def error_frame(plan: Plan, bad: BadFrame) -> str:
    """The error frame of DESIGN, "On the wire"."""
    payload: dict[str, Any] = {"code": bad.code, "detail": bad.detail}
    if bad.errors:
        payload["errors"] = bad.errors
    frame: dict[str, Any] = {plan.discriminator: "error", "payload": payload}
    if bad.ref:
        frame["ref"] = msgspec.Raw(bad.ref.encode())
    try:
        return _encode(frame).decode()
    except (UnicodeError, TypeError):  # a finding holds half a surrogate pair
        payload["errors"] = []
        payload["detail"] = bad.code
        return _encode(frame).decode()


def control_frame(plan: Plan, action: str, ref: str) -> str:
    """`ack` or `complete`, with the ref it answers."""
    return f'{{{json.dumps(plan.discriminator)}:"{action}","ref":{ref}}}'


def with_ref(text: str, ref: str) -> str:
    """The same frame carrying a `ref`, spliced in front of the closing brace."""
    return f'{text[:-1]},"ref":{ref}}}'


def answer(plan: Plan, result: Any, ref: str) -> list[str]:
    """The frames of what a handler returned; with a `ref`, its final answer is among them.

    Raises:
        ConfigurationError: it returned something that is no message.
    """
    if result is None:
        return [control_frame(plan, "ack", ref)] if ref else []
    if not isinstance(result, (list, tuple)):
        frame = encode(plan, result)
        return [with_ref(frame, ref)] if ref else [frame]
    frames = [encode(plan, message) for message in result]
    if ref:
        frames = [with_ref(frame, ref) for frame in frames]
        frames.append(control_frame(plan, "complete", ref))
    return frames


def encode(plan: Plan, message: Any) -> str:
    """A message as its frame.

    Raises:
        ConfigurationError: it is no message: wrong type, no tag, a tag or field of the envelope.
    """
    cls = type(message)  # pyright: ignore[reportUnknownVariableType]
    encoder = plan.encoders.get(cls)
    if encoder is None:
        codec = codec_of(plan.codecs, cls)
        if codec is None:
            raise ConfigurationError(
                f"{cls.__module__}.{cls.__qualname__} is no message; "
                f"return or send a pydantic model or msgspec.Struct with a literal {plan.discriminator!r}"
            )
        check_message(codec, cls, plan.discriminator, plan.envelope)
        encoder = plan.encoders[cls] = codec.encoder(cls)
    return encoder(message).decode()


def codec_of(codecs: Iterable[Codec], cls: Any) -> Codec | None:
    """The family that a class belongs to."""
    return next((codec for codec in codecs if codec.owns(cls)), None)


def check_message(codec: Codec, cls: Any, discriminator: str, envelope: bool) -> tuple[str, ...]:
    """The tags of a class that travels on the socket.

    Raises:
        ConfigurationError: no literal tag, or one that belongs to the envelope.
    """
    tags = codec.tags(cls, discriminator)
    if envelope:
        taken = sorted(codec.names(cls) & RESERVED_KEYS)
        if taken:
            raise ConfigurationError(
                f"{place(cls)}: the field or alias {taken[0]!r} is a key of the envelope; "
                f"rename it, or use Channel(envelope=False)"
            )
        for tag in tags:
            if tag in CONTROL_ACTIONS:
                raise ConfigurationError(
                    f"{place(cls)}: the tag {tag!r} is a control action; choose another, or use Channel(envelope=False)"
                )
    return tags


def _ref(raw: Any) -> str:
    """Check a ref and write it as the JSON that every answer to it carries."""
    value = None
    if len(raw) <= _REF_TEXT:
        try:
            value = msgspec.json.decode(raw, type=str | int)
        except (msgspec.MsgspecError, ValueError):
            value = None
    if isinstance(value, str) and not 1 <= len(value) <= 64:
        value = None
    if value is None:
        problem = {"loc": ["ref"], "type": "ref", "msg": "a ref is a string of 1 to 64 characters, or an integer"}
        raise BadFrame("invalid_message", "the ref is invalid", [problem])
    return _encode(value).decode()


def _route(plan: Plan, raw: Any, ref: str) -> Section:
    try:
        tag = msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, ValueError, TypeError):
        problem = {"loc": [plan.discriminator], "type": "missing", "msg": "a string is needed here"}
        raise BadFrame("invalid_message", "the message has no tag", [problem], ref) from None
    section = plan.routes.get(tag)
    if section is None:
        raise _unknown(plan, tag, ref)
    return section


def _unknown(plan: Plan, tag: str, ref: str) -> BadFrame:
    problem = {"loc": [plan.discriminator], "type": "unknown_action", "msg": f"nothing here answers to {tag[:100]!r}"}
    return BadFrame("unknown_action", "the action is unknown", [problem], ref)


def _decode(section: Section, text: str) -> Any:
    if not section.strict:
        return section.decode(text)
    # Some class of the section looks at unknown keys. Only the top level is loosened, and only by the
    # envelope's own keys: a nested model keeps refusing them.
    values = _raw_object(text)
    if RESERVED_KEYS.isdisjoint(values):
        return section.decode(text)
    kept = {key: value for key, value in values.items() if key not in RESERVED_KEYS}
    return section.decode(_encode(kept).decode())


def _retag(plan: Plan, section: Section, text: str) -> str:
    """What an included channel receives carries its own tag again."""
    values = _raw_object(text)
    tag = msgspec.json.decode(values[plan.discriminator], type=str)
    values[plan.discriminator] = msgspec.Raw(_encode(tag.removeprefix(section.prefix)))
    return _encode(values).decode()


def _explain_peek(plan: Plan, text: str, error: Exception) -> BadFrame:
    if isinstance(error, msgspec.ValidationError):
        problem = {"loc": [], "type": "object", "msg": "a message is a JSON object"}
        return BadFrame("invalid_message", "the frame is not an object", [problem])
    if isinstance(error, RecursionError):
        return BadFrame("malformed_json", "the frame is nested too deeply")
    return BadFrame("malformed_json", str(error) if isinstance(error, msgspec.DecodeError) else "not valid UTF-8")
