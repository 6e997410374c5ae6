"""What is wrong with a client's frame, told as pydantic tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from chanx.compat.compiled import NOBODY

#: Findings that mean that a frame is no message at all, and not only a wrong one.
_NO_MESSAGE = frozenset(("json_invalid", "string_unicode", "dict_type", "model_attributes_type"))
#: pydantic's tagged unions have two members at least; those that stand for nobody are not told of.
_NOBODIES = tuple(f"{before}{tag!r}" for tag in ("\0", NOBODY) for before in (", ", ""))


#: More findings than this in one frame are counted, and not listed: an answer must not outgrow its question.
MOST = 100
#: Nor must it repeat a long key in each of them.
_LONGEST = 100


def no_json(detail: str) -> ValidationError:
    """The error of a frame that is no JSON."""
    return ValidationError.from_exception_data(
        "message", [{"type": "json_invalid", "ctx": {"error": detail}, "loc": (), "input": ""}]
    )


def is_message(error: ValidationError) -> bool:
    """Was the frame a JSON object, which only was no right one?"""
    if error.error_count() > 1:
        return True
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return bool(first["loc"]) or first["type"] not in _NO_MESSAGE


def findings(error: ValidationError) -> list[Mapping[str, Any]]:
    """What pydantic found, for the client: its own values are not repeated to it."""
    count = error.error_count()
    if count > MOST:
        return [{"type": "too_many", "loc": [], "msg": f"{count} values of the message are invalid"}]
    found: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
    for one in found:
        one["loc"] = [_cut(part) if isinstance(part, str) else part for part in one["loc"]]
        if one["type"] == "union_tag_invalid":
            for nobody in _NOBODIES:
                one["msg"] = one["msg"].replace(nobody, "")
    return found


def _cut(part: str) -> str:
    return part if len(part) <= _LONGEST else part[:_LONGEST] + "…"
