"""The tables of connections; a file of its own, so that another process may run it."""

from __future__ import annotations

import pytest

from benchmarks.lives import BARE, LIVES
from benchmarks.started import starts
from tests.full import FULL
from tests.tables import assert_rows, benchmark


def test_lifecycle_prints_every_row() -> None:
    connect, memory = (benchmark("lifecycle", "--quick", "--part", part) for part in ("connect", "memory"))
    assert_rows(connect, [life.name for life in LIVES])
    held = [life for life in LIVES if life.limit == BARE and not life.name.startswith(BARE)]
    after = [f"{life.name}, after a message" for life in held if life.memory_target is not None]
    assert_rows(memory, [*(life.name for life in held), *after])


@pytest.mark.skipif(not FULL, reason="a process for each row; make full has it")
def test_starting_has_every_row() -> None:
    assert_rows(benchmark("lifecycle", "--quick", "--part", "start"), [one.name for one in starts()])
