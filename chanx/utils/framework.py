"""Which framework is in use."""

from __future__ import annotations

from chanx.compat.settings import django_settings, installed

__all__ = ["is_django_configured", "is_django_installed"]


def is_django_installed() -> bool:
    """Whether Django can be imported; it is not."""
    return installed("django")


def is_django_configured() -> bool:
    """Whether Django has settings, or is told by the environment where they are."""
    return django_settings() is not None
