"""The official parser, as the tests of documents use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.asyncapi import parser
from tests.asyncapi.parser import Parser, Problem

Valid = Callable[[Mapping[str, Any] | str], list[Problem]]


@pytest.fixture(scope="session")
def official(node: str) -> Iterator[Parser]:
    """The official parser, started once."""
    parser.need()
    with Parser(node) as running:
        yield running


@pytest.fixture(scope="session")
def valid(official: Parser) -> Valid:
    """What a document must not have: `assert valid(document) == []`. Errors and warnings of the official parser."""

    def valid(document: Mapping[str, Any] | str) -> list[Problem]:
        return [one for one in official.problems(document) if one.severity in ("error", "warning")]

    return valid
