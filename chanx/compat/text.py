"""JSON as the standard library writes it, in a third of the time: its encoder makes a new writer for each text.

And JSON as messages are written, without spaces.
"""

from __future__ import annotations

import json
from json import encoder
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_plain: Any = json.JSONEncoder()


def _default(value: Any) -> Any:
    return _plain.default(value)  # looked up each time: projects put a `default` of their own into the class


_make: Any = getattr(encoder, "c_make_encoder", None)  # CPython has it
#: The writer that `json.dumps` would make, without the search for circles.
_write: Any = _make and _make(
    *(None, _default, encoder.encode_basestring_ascii, None),
    *(_plain.key_separator, _plain.item_separator, False, False, True),
)


def dumps(content: Any) -> str:
    """What `json.dumps(content)` returns or raises."""
    if _write is None or (content.__class__ is not dict and not isinstance(content, dict | list | tuple)):
        return json.dumps(content)
    try:
        return "".join(_write(content, 0))
    except RecursionError:  # it is in itself, which `json` finds; or very deep
        return json.dumps(content)


def compact(content: Any) -> str:
    """The same without spaces, as pydantic and msgspec write it; a float that JSON has no form for is null.

    Raises:
        TypeError: JSON has no form for something else in it.
        ValueError: it is in itself.
    """
    try:
        return _encode(content).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):  # with subclasses of str, half characters, …
        return json.dumps(content, separators=(",", ":"))
