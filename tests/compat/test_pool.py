"""The threads of synchronous consumers at the end of a program."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from chanx.compat.pool import Pool
from tests.servers import ROOT

PROGRAM = """
import asyncio, threading
from asgiref.sync import async_to_sync
from chanx.compat import threads

threads.PATIENCE = 0.2
begun = threading.Event()

async def hello():
    pass

def asks():
    while not loop_over.wait(0.001):
        begun.set()
    {last}

loop_over = threading.Event()

async def main():
    task = asyncio.ensure_future(threads.in_thread(asks))
    while not begun.is_set():
        await asyncio.sleep(0.001)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())  # and never again, as a server's at its end
loop_over.set()
"""


@pytest.mark.parametrize(
    ("last", "printed"), [("async_to_sync(hello)()", ""), ("print('written')", "written\n")], ids=["stuck", "finished"]
)
def test_a_program_ends_with_what_threads_do_unless_they_wait_for_a_loop_that_has_ended(
    last: str, printed: str
) -> None:
    program = PROGRAM.format(last=last)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


def test_so_many_threads_and_not_more() -> None:
    pool, go = Pool(3, 0), threading.Event()

    def wait() -> str:
        go.wait(30)
        return threading.current_thread().name

    futures = [pool.submit(wait) for _ in range(10)]
    go.set()
    assert len({future.result(30) for future in futures}) <= 3


def test_errors_and_cancellations_arrive() -> None:
    pool, go = Pool(1, 0), threading.Event()
    first = pool.submit(go.wait, 30)
    cancelled, fails = pool.submit(list), pool.submit(int, "x")
    assert cancelled.cancel()
    go.set()
    assert first.result(30) is True
    with pytest.raises(ValueError, match="invalid literal"):
        fails.result(30)
