"""What travels on a channel layer: dictionaries as text, which native channels can read as events too.

JSON where the message is JSON already, exactly: what `json` would change on the way (bytes, tuples, keys that are no
strings) goes as MessagePack in an envelope instead, where bytes and integer keys survive. A tuple arrives as a list.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

import msgspec

_json = msgspec.json.Encoder().encode
_read_json = msgspec.json.Decoder().decode
_packed = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(strict=False).decode

#: The key of the envelope; no text that is JSON already begins with it.
_KEY = "chanx.msgpack"
_MARK = '{"' + _KEY + '":'

_SCALARS = (str, int, float, bool, type(None))


def write(message: Mapping[str, Any]) -> str:
    """A message as text.

    Raises:
        TypeError: it holds something that cannot be sent to another process.
    """
    if _plain(message):
        try:
            return _json(message).decode()
        except (OverflowError, UnicodeError):
            pass
    try:
        packed = _packed(message)
    except (TypeError, OverflowError) as error:
        raise TypeError(
            f"a message on a channel layer holds strings, numbers, bytes, lists and dictionaries: {error}"
        ) from None
    return f'{_MARK}"{base64.b64encode(packed).decode()}"}}'


def read(text: str) -> dict[str, Any]:
    """A message again; each call makes another one."""
    found: Any = _read_json(text)
    if text.startswith(_MARK) and len(found) == 1:
        found = _unpack(base64.b64decode(found[_KEY]))
    return cast(dict[str, Any], found)


def _plain(value: Any) -> bool:
    """Does JSON give this back as it is?"""
    kind = value.__class__
    if kind is float:
        return bool(value - value == 0)  # neither infinite nor no number
    if kind in _SCALARS:
        return True
    if kind is dict:
        return all(key.__class__ is str and _plain(one) for key, one in value.items())
    return kind is list and all(map(_plain, value))
