"""Names of channels and groups, and which capacity a channel has (the Channels specification of channel layers)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

#: So many characters are too many.
MAX_NAME = 100

_CHANNEL = re.compile(r"[a-zA-Z0-9\-_.]+(![a-zA-Z0-9\-_.]*)?")
_GROUP = re.compile(r"[a-zA-Z0-9\-_.]+")


def check_channel(name: Any) -> None:
    """Refuse what is no name of a channel.

    Args:
        name: of a channel; one that belongs to a process has a `!` in it.

    Raises:
        TypeError: with the rule.
    """
    if not (isinstance(name, str) and len(name) < MAX_NAME and _CHANNEL.fullmatch(name)):
        raise TypeError(
            f"{name!r} is no name of a channel: it is a string of fewer than {MAX_NAME} ASCII letters, digits, "
            f"hyphens, underscores and periods, with at most one ! in it"
        )


def check_group(name: Any) -> None:
    """Refuse what is no name of a group.

    Raises:
        TypeError: with the rule.
    """
    if not (isinstance(name, str) and _is_group(name)):
        raise TypeError(
            f"{name!r} is no name of a group: it is a string of fewer than {MAX_NAME} ASCII letters, digits, hyphens, "
            f"underscores and periods; chanx.utils.groups.group_name makes one of anything"
        )


@lru_cache(1024)  # consumers enter and leave few groups, again and again
def _is_group(name: str) -> bool:
    return len(name) < MAX_NAME and _GROUP.fullmatch(name) is not None


def capacities(capacity: int, patterns: Mapping[Any, int] | None) -> Callable[[str], int]:
    """How many messages may wait in a channel: that of the first pattern that matches its name.

    Args:
        capacity: of all others.
        patterns: capacities by a pattern such as `"http.request*"`, or by a compiled regular expression.

    Raises:
        ValueError: a capacity is not a positive integer.
    """
    for given in (capacity, *(patterns or {}).values()):
        number: Any = given
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"a capacity is how many messages may wait in a channel, 1 or more, not {number!r}")
    compiled = [
        (re.compile(fnmatch.translate(pattern)) if isinstance(pattern, str) else pattern, most)
        for pattern, most in (patterns or {}).items()
    ]

    def of(name: str) -> int:
        return next((most for pattern, most in compiled if pattern.match(name)), capacity)

    return of
