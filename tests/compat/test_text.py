"""JSON is what the standard library writes, errors among it."""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chanx.compat.text import dumps

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
CONTENT = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner))


class Text(str):
    """As Django's safe strings."""

    __slots__ = ()


@given(CONTENT)
def test_it_is_what_json_writes(content: Any) -> None:
    assert dumps(content) == json.dumps(content)


@pytest.mark.parametrize(
    "content", [Text("a"), {"a": Text("b")}, (1, (2,)), OrderedDict(a=1), {None: 1, True: 2, 1.5: 3}]
)
def test_so_it_is_with_what_only_resembles_json(content: Any) -> None:
    assert dumps(content) == json.dumps(content)


@pytest.mark.parametrize("content", [{"a": date(2020, 1, 1)}, {(1, 2): 3}, {1}, object()])
def test_what_json_refuses_is_refused_alike(content: Any) -> None:
    with pytest.raises(TypeError) as wanted:
        json.dumps(content)
    with pytest.raises(TypeError) as got:
        dumps(content)
    assert str(got.value) == str(wanted.value)


def test_a_default_that_a_project_gives_to_all_of_json_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.JSONEncoder, "default", lambda _self, value: str(value))
    assert dumps({"a": date(2020, 1, 1)}) == '{"a": "2020-01-01"}'


def test_a_circle_is_refused_and_the_next_text_is_written() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular reference"):
        dumps(circle)
    assert dumps([1]) == "[1]"
