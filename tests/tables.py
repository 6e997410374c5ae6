"""The tables that benchmarks print, for their tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.contestants import Heat

ROOT = Path(__file__).parent.parent


def names(chosen: tuple[Heat, ...]) -> list[str]:
    return [contestant.name for heat in chosen for contestant in heat.contestants]


def benchmark(*arguments: str) -> list[str]:
    """The lines of a benchmark's table, below its headings."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    head, table = ended.stdout.split("\n---", 1)
    assert "contestant" in head
    return table.splitlines()[1:]


def assert_rows(table: list[str], expected: list[str]) -> None:
    assert len(table) == len(expected)
    for line, name in zip(table, expected, strict=True):
        assert line.startswith(f"{name} "), f"expected a row for {name!r}, got {line!r}"
