"""Frame in: what to run. Answer out: which text. No I/O, no tasks, no clock.

A frame is read in one step when the plan has one section and the text holds no envelope key. Everything
else (a `ref`, two families, a prefix, a mistake) takes the longer way through a peek at tag and `ref`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import msgspec

from chanx._frames import control_frame, error_frame, topic_error, topic_invalid, with_ref
from chanx._plan import Handler, Plan, Section
from chanx._topics.pattern import MAX_TOPIC
from chanx.codecs.protocol import Codec
from chanx.exceptions import ChanxError, ConfigurationError
from chanx.types import CONTROL_ACTIONS, RESERVED_KEYS, place

#: So many classes of messages are remembered; more are encoded all the same, with more work.
MAX_ENCODERS = 1000

#: A ref of 64 characters is at most this long in JSON, each character escaped as a pair of surrogates.
_REF_TEXT = 64 * 12 + 2

_UNREADABLE = "the server could not read this message"

_NEED_REF = {"cancel": "a cancel carries the ref of what it ends", "recover": "a recover carries a ref"}

_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_string = msgspec.json.Decoder(str).decode
_ref_value = msgspec.json.Decoder(str | int).decode


class Control(NamedTuple):
    """A frame that is no message: it speaks of another one.

    Attributes:
        action: `cancel`, `recover`, `chunk` (of a client's stream), `complete` (its end), `answer` (to the server's
            question) or `heartbeat`.
        ref: the ref of the message it speaks of, as JSON; of an answer the id of the question.
    """

    action: str
    ref: str


class BadFrame(ChanxError):
    """A frame that cannot be handled; it is answered, never fatal.

    Attributes:
        frame: the error frame that answers it.
        fault: what a validator of the application raised; None where the client is to blame.
    """

    def __init__(self, frame: str, fault: Exception | None = None) -> None:
        super().__init__(frame)
        self.frame = frame
        self.fault = fault


def make_peek(discriminator: str) -> Any:
    """A decoder of tag, `ref` and `ask`; they stay raw, so that a wrong one is ours to answer."""
    optional = msgspec.Raw | msgspec.UnsetType
    fields = [
        ("tag", optional, msgspec.field(name=discriminator, default=msgspec.UNSET)),
        ("ref", optional, msgspec.field(default=msgspec.UNSET)),
        ("ask", optional, msgspec.field(default=msgspec.UNSET)),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Peek", fields)).decode


def read(plan: Plan, text: str) -> tuple[Handler, Any, str] | Control:
    """The handler, the message, and the `ref` as JSON (empty when there is none); or a frame that is no message.

    Raises:
        BadFrame: with the frame to answer.
    """
    try:
        seen = plan.peek(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadFrame(_explain_peek(plan, error)) from None
    ref = ""
    if plan.envelope and (seen.ref is not msgspec.UNSET or seen.ask is not msgspec.UNSET):
        if seen.ask is not msgspec.UNSET:
            return _answering(seen)
        ref = ref_of(plan, seen.ref)
        control = _control(plan, seen.tag, ref)
        if control is not None:
            return control
    section = plan.direct
    if section is None:
        section = route(plan, seen.tag, text, ref)
    message = validated(plan, section, text, ref)
    handler = section.handlers.get(message.__class__)
    if handler is None:  # a validator of the user's own has made something else
        odd = TypeError(f"a validator made a {message.__class__.__qualname__}, which no handler is for")
        raise BadFrame(error_frame(plan, "internal_error", _UNREADABLE, None, ref), odd)
    if handler.chunks is not None and not ref:
        problem = {"loc": ["ref"], "type": "missing", "msg": "the frames of a stream are told by its ref"}
        raise BadFrame(
            error_frame(plan, "invalid_message", "a message that is followed by a stream needs a ref", [problem])
        )
    return handler, message, ref


def glance(plan: Plan, text: str) -> tuple[Control | None, str]:
    """What a frame read ahead is, without validating it: a control frame, and the `ref` of any other.

    What is wrong with a frame is told in its turn.
    """
    if not plan.envelope or not ('"ref"' in text or '"ask"' in text or "\\" in text):
        return None, ""
    try:
        seen = plan.peek(text)
        if seen.ask is not msgspec.UNSET:
            return _answering(seen), ""
        if seen.ref is msgspec.UNSET:
            return None, ""
        ref = ref_of(plan, seen.ref)
    except (msgspec.MsgspecError, ValueError, RecursionError, BadFrame):
        return None, ""
    return _control(plan, seen.tag, ref), ref


def validated(plan: Plan, section: Section, text: str, ref: str = "") -> Any:
    """A frame as its message, through the validator of a section.

    Raises:
        BadFrame: with the frame to answer.
    """
    try:
        if section.prefix:
            text = _retag(plan, section, text)
        return _decode(section, text) if plan.envelope else section.decode(text)
    except Exception as error:  # noqa: BLE001 - each family has exceptions of its own; explain() knows them
        raise BadFrame(explain(plan, section, text, error, ref)) from None


def _answering(seen: Any) -> Control:
    """What a frame with an `ask` answers: a question, or the server's wish for a sign of life."""
    with contextlib.suppress(msgspec.MsgspecError, ValueError, TypeError):
        if _string(seen.tag) == "heartbeat":
            return Control("heartbeat", "")
    return Control("answer", _question(seen.ask))


def _question(raw: Any) -> str:
    """The id of a question; one that is no string was never asked."""
    with contextlib.suppress(msgspec.MsgspecError, ValueError):
        return str(_string(raw))
    return ""


def _control(plan: Plan, raw: Any, ref: str) -> Control | None:
    """What a frame with a `ref` speaks of, where that is another message."""
    try:
        tag = _string(raw)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None
    if tag == "cancel" or tag == "recover" or (tag == "complete" and plan.chunk_tags):
        return Control(tag, ref)
    return Control("chunk", ref) if tag in plan.chunk_tags else None


def explain(plan: Plan, section: Section, text: str, error: Exception, ref: str = "") -> str:
    """The error frame for a text at which a validator raised.

    Raises:
        BadFrame: it is the validator that is broken.
    """
    finding = section.explain(error, section.tags)
    if finding is None:
        if isinstance(error, RecursionError):
            return error_frame(plan, "malformed_json", "the frame is nested too deeply", None, ref)
        # a validator of the user's own is broken; the text of its error may hold what clients must not see
        raise BadFrame(error_frame(plan, "internal_error", _UNREADABLE, None, ref), error)
    malformed, detail, errors = finding
    if malformed:
        return error_frame(plan, "malformed_json", detail, None, ref)
    # a finding at the tag, or above it, may mean that nobody here knows the tag
    loc = errors[0]["loc"] if errors else None
    if (not loc or loc[0] == plan.discriminator) and not section.prefix:
        try:
            tag = _string(plan.peek(text).tag)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            tag = None
        if tag is not None and tag not in plan.known:
            return _unknown(plan, tag, text, ref)
    return error_frame(plan, "invalid_message", detail, errors, ref)


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
    frames = [encode(plan, message) for message in cast("Iterable[Any]", result)]
    if ref:
        frames = [with_ref(frame, ref) for frame in frames]
        frames.append(control_frame(plan, "complete", ref))
    return frames


def _told(thing: Any) -> str:
    """What is wrong with something that was given for a message."""
    if inspect.iscoroutine(thing):
        thing.close()  # no second complaint that nobody awaited it
        return f"{thing.__qualname__}(…) was called without await"
    if isinstance(thing, type):
        return f"{thing.__qualname__} is a class, and not a message made of it"
    return f"{type(thing).__qualname__} is no message"


def encode(plan: Plan, message: Any) -> str:
    """A message as its frame.

    Raises:
        ConfigurationError: it is no message: wrong type, no tag, a tag or field of the envelope.
    """
    cls: type[Any] = type(message)  # pyright: ignore[reportUnknownVariableType]
    encoder = plan.encoders.get(cls)
    if encoder is None:
        codec = codec_of(plan.codecs, cls)
        if codec is None:
            raise ConfigurationError(
                f"{_told(message)}; return or send a pydantic model or msgspec.Struct "
                f"with a literal {plan.discriminator!r}"
            )
        check_message(codec, cls, plan.discriminator, plan.envelope)
        encoder = codec.encoder(cls)
        if len(plan.encoders) < MAX_ENCODERS:  # classes that are made on the fly are not kept for ever
            plan.encoders[cls] = encoder
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


def ref_of(plan: Plan, raw: Any) -> str:
    """Check a ref and write it as the JSON that every answer to it carries."""
    value = None
    if len(bytes(raw)) <= _REF_TEXT:
        with contextlib.suppress(msgspec.MsgspecError, ValueError):
            value = _ref_value(raw)
    if isinstance(value, str) and not 1 <= len(value) <= 64:
        value = None
    if value is None:
        problem = {"loc": ["ref"], "type": "ref", "msg": "a ref is a string of 1 to 64 characters, or an integer"}
        raise BadFrame(error_frame(plan, "invalid_message", "the ref is invalid", [problem]))
    return _encode(value).decode()


def route(plan: Plan, raw: Any, text: str, ref: str) -> Section:
    """The section that a tag leads to.

    Raises:
        BadFrame: no tag, or none that is known.
    """
    try:
        tag = _string(raw)
    except (msgspec.MsgspecError, ValueError, TypeError):
        problem = {"loc": [plan.discriminator], "type": "missing", "msg": "a string is needed here"}
        raise BadFrame(error_frame(plan, "invalid_message", "the message has no tag", [problem], ref)) from None
    section = plan.routes.get(tag)
    if section is None:
        raise BadFrame(_unknown(plan, tag, text, ref))
    return section


def _unknown(plan: Plan, tag: str, text: str, ref: str) -> str:
    """The error frame for an unknown tag, written out: clients that are out of date send many of these."""
    if tag in _NEED_REF and plan.envelope:  # with a ref it would not have come here
        problem = {"loc": ["ref"], "type": "missing", "msg": _NEED_REF[tag]}
        return error_frame(plan, "invalid_message", f"a {tag} needs a ref", [problem])
    if tag in ("subscribe", "unsubscribe") and plan.envelope:  # of a topic that there is it would not have come here
        return _no_topic(plan, text, ref)
    field = _encode(plan.discriminator).decode()
    msg = _encode(f"nothing here answers to {tag[:100]!r}").decode()
    errors = f'[{{"loc":[{field}],"type":"unknown_action","msg":{msg}}}]'
    payload = f'{{"code":"unknown_action","detail":"the action is unknown","errors":{errors}}}'
    return f'{{{field}:"error","payload":{payload},"ref":{ref}}}' if ref else f'{{{field}:"error","payload":{payload}}}'


def _no_topic(plan: Plan, text: str, ref: str) -> str:
    with contextlib.suppress(msgspec.MsgspecError, ValueError, TypeError):
        topic = _string(_raw_object(text)["topic"]) if '"topic"' in text else ""
        if 1 <= len(topic) <= MAX_TOPIC:
            return topic_error(plan, "unknown_topic", "there is no such topic", topic, ref)
    return topic_invalid(plan, ref)


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
    tag = _string(values[plan.discriminator])
    values[plan.discriminator] = msgspec.Raw(_encode(tag.removeprefix(section.prefix)))
    return _encode(values).decode()


def _explain_peek(plan: Plan, error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        problem: dict[str, Any] = {"loc": [], "type": "object", "msg": "a message is a JSON object"}
        return error_frame(plan, "invalid_message", "the frame is not an object", [problem])
    if isinstance(error, RecursionError):
        return error_frame(plan, "malformed_json", "the frame is nested too deeply", None)
    detail = str(error) if isinstance(error, msgspec.DecodeError) else "not valid UTF-8"
    return error_frame(plan, "malformed_json", detail, None)
