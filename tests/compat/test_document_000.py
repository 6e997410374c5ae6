"""Consumers of chanx 0.12 as its page about them has them, in a project of Django's: see `in_django/project_000`."""

from __future__ import annotations

from pathlib import Path

from tests.compat.test_django import run

PROJECT = "tests.compat.in_django.project_000"


def test_django_runs(tmp_path: Path) -> None:
    words = ("-W", "error", "-X", "dev", "-m", "django", "test", "-v", "2", f"{PROJECT}.tests")
    ran = run(tmp_path, *words, settings=f"{PROJECT}.settings")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Ran 0 tests" not in ran.stderr


def test_the_test_client_of_chanx_loads_nothing_of_django(tmp_path: Path) -> None:
    code = (
        "import sys, chanx.testing\n"
        "loaded = lambda: sorted({name.partition('.')[0] for name in sys.modules} & {'django', 'rest_framework'})\n"
        "print(loaded(), any(name.startswith('chanx.compat') for name in sys.modules))\n"
        "from chanx.testing import WebsocketCommunicator\n"
        "from chanx.generic.websocket import AsyncJsonWebsocketConsumer\n"
        "print(loaded())"
    )
    ran = run(tmp_path, "-c", code, settings=None)
    assert ran.stdout.splitlines() == ["[] False", "[]"], ran.stdout + ran.stderr
