"""Names of groups."""

from __future__ import annotations

import hashlib
import re

from chanx.compat.names import MAX_NAME

__all__ = ["group_name"]

_ILLEGAL = re.compile(r"[^a-zA-Z0-9\-_.]")


def group_name(*parts: object) -> str:
    """A name that each channel layer takes, made of some values: `group_name("room", room.pk)` is `room.7`.

    The same values make the same name. Where characters must be replaced, or the name is too long, a digest of the
    values stands at its end, so that different values do not meet.

    Raises:
        ValueError: there are no values.
    """
    if not parts:
        raise ValueError("a group's name is made of at least one value")
    texts = [str(part) for part in parts]
    name = ".".join(texts)
    plain = _ILLEGAL.sub("_", name)
    if plain == name and name and len(name) < MAX_NAME and not any("." in text for text in texts):
        return name
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    return f"{plain[: MAX_NAME - 2 - len(digest)]}.{digest}"
