"""A hub with topics that do all that topics.js is for, and the blank page from which a browser talks to it."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import anyio
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

from chanx import Channel, Context, Depends, Path, Query, Reject, static
from tests.browser import app as single
from tests.browser.app import (
    Add,
    Begun,
    Close,
    Count,
    Delete,
    Ended,
    Forbidden,
    Hold,
    Note,
    Number,
    Push,
    Said,
    Say,
    TypedSay,
    begins,
    ends,
    typed_say,
)


class Tell(BaseModel):
    """To all in the room."""

    action: Literal["tell"] = "tell"
    text: str


class Flood(BaseModel):
    """Pushes until the one who asked has left."""

    action: Literal["flood"] = "flood"
    id: str


class Measure(BaseModel):
    """Another message of the same name as one of the room's."""

    action: Literal["say"] = "say"
    number: int


Name = Annotated[str, Path("name")]


async def allowed(name: Name, forbid: Annotated[str, Query()] = "") -> None:
    """`forbid` is in the address of the socket: another one may be allowed less."""
    if name in ("private", forbid):
        raise Reject(403, f"{name} is not for you")


room = Channel("room", dependencies=[Depends(allowed, scope="connection")])


@room.on_connect
async def enter(ctx: Context, name: Name) -> AsyncIterator[None]:
    if name.startswith("slow"):
        await begins[name].wait()
    await ctx.join(f"room:{name}")
    await ctx.send(Said(text=f"welcome to {name}"))
    yield
    ends[f"left {name}"].set()


@room.on(Tell)
async def tell(message: Tell, ctx: Context, name: Name) -> None:
    await ctx.broadcast(Said(text=message.text), group=f"room:{name}")


@room.on(Flood, on_leave="cancel")
async def flood(message: Flood, ctx: Context) -> None:
    begins[message.id].set()
    while True:
        await ctx.send(Said(text=message.id))
        await anyio.lowlevel.checkpoint()


room.on(Say)(single.say)
room.on(Note)(single.note)
room.on(Forbidden)(single.forbidden)
room.on(Count, concurrency=8)(single.count)
room.on(Hold, concurrency=8, on_leave="cancel")(single.hold)
room.on(Push)(single.push)
room.on(Add, concurrency=8)(single.add)
room.on(Delete, concurrency=8)(single.delete)
room.on(Close)(single.close)

board = Channel("board")


@board.on(Measure)
async def measure(message: Measure) -> Number:
    return Number(number=message.number * 2)


class Begin(BaseModel):
    """Lets what waits for this id go on."""

    action: Literal["begin"] = "begin"
    id: str


hub = Channel("hub", refuse="close")
hub.include(room, topic="room:{name}")
hub.include(board, topic="board:{name}")
hub.on(Say)(single.say)
hub.on(Push)(single.push)
hub.on(Note)(single.note)
hub.on(Begun, concurrency=8)(single.begun)
hub.on(Ended, concurrency=8)(single.ended)
hub.on(Delete, concurrency=8)(single.delete)
hub.on(Close)(single.close)


@hub.on(Begin)
async def begin(message: Begin) -> None:
    begins[message.id].set()


# The same with another discriminator.
typed_room = Channel("typed_room", discriminator="type")
typed_room.on(TypedSay)(typed_say)


@typed_room.on_connect
async def typed_enter(name: Name) -> None:
    if name == "private":
        raise Reject(401)


typed_hub = Channel("typed_hub", discriminator="type")
typed_hub.include(typed_room, topic="room:{name}")

app = Starlette(
    routes=[
        Route("/", single.page),
        WebSocketRoute("/ws", hub),
        WebSocketRoute("/rooms/{name}", room),
        WebSocketRoute("/typed", typed_hub),
        Mount("/chanx", static.app),
    ],
    lifespan=hub.lifespan,
)
