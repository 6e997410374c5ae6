"""The larger FastAPI application: its own tests, with a Redis server, and a worker in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import Broker

ROOT = Path(__file__).parents[2]


@pytest.mark.redis
def test_its_own_tests(broker: Broker) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/fastapi_rooms"],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": broker.url, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout, done.stdout


def test_its_worker_says_what_it_needs() -> None:
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    words = [sys.executable, "-m", "examples.fastapi_rooms.worker"]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "set REDIS_URL" in done.stderr
