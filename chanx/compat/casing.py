"""Names in snake case and in camel case.

Keys are changed only where they look like names, and where the change can be taken back: a key of a dictionary of data,
such as an id or a text, stays what it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

#: A longer key is no name. It could be as long as a frame, to be kept in a cache, or looked through for capitals.
_LONGEST = 100

_UNDERSCORE = re.compile(r"(?<=[a-zA-Z0-9])_([a-z])")
_NAME = re.compile(r"[a-z_][a-zA-Z0-9_]*")
_ACRONYM = re.compile(r"([A-Z]+)([A-Z][a-z])")
_CAPITAL = re.compile(r"([a-z0-9])([A-Z])")


@functools.lru_cache(4096)
def _camel_key(key: str) -> str:
    if _NAME.fullmatch(key):
        camel = _UNDERSCORE.sub(lambda found: found[1].upper(), key)
        if snake_case(camel) == key:
            return camel
    return key


@functools.lru_cache(4096)
def _snake_key(key: str) -> str:
    return snake_case(key) if _NAME.fullmatch(key) else key


def snake_case(name: str) -> str:
    """`UserJoined` as `user_joined`."""
    return _CAPITAL.sub(r"\1_\2", _ACRONYM.sub(r"\1_\2", name)).lower()


def camelized(value: Any) -> Any:
    """A copy of JSON's values with all keys in camel case."""
    return _renamed(value, _camel_key)


def snaked(value: Any) -> Any:
    """A copy of JSON's values with all keys in snake case."""
    return _renamed(value, _snake_key)


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if value.__class__ is dict:
        return {
            rename(key) if isinstance(key, str) and len(key) <= _LONGEST else key: _renamed(one, rename)
            for key, one in value.items()
        }
    return [_renamed(one, rename) for one in value] if value.__class__ is list else value
