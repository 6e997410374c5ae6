"""What a Django project says of its application."""

from __future__ import annotations

import importlib
from typing import Any


def project_application() -> Any:
    """The ASGI application that Django's setting `ASGI_APPLICATION` names.

    Raises:
        ImportError: Django is not installed, or there is no such application.
        django.core.exceptions.ImproperlyConfigured: there are no settings, or there is none in them.
    """
    settings = django("conf").settings
    path = getattr(settings, "ASGI_APPLICATION", None)
    if not isinstance(path, str) or not path:
        raise django("core.exceptions").ImproperlyConfigured(
            'ASGI_APPLICATION is not set; name the application, as in ASGI_APPLICATION = "project.asgi.application"'
        )
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise ImportError(f"ASGI_APPLICATION = {path!r}: there is no {name!r} in {module}") from error


def django(module: str) -> Any:
    """A module of Django.

    Raises:
        ImportError: Django is not installed; the text says how to.
    """
    try:
        return importlib.import_module(f"django.{module}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "django":
            raise
        raise ImportError(f"this needs Django ({error}): pip install 'chanx[django]'", name=error.name) from error
