"""Consumers of the class API as channels at their addresses: what a document tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chanx.asyncapi.served import Served
from chanx.router import Channel


def leaf_of(app: Any) -> Any:
    """The channel that an application is, or the class of consumers that it makes one of for each connection."""
    if isinstance(app, Channel):
        return app
    return None


def served_at(address: str, leaf: Any, parameters: Mapping[str, str | None] = {}, host: str | None = None) -> Served:
    """A channel or a class of consumers at its address."""
    return Served(address, leaf, parameters, host)
