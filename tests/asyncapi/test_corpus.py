"""What holds for the document of each channel of the corpus, and of all of them together."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from chanx.asyncapi import document, to_json, to_yaml
from tests.asyncapi.conftest import Valid
from tests.asyncapi.corpus import CORPUS, everything
from tests.full import FULL

OPTIONS: Any = {
    "title": "Corpus",
    "version": "1.0.0",
    "servers": {"live": "wss://example.com/ws"},
    "security_schemes": {"token": {"type": "http", "scheme": "bearer"}},
    "security": ["token"],
}
ALL = {**CORPUS, "everything": everything}

each = pytest.mark.parametrize("name", ALL)


@functools.cache
def made(name: str) -> dict[str, Any]:
    return document(ALL[name](), **OPTIONS)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of a document."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from nodes(one)
    elif isinstance(value, list):
        for one in value:
            yield from nodes(one)


@each
def test_the_official_parser_finds_nothing_wrong(name: str, valid: Valid) -> None:
    assert valid(to_json(made(name))) == []


@each
def test_each_reference_leads_somewhere(name: str) -> None:
    told = made(name)
    for node in nodes(told):
        if isinstance(node.get("$ref"), str):
            assert len(node) == 1, f"{node} says something that nobody reads"
            found: Any = told
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]


@each
def test_keys_are_legal_and_nothing_is_left_over(name: str) -> None:
    told = made(name)
    components = told["components"]
    for keys in (told["channels"], told.get("operations", {}), components["schemas"], components["messages"]):
        assert all(re.fullmatch(r"[a-zA-Z0-9.\-_]+", key) for key in keys)
    used = {node["$ref"] for node in nodes(told) if isinstance(node.get("$ref"), str)}
    for kind in ("schemas", "messages"):
        assert {f"#/components/{kind}/{key}" for key in components[kind]} <= used
    assert "$defs" not in to_json(told)


@each
def test_schemas_are_draft_07_and_examples_valid(name: str) -> None:
    told = made(name)
    for key, schema in told["components"]["schemas"].items():
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator({**schema, "components": told["components"]})
        for example in told["components"]["messages"].get(key, {}).get("examples", ()):
            validator.validate(example["payload"])
        assert not {"prefixItems", "discriminator", "unevaluatedProperties"} & {
            keyword for node in nodes(schema) for keyword in node
        }


@each
def test_an_operation_speaks_of_messages_of_its_channel(name: str) -> None:
    told = made(name)
    for operation in told.get("operations", {}).values():
        channel = operation["channel"]["$ref"].removeprefix("#/channels/")
        assert operation["messages"]
        for message in (*operation["messages"], *operation.get("reply", {}).get("messages", ())):
            kind, key, messages, message_key = message["$ref"].removeprefix("#/").split("/")
            assert (kind, key, messages) == ("channels", channel, "messages")
            assert message_key in told["channels"][channel]["messages"]


@each
def test_json_and_yaml_say_the_same(name: str) -> None:
    told = made(name)
    assert json.loads(to_json(told)) == told
    assert yaml.safe_load(to_yaml(told)) == told
    assert "Infinity" not in to_json(told)


def test_a_second_document_is_the_same() -> None:
    channels = everything()
    assert to_json(document(channels, **OPTIONS)) == to_json(document(channels, **OPTIONS))
    assert to_json(document(everything(), **OPTIONS)) == to_json(document(channels, **OPTIONS))


PRINT = """
import sys
from chanx.asyncapi import to_json, to_yaml
from tests.asyncapi.test_corpus import ALL, made
for name in ALL:
    sys.stdout.write(to_json(made(name)) + to_yaml(made(name)))
"""


def test_every_process_makes_the_same_document() -> None:
    """Whatever the order of sets: strings have another hash in each process."""
    texts = set[bytes]()
    for seed in ("0", "1", "12345") if FULL else ("0", "1"):
        ran = subprocess.run(
            [sys.executable, "-c", PRINT],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        texts.add(ran.stdout)
    assert len(texts) == 1
    assert len(texts.pop()) > 100_000
