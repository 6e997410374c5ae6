"""The runner of the official parser finds what is wrong in a document: a test that trusts it can fail."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.asyncapi import parser
from tests.asyncapi.conftest import Valid
from tests.asyncapi.parser import Parser

SOUND: dict[str, Any] = {
    "asyncapi": "3.0.0",
    "info": {"title": "Echo", "version": "1.0.0"},
    "channels": {
        "echo": {"address": "/échos", "messages": {"said": {"$ref": "#/components/messages/said"}}},
    },
    "operations": {
        "say": {
            "action": "receive",
            "channel": {"$ref": "#/channels/echo"},
            "messages": [{"$ref": "#/channels/echo/messages/said"}],
        },
    },
    "components": {"messages": {"said": {"payload": {"type": "object", "properties": {"text": {"type": "string"}}}}}},
}


def broken(path: str, value: Any) -> dict[str, Any]:
    """The sound document with another value at `path`; None takes away what is there."""
    document = copy.deepcopy(SOUND)
    *way, last = path.split("/")
    target = document
    for step in way:
        target = target[step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return document


def errors(official: Parser, document: dict[str, Any] | str) -> list[str]:
    return [str(one) for one in official.problems(document) if one.severity == "error"]


def test_a_sound_document_has_no_problem(valid: Valid) -> None:
    assert valid(SOUND) == []
    assert valid(json.dumps(SOUND)) == []
    assert valid("asyncapi: 3.0.0\ninfo: {title: Échos, version: '1'}\nchannels:\n  echo:\n    address: /échos\n") == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("info/version", None, "version"),
        ("operations/say/action", "shout", "action"),
        ("components/messages/said", None, "components/messages/said"),
        ("channels/echo/messages/said/$ref", "#/components/messages/sung", "sung"),
        ("components/messages/said/payload/type", "objekt", "payload"),
        ("channels/echo/parameters", {"room": {"schema": {}}}, "schema"),
        ("channels/echo/parameters", {"room": {"description": "Which"}}, "room"),
        ("operations/say/channel/$ref", "#/channels/elsewhere", "elsewhere"),
    ],
)
def test_what_is_wrong_is_an_error(official: Parser, path: str, value: Any, said: str) -> None:
    found = errors(official, broken(path, value))
    assert [one for one in found if said in one], found


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "asyncapi: ["])
def test_what_is_no_document_is_an_error(official: Parser, text: str) -> None:
    assert errors(official, text) != []


def test_a_warning_is_told_apart(official: Parser, valid: Valid) -> None:
    """The parser's own recommendations are for version 2 only: one of its documents has warnings and no error."""
    older = {"asyncapi": "2.6.0", "info": {"title": "Echo", "version": "1.0.0"}, "channels": {}}
    assert errors(official, older) == []
    found = valid(older)
    assert {one.severity for one in found} == {"warning"}
    assert "asyncapi-info-description" in {one.code for one in found}


def test_one_process_reads_many_documents(official: Parser) -> None:
    process = official.process.pid
    for _ in range(3):
        assert errors(official, SOUND) == []
        assert errors(official, broken("info/version", None)) != []
    assert official.process.pid == process


def test_a_parser_that_is_not_there_is_an_error(node: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Parser(node, home=tmp_path) as nowhere, pytest.raises((RuntimeError, BrokenPipeError)):
        nowhere.problems(SOUND)
    assert "Cannot find module" in capfd.readouterr().err


def test_in_ci_a_missing_parser_fails_and_elsewhere_skips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parser, "HOME", tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="parser is not installed"):
        parser.need()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="parser is not installed"):
        parser.need()
