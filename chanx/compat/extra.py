"""What comes from Channels itself: sessions, authentication, the check of origins, access to databases."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str) -> Any:
    """A module of Channels.

    Raises:
        ImportError: Django or Channels is not installed; the text says how to.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("django", "channels"):
            raise
        raise ImportError(
            f"chanx.{module} needs Django and Channels ({error}): pip install 'chanx[django]'", name=error.name
        ) from error
