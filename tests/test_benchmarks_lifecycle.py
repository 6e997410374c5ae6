"""The tables of connections; a file of its own, so that another process may run it."""

from __future__ import annotations

from benchmarks.lives import BARE, LIVES
from benchmarks.started import starts
from tests.tables import assert_rows, benchmark


def test_lifecycle_prints_every_row() -> None:
    connect, memory, start = (
        benchmark("lifecycle", "--quick", "--part", part) for part in ("connect", "memory", "start")
    )
    assert_rows(connect, [life.name for life in LIVES])
    held = [life for life in LIVES if life.limit == BARE and not life.name.startswith(BARE)]
    after = [f"{life.name}, after a message" for life in held if life.memory_target is not None]
    assert_rows(memory, [*(life.name for life in held), *after])
    assert_rows(start, [one.name for one in starts()])
