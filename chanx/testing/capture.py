"""What a channel published, seen at its group layers."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

from chanx.groups.layer import Publication
from chanx.router import Channel


@dataclass(frozen=True, slots=True)
class Captured:
    """One broadcast or event.

    Attributes:
        kind: `"broadcast"` or `"event"`.
        message: the object that was given to `broadcast` or `emit`.
    """

    kind: Literal["broadcast", "event"]
    message: Any
    groups: tuple[str, ...]
    connections: tuple[str, ...]
    exclude: frozenset[str]


@contextlib.contextmanager
def capture(channel: Channel) -> Generator[list[Captured], None, None]:
    """Collect what is published on a channel's group layers inside the `with` block; it is delivered as well."""
    captured: list[Captured] = []

    def observe(message: Any, publication: Publication) -> None:
        kind: Literal["broadcast", "event"] = "broadcast" if publication.event is None else "event"
        captured.append(Captured(kind, message, publication.groups, publication.connections, publication.exclude))

    layers = channel.layers()
    for layer in layers:
        layer.members.observers.append(observe)
    try:
        yield captured
    finally:
        for layer in layers:
            layer.members.observers.remove(observe)
