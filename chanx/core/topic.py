"""Topics of chanx 2.x, by the documented import path."""

from chanx.compat.topics import Topic

__all__ = ["Topic"]
