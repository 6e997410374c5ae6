"""The answers to the server's questions: their validators, and how a client declines. No I/O."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from chanx._dispatch import BadFrame, check_message, codec_of, route, validated
from chanx._plan import Plan, Section, section_of
from chanx.exceptions import ConfigurationError
from chanx.types import place


class _Refusal(msgspec.Struct):
    """What a client sends that will not answer a question."""

    code: str = "declined"
    detail: str = ""


class _RefusalFrame(msgspec.Struct):
    payload: _Refusal = msgspec.field(default_factory=_Refusal)


_refusal = msgspec.json.Decoder(_RefusalFrame).decode
_string = msgspec.json.Decoder(str).decode


def answers(plan: Plan, classes: tuple[Any, ...]) -> Section | None:
    """The validator of the answers to a question; None for any message that the plan receives.

    Raises:
        ConfigurationError: a class is no message.
    """
    if not classes:
        return None
    codec = codec_of(plan.codecs, classes[0])
    for cls in classes:
        if codec is None or not codec.owns(cls):
            raise ConfigurationError(f"{place(cls)} cannot be an answer; give message classes, all of one family")
        check_message(codec, cls, plan.discriminator, plan.envelope)
    assert codec is not None
    return section_of(codec, classes, plan.discriminator)


def read_answer(plan: Plan, section: Section | None, text: str, ask: str) -> Any:
    """What the client answers to a question.

    Raises:
        BadFrame: with the frame that tells the client; the question stays open.
    """
    try:
        if section is None:
            section = plan.direct or route(plan, plan.peek(text).tag, text, "")
        return validated(plan, section, text)
    except BadFrame as bad:
        raise BadFrame(f'{bad.frame[:-1]},"ask":{ask}}}', bad.fault) from None


def declined(plan: Plan, text: str) -> tuple[str, str] | None:
    """Code and detail of the error frame with which a client answers a question; None for any other frame."""
    with contextlib.suppress(msgspec.MsgspecError, ValueError, TypeError):
        if _string(plan.peek(text).tag) == "error":
            payload = _refusal(text).payload
            return payload.code[:64] or "declined", payload.detail[:1000]
    return None
