"""The texts of the frames that the server makes itself (DESIGN, "On the wire")."""

from __future__ import annotations

from typing import Any

import msgspec

from chanx._plan import Plan
from chanx._topics.pattern import MAX_TOPIC

_encode = msgspec.json.Encoder().encode


def error_frame(plan: Plan, code: str, detail: str, errors: list[dict[str, Any]] | None, ref: str = "") -> str:
    """The error frame of DESIGN, "On the wire"."""
    payload: dict[str, Any] = {"code": code, "detail": detail}
    if errors:
        payload["errors"] = errors
    frame: dict[str, Any] = {plan.discriminator: "error", "payload": payload}
    if ref:
        frame["ref"] = msgspec.Raw(ref.encode())
    try:
        return _encode(frame).decode()
    except (UnicodeError, TypeError):  # a finding holds half a surrogate pair, or a number that JSON has not
        payload["detail"] = code
        payload.pop("errors", None)
        return _encode(frame).decode()


def control_frame(plan: Plan, action: str, ref: str) -> str:
    """`ack` or `complete`, with the ref it answers."""
    return f'{{{_encode(plan.discriminator).decode()}:"{action}","ref":{ref}}}'


def heartbeat(plan: Plan, number: int) -> str:
    """The frame that asks a client for a sign of life; it is sent back as it is."""
    return f'{{{_encode(plan.discriminator).decode()}:"heartbeat","ask":"h{number}"}}'


def gap(plan: Plan) -> str:
    """The frame that tells a client that something its groups were sent may not have come. It names none of them:
    what a group is called is the server's own business.
    """
    return f'{{{_encode(plan.discriminator).decode()}:"gap"}}'


def stream_envelope(stream: str, seq: int) -> str:
    """What stands in each push of a stream, in place of the closing brace."""
    return f',"stream":{_encode(stream).decode()},"seq":{seq}}}'


def position(plan: Plan, action: str, stream: str, seq: int, epoch: str, lost: bool = False) -> str:
    """`joined` and `position`: where a client stands in a stream; `lost`: something before that cannot be had."""
    field = _encode(plan.discriminator).decode()
    recovered = ',"recovered":false' if lost else ""
    where = f'"stream":{_encode(stream).decode()},"seq":{seq},"epoch":{_encode(epoch).decode()}'
    return f'{{{field}:"{action}",{where}{recovered}}}'


def recovered(plan: Plan, streams: dict[str, dict[str, Any]], ref: str) -> str:
    """The answer to `recover`."""
    return with_ref(_encode({plan.discriminator: "recovered", "streams": streams}).decode(), ref)


def with_ref(text: str, ref: str) -> str:
    """The same frame carrying a `ref`, spliced in front of the closing brace."""
    return f'{text[:-1]},"ref":{ref}}}'


def topic_envelope(topic: str) -> str:
    """What stands in each frame of a topic, in place of the closing brace."""
    return f',"version":1,"topic":{_encode(topic).decode()}}}'


def topic_frame(plan: Plan, action: str, topic: str, ref: str = "", payload: Any = None) -> str:
    """A frame that speaks of a subscription (COMPAT, "chanx 2.x")."""
    field = _encode(plan.discriminator).decode()
    text = f'{{{field}:"{action}","payload":{_encode(payload).decode()}{topic_envelope(topic)}'
    return f'{text[:-1]},"ref":{ref}}}' if ref else text


def topic_error(plan: Plan, reason: str, detail: str, topic: str, ref: str = "") -> str:
    """The error frame that answers a subscription, or a frame for a topic that there is not."""
    payload = {"reason": reason, "detail": detail, "code": reason}
    try:
        return topic_frame(plan, "error", topic, ref, payload)
    except UnicodeError:  # half a surrogate pair, as a part of a text that somebody cut
        return topic_frame(plan, "error", topic, ref, {**payload, "detail": reason})


def topic_invalid(plan: Plan, ref: str) -> str:
    """The error frame that answers a frame whose topic is no name, or that must have one."""
    problem = {"loc": ["topic"], "type": "topic", "msg": f"a topic is a string of 1 to {MAX_TOPIC} characters"}
    return error_frame(plan, "invalid_message", "the topic is invalid", [problem], ref)
