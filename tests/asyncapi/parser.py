"""The official AsyncAPI parser (`@asyncapi/parser` of npm), kept running in one process of Node: it starts slowly."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

SCRIPT = Path(__file__).with_name("parser.js")
HOME = Path(__file__).parents[2] / ".venv" / "npm"
PATIENCE = 60.0
"""Seconds for one document, the start of Node included: it takes one or two."""


class Problem(NamedTuple):
    """One finding. An `"error"` makes a document invalid; a `"warning"`, `"information"` or `"hint"` does not."""

    severity: str
    code: str
    message: str
    path: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code} at {self.path or '/'}: {self.message}"


class Parser:
    """Use it in a `with` block, which ends Node."""

    def __init__(self, node: str, home: Path = HOME) -> None:
        self.process = subprocess.Popen(
            [node, str(SCRIPT), str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def problems(self, document: Mapping[str, Any] | str) -> list[Problem]:
        """All that the parser has to say of a document, given as such or as its JSON or YAML text."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        text = document if isinstance(document, str) else json.dumps(document)
        self.process.stdin.write(json.dumps(text) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            raise TimeoutError(f"the AsyncAPI parser gave no answer within {PATIENCE} s")
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"the AsyncAPI parser ended with {self.process.wait()}; see what it printed")
        return [
            Problem(one["severity"], one["code"], one["message"], "/".join(one["path"])) for one in json.loads(line)
        ]


def need() -> None:
    """End the test where the parser is not installed, as `tests.programs.need` does for programs."""
    if (HOME / "node_modules" / "@asyncapi" / "parser").is_dir():
        return
    reason = "@asyncapi/parser is not installed; `make test` (scripts/npm.sh) installs it where it may"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
