"""What other people's packages bring: Channels, and Django REST Framework. It is loaded when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str) -> Any:
    """A module of Channels.

    Raises:
        ImportError: Django or Channels is not installed; the text says how to.
    """
    return _theirs(
        module, ("django", "channels"), f"chanx.{module} needs Django and Channels", "pip install 'chanx[django]'"
    )


def rest_framework(module: str, *, needed_by: str) -> Any:
    """A module of Django or of Django REST Framework.

    Args:
        module: its name.
        needed_by: what of chanx asks for it.

    Raises:
        ImportError: Django or Django REST Framework is not installed; the text says how to.
    """
    return _theirs(
        module,
        ("django", "rest_framework"),
        f"{needed_by} needs Django and Django REST Framework",
        "pip install 'chanx[django]' djangorestframework",
    )


def _theirs(module: str, packages: tuple[str, ...], says: str, install: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise ImportError(f"{says} ({error}): {install}", name=error.name) from error
