"""Channels that say who they are, and a way to see whether an application lets anybody through to them."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel

from chanx import Channel, Context
from chanx.asyncapi import walk
from chanx.testing import Refused, connect

VALUES = {
    "str": "~",
    "int": "7",
    "float": "7.5",
    "path": "~/~",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "slug": "a-b",
    None: "x",
}
"""A value for the parameters of an address, by convertor."""


class Hello(BaseModel):
    action: Literal["hello"] = "hello"
    name: str


def named(name: str) -> Channel:
    """A channel that tells its name to whoever connects."""
    channel = Channel(name)

    @channel.on_connect
    async def hello(ctx: Context) -> None:
        await ctx.send(Hello(name=name))

    return channel


def found(app: Any) -> list[tuple[str, str]]:
    """What `walk` finds: the addresses, with the host in front where there is one, and the names of the channels."""
    return [((one.host or "") + one.address, one.channel.name) for one in walk(app)]


async def reached(app: Any, path: str, host: str = "testserver") -> str | None:
    """The name of the channel that answers at `path`; None where none does."""
    try:
        async with connect(app, path, headers={"host": host, "origin": f"http://{host}"}) as client:
            return (await client.receive(Hello)).name
    except Refused:
        return None
    except ValueError as error:  # URLRouter raises where it has no route
        assert "No route found" in str(error)  # noqa: PT017
        return None


async def agrees(app: Any) -> list[tuple[str, str]]:
    """What `walk` finds, having seen that at each of the addresses that channel answers."""
    for one in walk(app):
        values = {name: VALUES[convertor] for name, convertor in one.parameters.items()}
        path = one.address.format(**values)
        host = re.sub(r"\{\w+\}", "~", one.host or "testserver")
        assert await reached(app, path, host) == one.channel.name, (host, path)
    return found(app)
