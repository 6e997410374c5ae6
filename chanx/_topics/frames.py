"""What a client's frame says of a topic. No I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from chanx._dispatch import BadFrame, ref_of
from chanx._frames import topic_invalid
from chanx._plan import Plan
from chanx._topics.pattern import MAX_TOPIC

_string = msgspec.json.Decoder(str).decode

#: The reasons for which a topic's own hooks and dependencies refuse it, by HTTP status.
_REASONS: Mapping[int, str] = {404: "unknown_topic", 422: "unknown_topic", 429: "rate_limited", 503: "overloaded"}


class Addressed(NamedTuple):
    """A frame that names a topic.

    Attributes:
        topic: its name.
        action: `subscribe` or `unsubscribe`; None for all that is for the topic itself.
        ref: as JSON; empty where there is none, or a wrong one.
    """

    topic: str
    action: str | None
    ref: str


def make_peek(discriminator: str) -> Any:
    """A decoder of what tells whom a frame is for."""
    optional = msgspec.Raw | msgspec.UnsetType
    fields = [
        ("tag", optional, msgspec.field(name=discriminator, default=msgspec.UNSET)),
        *((name, optional, msgspec.field(default=msgspec.UNSET)) for name in ("ref", "ask", "topic")),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Peek", fields)).decode


def read(plan: Plan, peek: Any, text: str) -> Addressed | None:
    """Whom a frame is for; None where it names no topic, or cannot be read, which is told in its turn.

    Raises:
        BadFrame: with the frame to answer.
    """
    try:
        seen = peek(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if seen.topic is msgspec.UNSET or bytes(seen.topic) == b"null":
        return None
    action: str | None = None
    if seen.ask is msgspec.UNSET:
        with contextlib.suppress(msgspec.MsgspecError, ValueError, TypeError):
            tag = _string(seen.tag)
            action = tag if tag in ("subscribe", "unsubscribe") else None
    ref = ""
    if seen.ref is not msgspec.UNSET:
        try:
            ref = ref_of(plan, seen.ref)
        except BadFrame:
            if action is not None:
                raise
    return Addressed(_name(plan, seen.topic, ref), action, ref)


def _name(plan: Plan, raw: Any, ref: str) -> str:
    topic = None
    with contextlib.suppress(msgspec.MsgspecError, ValueError):
        topic = _string(raw)
    if topic is None or not 1 <= len(topic) <= MAX_TOPIC:
        raise BadFrame(topic_invalid(plan, ref))
    return topic


def reason_of(status: int) -> str:
    """What a refusal with an HTTP status is called."""
    return _REASONS.get(status, "internal_error" if status >= 500 else "unauthorized")
