"""The names of topics: `discussion:{pk}`, where a parameter matches anything but a colon."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chanx.exceptions import ConfigurationError

#: A topic's name travels on each of its frames.
MAX_TOPIC = 256

_PARAMETER = re.compile(r"\{([^{}]*)\}")


class Pattern(msgspec.Struct, frozen=True, eq=False):
    """A pattern of topics.

    Attributes:
        text: as it was written.
        names: of its parameters, in order.
        shape: the same text with nameless parameters; two patterns of one shape match the same topics.
        regex: matches the whole of a topic.
    """

    text: str
    names: tuple[str, ...]
    shape: str
    regex: re.Pattern[str]


def parse(text: Any, where: str) -> Pattern:
    """Read a pattern.

    Raises:
        ConfigurationError: it can match nothing, or cannot be told how.
    """
    if not isinstance(text, str) or not 1 <= len(text) <= MAX_TOPIC:
        raise ConfigurationError(f'{where}: topic={text!r}; it is a pattern such as "discussion:{{pk}}"')
    names: list[str] = _PARAMETER.findall(text)
    literals: list[str] = _PARAMETER.split(text)[::2]
    for name in names:
        if not name.isidentifier():
            raise ConfigurationError(
                f"{where}: topic={text!r}: {{{name}}} names no parameter; write {{pk}}, and its type where it is "
                f'asked for: pk: Annotated[int, Path("pk")]'
            )
        if names.count(name) > 1:
            raise ConfigurationError(f"{where}: topic={text!r} has the parameter {{{name}}} twice; rename one")
    if any("{" in literal or "}" in literal for literal in literals):
        raise ConfigurationError(f"{where}: topic={text!r}: a brace has no partner; a parameter is written {{pk}}")
    if "" in literals[1:-1]:
        raise ConfigurationError(
            f"{where}: topic={text!r}: nothing stands between two parameters, so nobody can tell where one ends"
        )
    if any(segment.count("{") > 2 for segment in text.split(":")):  # a client could have the match take seconds
        raise ConfigurationError(f"{where}: topic={text!r} has more than two parameters between colons; add a colon")
    parameters = [f"(?P<{name}>[^:]+)" for name in names]
    regex = "".join(re.escape(literal) + one for literal, one in zip(literals, [*parameters, ""], strict=True))
    return Pattern(text, tuple(names), "{}".join(literals), re.compile(regex))
