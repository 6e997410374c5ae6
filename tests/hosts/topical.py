"""A channel with topics, which stands beside every application."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.requests import HTTPConnection

from chanx import Channel, Context, Depends, Path, Reject


class Echo(BaseModel):
    action: Literal["echo"] = "echo"
    text: str


class Echoed(BaseModel):
    action: Literal["echoed"] = "echoed"
    text: str


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str


class Close(BaseModel):
    action: Literal["close"] = "close"


async def current_user(connection: HTTPConnection) -> str:
    return connection.query_params["name"]


User = Annotated[str, Depends(current_user, scope="connection")]
Name = Annotated[str, Path("name")]


def make() -> Channel:
    """A hub with rooms for everybody and a vault for nobody."""
    hub, room, vault = Channel("hub"), Channel("room"), Channel("vault")

    @hub.on(Echo)
    async def echo(message: Echo) -> Echoed:
        return Echoed(text=message.text)

    @room.on_connect
    async def enter(ctx: Context, name: Name) -> None:
        await ctx.join(name)

    @room.on_disconnect
    async def leave(user: User, name: Name) -> None:
        await room.broadcast(Said(who=user, text="left"), group=name)

    @room.on(Say)
    async def say(message: Say, ctx: Context, user: User, name: Name) -> None:
        await ctx.broadcast(Said(who=user, text=message.text), group=name)

    @room.on(Close)
    async def close(message: Close, ctx: Context) -> None:
        await ctx.close(4000, "closed")

    @vault.on_connect
    async def refuse() -> None:
        raise Reject(403, "nobody may enter")

    hub.include(room, topic="room:{name}")
    hub.include(vault, topic="vault")
    return hub
