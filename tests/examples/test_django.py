"""The Django projects: each in a process of its own, for Django has its settings once in a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PROJECTS = ["django_chat", "django_mixed"]


def manage(project: str, *words: str) -> str:
    """What a command of Django's prints; it must end well, and every warning ends it badly."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *words],
        cwd=EXAMPLES / project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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


@pytest.mark.parametrize("project", PROJECTS)
def test_its_own_tests(project: str) -> None:
    assert "OK" in manage(project, "test")


@pytest.mark.parametrize("project", PROJECTS)
def test_its_settings(project: str) -> None:
    manage(project, "check", "--fail-level", "WARNING")


def test_nothing_of_channels_is_imported_by_its_own_name() -> None:
    for path in EXAMPLES.glob("django_*/**/*.py"):
        text = path.read_text("utf-8")
        assert "from channels" not in text, path
        assert "import channels" not in text, path
