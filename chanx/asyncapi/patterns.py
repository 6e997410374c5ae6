"""Regular expressions of routes as paths: `^rooms/(?P<room>[^/]+)/$` as `rooms/{room}/`."""

from __future__ import annotations

import re
from typing import TypeAlias

from chanx.asyncapi.paths import Param, Parts, joined

# What stands for something that a path cannot show: a parameter without a name.
_HOLE = Param("", None)
_Tokens: TypeAlias = list[str | Param]

_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d*,?\d*\})[?+]?")
_NAMED = re.compile(r"\?P<(\w+)>")
_ASSERTION = re.compile(r"\?(?:<?[=!]|#|[a-zA-Z-]+$)")
_SCOPED = re.compile(r"\?[a-zA-Z-]*:")
# What groups are often written as.
_GROUPS = {
    r"\d+": "int",
    "[0-9]+": "int",
    "[^/]+": "str",
    r"\w+": "str",
    r"[\w-]+": "slug",
    r"[-\w]+": "slug",
    "[-a-zA-Z0-9_]+": "slug",
    ".+": "path",
    ".*": "path",
}


def from_regex(regex: str) -> Parts:
    """The parts of a regular expression: literal text, and a parameter for each named group.

    What else may vary becomes a parameter too: `{arg1}`, `{arg2}`. What is optional is taken to be there, and of
    several alternatives the first.
    """
    parts: _Tokens = []
    before: str | Param = ""
    holes = 0
    for token in _tokens(regex):
        if token is not _HOLE:
            parts.append(token)
        elif before is not _HOLE:  # `\d\d` is one parameter
            holes += 1
            parts.append(Param(f"arg{holes}", None))
        before = token
    return joined(parts)


def _tokens(regex: str) -> _Tokens:
    tokens: _Tokens = []
    at = 0
    while at < len(regex):
        char = regex[at]
        token: _Tokens = []
        if char == "|":
            break
        if char in "^$":
            end = at + 1
        elif char == "\\":
            token, end = _escaped(regex[at + 1 : at + 2]), at + 2
        elif char == "[":
            token += [_HOLE]
            end = _end_of_class(regex, at)
        elif char == "(":
            end = _end_of_group(regex, at)
            token = _group(regex[at + 1 : end - 1])
        else:
            token += [_HOLE if char == "." else char]
            end = at + 1
        if quantifier := _QUANTIFIER.match(regex, end):
            end = quantifier.end()
            if quantifier[0][0] != "?" and token and isinstance(token[0], str):
                token = [*token, _HOLE] if quantifier[0][0] == "+" else [_HOLE]
        tokens += token
        at = end
    return tokens


def _escaped(char: str) -> _Tokens:
    if char in "AZzbB":  # where a text begins or ends
        return []
    return [_HOLE] if char.isalnum() else [char]


def _group(inside: str) -> _Tokens:
    if named := _NAMED.match(inside):
        return [Param(named[1], _GROUPS.get(inside[named.end() :]))]
    if _ASSERTION.match(inside):
        return []
    if scoped := _SCOPED.match(inside):
        return _tokens(inside[scoped.end() :])
    return [_HOLE]


def _end_of_class(regex: str, start: int) -> int:
    """Where the class `[...]` ends that begins at `start`."""
    at = start + 1
    if regex[at : at + 1] == "^":
        at += 1
    at += 1  # a bracket that comes first is one of the characters
    if regex[at - 1 : at] == "\\":
        at += 1
    while at < len(regex) and regex[at] != "]":
        at += 2 if regex[at] == "\\" else 1
    return at + 1


def _end_of_group(regex: str, start: int) -> int:
    """Where the group `(...)` ends that begins at `start`."""
    depth, at = 0, start
    while at < len(regex):
        char = regex[at]
        if char == "\\":
            at += 2
            continue
        if char == "[":
            at = _end_of_class(regex, at)
            continue
        depth += (char == "(") - (char == ")")
        at += 1
        if depth == 0:
            break
    return at
