"""A channel at its address: what `walk` finds in an application, and what a document is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from chanx.router import Channel

_PARAMETER = re.compile(r"{([^{}:]+)(?::([^{}]*))?}")


class Served(msgspec.Struct, frozen=True, eq=False):
    """One channel at one address.

    Attributes:
        address: the path with its parameters in braces and without their convertors: `"/rooms/{room}"`.
        channel: what answers there.
        parameters: of the address: the name of the route's convertor (`"str"`, `"int"`, `"float"`, `"path"`,
            `"uuid"`, `"slug"`), None where it is not known.
        host: the host name, or a pattern of it, that the route asks for; None for any.
        consumer: the class of consumers that the channel was compiled from; None for a channel of one's own.
    """

    address: str
    channel: Channel
    parameters: Mapping[str, str | None] = {}
    host: str | None = None
    consumer: Any = None


def split(address: str) -> tuple[str, dict[str, str | None]]:
    """An address without the convertors of its parameters, and these: `"/rooms/{room:int}"`, as Starlette writes it."""
    return _PARAMETER.sub(r"{\1}", address), {name: kind or None for name, kind in _PARAMETER.findall(address)}
