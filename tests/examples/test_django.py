"""The Django projects: each in a process of its own, for Django has its settings once in a process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import brokers
from tests.full import FULL

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PROJECTS = ["django_chat", "django_mixed", "django_rooms"]


def manage(project: str, *words: str, env: Mapping[str, str] | None = None) -> str:
    """What a command of Django's prints; it must end well, and every warning ends it badly."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *words],
        cwd=EXAMPLES / project,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_all_projects_are_tested() -> None:
    assert sorted(path.parent.name for path in EXAMPLES.glob("*/manage.py")) == PROJECTS


@pytest.mark.parametrize("project", ["django_chat", "django_mixed"])
def test_its_own_tests(project: str) -> None:
    assert "OK" in manage(project, "test")


@pytest.fixture
def database() -> Iterator[str]:
    """A path for a database: in memory where there is such a folder, for each test of Django's empties all tables."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield str(Path(folder, "db.sqlite3"))


@pytest.mark.redis
def test_its_own_tests_with_a_worker(redis_server: str, database: str) -> None:
    """With Redis, so that a worker of Celery and a command run in processes of their own."""
    with brokers.serve(redis_server) as url:
        env = {"ROOMS_REDIS": url, "ROOMS_DATABASE": database}
        assert "OK (skipped=2)" in manage("django_rooms", "test", env=env)


@pytest.mark.skipif(not FULL, reason="make full has it; what is with a worker is tested above")
def test_its_own_tests_in_one_process(database: str) -> None:
    """Without Redis, as it is run at first: what else would change is the layer, which has tests of its own."""
    env = {"ROOMS_DATABASE": database}
    assert "OK" in manage("django_rooms", "test", "rooms.tests.test_workers.OneProcess", env=env)


@pytest.mark.parametrize("project", PROJECTS if FULL else ["django_rooms"])  # its tests look at most of that, too
def test_its_settings(project: str) -> None:
    manage(project, "check", "--fail-level", "WARNING")


def test_nothing_of_channels_is_imported_by_its_own_name() -> None:
    for path in EXAMPLES.glob("django_*/**/*.py"):
        text = path.read_text("utf-8")
        assert "from channels" not in text, path
        assert "import channels" not in text, path
