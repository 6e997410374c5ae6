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


def test_every_row_is_there_to_be_counted() -> None:
    """What runs under valgrind: two processes for each row, whose difference is what messages cost."""
    chosen = tuple(one for one in heats(BACKENDS["asyncio"]) if one.name == "1 type")
    command = [sys.executable, "-m", "benchmarks.counted", "asyncio", "1 type", "20"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split(maxsplit=2) for line in ended.stdout.splitlines()]
    assert [name for _, _, name in rows] == names(chosen)
    pids = [int(pid) for few, many, _ in rows for pid in (few, many)]
    assert len(set(pids)) == len(pids)


@pytest.mark.skipif(not FULL, reason="valgrind takes long; make full has it, and so has make bench")
@pytest.mark.parametrize("heat", ["1 type", "10 types"])
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
