"""The settings of consumers, by the import path that document 002 gives."""

from chanx.compat.settings import Config, config

__all__ = ["Config", "config"]
