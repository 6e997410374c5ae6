"""The documents of the examples, each made from the application as it is served."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

import examples
from chanx.asyncapi import document, walk
from docs.snippets.howto import asyncapi
from tests.asyncapi.conftest import Valid

PLACE = Path(examples.__file__).parent
#: Not the projects of Django, which have settings, and a process, of their own.
NAMES = sorted(
    path.stem
    for path in PLACE.iterdir()
    if path.name[0] not in "_." and (path.is_dir() or path.suffix == ".py") and not (path / "manage.py").exists()
)


def test_there_are_examples() -> None:
    assert {"chat", "fastapi_shared", "starlette_mount"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_example_has_a_valid_document(name: str, valid: Valid) -> None:
    app = importlib.import_module("examples.fastapi_rooms.app" if name == "fastapi_rooms" else f"examples.{name}").app
    told = document(app, title=name, version="1")
    assert valid(told) == []
    assert {one["address"] for one in told["channels"].values()} == {one.address for one in walk(app)}
    assert told["operations"]


@pytest.mark.parametrize("told", [asyncapi.told, asyncapi.secured], ids=["told", "secured"])
def test_the_documents_of_the_page_are_valid(told: dict[str, Any], valid: Valid) -> None:
    assert valid(told) == []
