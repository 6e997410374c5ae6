"""Authentication by Django REST Framework, in a project of Django's with models; see `in_django/rest*.py`."""

from __future__ import annotations

from pathlib import Path

from tests.compat.test_django import run


def test_django_runs(tmp_path: Path) -> None:
    files = [f"tests.compat.in_django.{name}" for name in ("rest", "rest_document")]
    words = ("-W", "error", "-X", "dev", "-m", "django", "test", "-v", "2", *files)
    ran = run(tmp_path, *words, settings="tests.compat.in_django.rest_settings")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Ran 0 tests" not in ran.stderr
