"""Frames as a test writes and reads them: messages, dicts, text, and what they say about each other."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, cast

import msgspec
from pydantic import BaseModel

from chanx.types import RESERVED_KEYS

Frame = str | bytes


class Failed(AssertionError):
    """An error frame came where a message was expected.

    Attributes:
        code: what kind of error, as in the reference of codes.
        detail: the text for people.
        errors: findings of the validator, for `invalid_message`.
    """

    def __init__(self, code: str, detail: str, errors: Sequence[Any] = ()) -> None:
        super().__init__(f"answered with the error {code}: {detail}")
        self.code = code
        self.detail = detail
        self.errors = list(errors)


def write(message: Any, **envelope: Any) -> str:
    """A model, a struct or a dict as the text of a frame, with keys of the envelope."""
    if isinstance(message, BaseModel):
        text = message.model_dump_json(by_alias=True)
    else:
        text = msgspec.json.encode(message).decode()
    return json.dumps({**json.loads(text), **envelope}) if envelope else text


def readable(frame: Frame) -> Any:
    """JSON as an object, any other frame as it is."""
    if isinstance(frame, bytes):
        return frame
    try:
        return json.loads(frame)
    except ValueError:
        return frame


def key_of(frame: Frame, key: str) -> Any:
    """The value of a key of the envelope; None where there is none."""
    content = readable(frame)
    return cast(dict[str, Any], content).get(key) if isinstance(content, dict) else None


def parse(type_: type[Any], frame: Frame, envelope: Collection[str]) -> Any:
    """A frame as a message; the keys of the envelope are no fields of it."""
    content = readable(frame)
    if isinstance(content, dict):
        fields = cast(dict[str, Any], content)
        frame = json.dumps({key: value for key, value in fields.items() if key not in envelope})
    if issubclass(getattr(type_, "__origin__", type_), BaseModel):  # a generic struct is an alias, not a class
        return type_.model_validate_json(frame)
    return msgspec.json.decode(frame, type=type_)


def failure(frame: Frame) -> Failed | None:
    """What an error frame says; None for any other."""
    content = readable(frame)
    if not isinstance(content, dict) or "error" not in cast(dict[str, Any], content).values():
        return None
    match cast(dict[str, Any], content).get("payload"):
        case {"code": str(code), "detail": str(detail), **rest}:
            return Failed(code, detail, cast(dict[str, Any], rest).get("errors", ()))
        case _:
            return None


def ends(frame: Frame) -> bool:
    """Is it the last one of several answers: an `ack` or `complete`?"""
    content = {key: value for key, value in readable(frame).items() if key not in RESERVED_KEYS}
    return list(content.values()) in (["ack"], ["complete"])
