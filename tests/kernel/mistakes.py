"""Helpers for tests of set-up mistakes: where something was written, and what the error says about it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

from chanx import Channel, ConfigurationError


def spot(thing: Any) -> str:
    """`file.py:12` of a function or class."""
    code: CodeType | None = getattr(thing, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"


def here() -> str:
    """`file.py:12` of the calling line."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def below() -> str:
    """`file.py:13` of the line below the calling one."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno + 1}"


def refused(attempt: Channel | Callable[[], Any], *culprits: Any, says: str | tuple[str, ...]) -> str:
    """The text of the `ConfigurationError`; it must name the place of each culprit and hold all of `says`.

    Args:
        attempt: a channel to compile, or what to call.
        culprits: functions, classes, or places as `here` gives them.
        says: parts of the text, among them the advice.
    """
    with pytest.raises(ConfigurationError) as caught:
        attempt.compile() if isinstance(attempt, Channel) else attempt()
    text = str(caught.value)
    for culprit in culprits:
        place = culprit if isinstance(culprit, str) else spot(culprit)
        assert place in text, f"{place} is not named in: {text}"
        assert text[text.index(place) + len(place)] not in "0123456789", f"{place} is another line in: {text}"
    for part in (says,) if isinstance(says, str) else says:
        assert part in text, f"{part!r} is not said in: {text}"
    return text
