"""The command `chanx`."""

from chanx.cli.main import main

__all__ = ["main"]
