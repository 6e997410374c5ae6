"""The table of instructions; a file of its own, so that another process may run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.backend import BACKENDS
from benchmarks.contestants import heats
from tests import programs
from tests.full import FULL
from tests.tables import ROOT, assert_rows, benchmark, names


@pytest.mark.parametrize("heat", ["1 type", *(["10 types"] if FULL else [])])
def test_instructions_prints_every_row(heat: str) -> None:
    programs.need("valgrind")
    chosen = tuple(one for one in heats(BACKENDS["asyncio"]) if one.name == heat)
    assert_rows(benchmark("instructions", "--quick", "--heat", heat), names(chosen))


def test_instructions_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "instructions", "--quick"]
    environment = {"PATH": str(tmp_path)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "valgrind is not installed" in ended.stderr
