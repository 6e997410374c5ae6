"""The settings of chanx 0.12: Django's `CHANX`, and defaults."""

from chanx.compat.settings import Settings, chanx_settings

__all__ = ["Settings", "chanx_settings"]
