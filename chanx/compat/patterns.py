"""Parameters in the patterns of routes, as Django, Starlette and regular expressions write them."""

from __future__ import annotations

import re
from typing import Any

from chanx.asyncapi.paths import from_django, from_starlette, template
from chanx.asyncapi.patterns import from_regex

#: A parameter of Django's `path()`: `<type:name>`.
DJANGO_PARAM_PATTERN = r"<(\w+):(\w+)>"
#: A named group of a regular expression: `(?P<name>pattern)`.
REGEX_PARAM_PATTERN = r"\(\?P<([^>]+)>([^)]+)\)"
#: A parameter of Starlette and FastAPI: `{name}` or `{name:type}`.
STARLETTE_PARAM_PATTERN = r"\{(\w+)(?::(\w+))?\}"


def extract_path_parameters(pattern: str) -> dict[str, str]:
    """The parameters of a pattern by name: the name of the convertor, or of a group its regular expression.

    Args:
        pattern: such as `"rooms/<int:room>/"`, `"/rooms/{room:int}"` or `r"^rooms/(?P<room>[0-9]+)/$"`.
    """
    found = {name: kind for kind, name in re.findall(DJANGO_PARAM_PATTERN, pattern)}
    found.update(re.findall(REGEX_PARAM_PATTERN, pattern))
    without = re.sub(REGEX_PARAM_PATTERN, "", pattern)  # `{2}` in a group is no parameter
    found.update(
        {
            name: kind or "str"
            for name, kind in re.findall(STARLETTE_PARAM_PATTERN, without)
            if name[0] not in "0123456789"
        }
    )
    return found


def get_pattern_string_and_params(route: Any) -> tuple[str, dict[str, str] | None]:
    """The path of a route with its parameters in braces, and these by name; None where it has none.

    Args:
        route: of Django (`path`, `re_path`) or of Starlette; or a pattern as text.
    """
    text = pattern_of(route)
    return address_of(text)[0], extract_path_parameters(text) or None


def pattern_of(route: Any) -> str:
    """The pattern of a route, as it was written."""
    if isinstance(route, str):
        return route
    pattern = getattr(route, "pattern", None)
    if pattern is None:
        return str(getattr(route, "path", ""))
    for name in ("_route", "_regex"):
        if (text := getattr(pattern, name, None)) is not None:
            return str(text)
    return str(pattern)


def address_of(pattern: str) -> tuple[str, dict[str, str | None]]:
    """A pattern, however it is written, as an address: parameters in braces; and the names of their convertors."""
    if "(?" in pattern or pattern.startswith("^"):
        return template(from_regex(pattern))
    return template(from_django(pattern) if "<" in pattern else from_starlette(pattern))
