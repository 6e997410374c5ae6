"""What travels on a channel layer: dictionaries as text, which native channels can read as events too.

JSON where the message is JSON already, exactly: what `json` would change on the way (bytes, infinite numbers, keys that
are no strings) goes as MessagePack in an envelope instead, where it survives. A tuple arrives as a list, a subclass of
`str` (Django's safe strings and text choices) as a `str`. What would arrive as something else is refused.
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

#: Integers that MessagePack can write.
_LEAST, _MOST = -(2**63), 2**64 - 1


def write(message: Mapping[str, Any]) -> str:
    """A message as text.

    Raises:
        TypeError: it holds something that would not arrive as it is; the text says where.
    """
    try:
        if not _plain(message):
            message = _portable(message, "the message")
            if not _plain(message):
                return _enveloped(message)
        text = _json(message).decode()
    except RecursionError:
        raise TypeError("a message on a channel layer is not nested so deeply, nor in itself") from None
    except UnicodeError as error:
        raise TypeError(f"a message on a channel layer holds text that is no Unicode: {error}") from None
    return _enveloped(message) if text.startswith(_MARK) else text


def read(text: str) -> dict[str, Any]:
    """A message again; each call makes another one."""
    found: Any = _read_json(text)
    if len(found) == 1 and text.startswith(_MARK):
        found = _unpack(base64.b64decode(found[_KEY]))
    return found  # type: ignore[no-any-return]


def _enveloped(message: Mapping[str, Any]) -> str:
    return f'{_MARK}"{base64.b64encode(_packed(message)).decode()}"}}'


def _plain(value: Any) -> bool:
    """Does JSON give this back as it is?"""
    kind = value.__class__
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(_LEAST <= value <= _MOST)
    if kind is float:
        return bool(value - value == 0)  # neither infinite nor no number
    if kind is dict:
        return all(key.__class__ is str and _plain(one) for key, one in value.items())
    return kind is list and all(map(_plain, value))


def _portable(value: Any, where: str) -> Any:
    """The same in types that travel.

    Raises:
        TypeError: there is no such type for it.
    """
    if value is None or value.__class__ in (bool, float, bytes):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        if _LEAST <= value <= _MOST:
            return int(value)
        raise TypeError(f"{where} is an integer of more than 64 bits, which a channel layer cannot carry")
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(cast(Any, value))
    if isinstance(value, list | tuple):
        several = cast("list[Any]", value)
        return [_portable(one, f"{where}[{number}]") for number, one in enumerate(several)]
    if isinstance(value, Mapping):
        pairs = cast(dict[Any, Any], value)
        return {_key(key, where): _portable(one, f"{where}[{key!r}]") for key, one in pairs.items()}
    raise TypeError(
        f"{where} is of type {type(value).__name__}; a channel layer carries strings, numbers, bytes, booleans, None, "
        f"and lists and dictionaries of these: send what the receiver can make it from, such as a text or a primary key"
    )


def _key(key: Any, where: str) -> str | int:
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int) and not isinstance(key, bool) and _LEAST <= key <= _MOST:
        return int(key)
    raise TypeError(f"{where} has the key {key!r}; on a channel layer keys are strings")
