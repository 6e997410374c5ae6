"""Paths of routes, as Starlette and Django write them, taken apart and put together to addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from starlette.convertors import CONVERTOR_TYPES


class Param(NamedTuple):
    """A parameter of a path: its name, and the name of its convertor where it has one."""

    name: str
    convertor: str | None


#: A path: literal text and parameters, in turn.
Parts = tuple[str | Param, ...]

_BRACES = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")
_ANGLES = re.compile(r"<(?:([^<>:]+):)?([^<>:]+)>")
# A value of each convertor that no narrower convertor takes, so that a broader one before it is told from those.
_SAMPLES = {
    "str": "~",
    "int": "7",
    "float": "7.5",
    "path": "~/~",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def from_starlette(path: str) -> Parts:
    """The parts of `"/rooms/{room:int}"`; also of the text of a `Host`."""
    return _split(_BRACES, path, lambda match: Param(match[1], match[2] or "str"))


def from_django(route: str) -> Parts:
    """The parts of what Django's `path()` takes: `"rooms/<int:room>/"`."""
    return _split(_ANGLES, route, lambda match: Param(match[2].strip(), match[1] or "str"))


def _split(pattern: re.Pattern[str], text: str, param: Callable[[re.Match[str]], Param]) -> Parts:
    parts: list[str | Param] = []
    end = 0
    for match in pattern.finditer(text):
        parts += [text[end : match.start()], param(match)]
        end = match.end()
    return joined([*parts, text[end:]])


def joined(parts: Iterable[str | Param]) -> Parts:
    """Neighbouring texts made one."""
    result: list[str | Param] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        elif part != "":
            result.append(part)
    return tuple(result)


def after(prefix: Parts, rest: Parts) -> Parts:
    """`rest` behind `prefix`; of two slashes that meet, one."""
    if prefix and rest and str(prefix[-1]).endswith("/") and str(rest[0]).startswith("/"):
        return joined([*prefix, str(rest[0])[1:], *rest[1:]])
    return joined([*prefix, *rest])


def under_mount(prefix: Parts, rest: Parts) -> Parts:
    """`rest` in what is mounted at `prefix`: Starlette's mounts want a slash behind their path."""
    return after((*prefix, "/"), rest)


def template(parts: Parts) -> tuple[str, dict[str, str | None]]:
    """The text with the parameters in braces, and the convertors of those by name.

    Where two have one name, the inner one keeps it: it is the one that a channel is given.
    """
    texts: list[str] = []
    convertors: dict[str, str | None] = {}
    for part in reversed(parts):
        if isinstance(part, str):
            texts.append(part)
            continue
        name, number = part.name, 0
        while name in convertors:
            number += 1
            name = f"{part.name}_{number}"
        convertors[name] = part.convertor
        texts.append("{" + name + "}")
    return "".join(reversed(texts)), dict(reversed(convertors.items()))


def sample(parts: Parts) -> str | None:
    """A path that only a route as broad as this one matches; None where a convertor is not Starlette's own."""
    texts = [part if isinstance(part, str) else _SAMPLES.get(part.convertor or "") for part in parts]
    return None if None in texts else "".join(text or "" for text in texts)


def matcher(parts: Parts, *, below: bool = False) -> re.Pattern[str]:
    """What a route with this path matches: the whole of it, or also all below it."""
    texts = [re.escape(part) if isinstance(part, str) else _values(part.convertor) for part in parts]
    return re.compile("".join(texts) + ("" if below else r"\Z"), re.DOTALL)


def _values(convertor: str | None) -> str:
    if convertor == "slug":  # Django's
        return "[-a-zA-Z0-9_]+"
    known = CONVERTOR_TYPES.get(convertor or "str")
    return "[^/]+" if known is None else f"(?:{known.regex})"
