from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Depends, Path, Query, Reject


# --8<-- [start:messages]
class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str = Field(min_length=1, max_length=2000)


class Rename(BaseModel):
    action: Literal["rename"] = "rename"
    name: str = Field(min_length=1, max_length=30)


class Said(BaseModel):
    action: Literal["said"] = "said"
    number: int
    who: str
    text: str


class Present(BaseModel):
    action: Literal["present"] = "present"
    people: list[str]


class Problem(BaseModel):
    action: Literal["problem"] = "problem"
    detail: str


# --8<-- [end:messages]


# --8<-- [start:state]
@dataclass
class Tab:
    """What the server remembers of one connection."""

    name: str = ""
    said: int = 0


chat = Channel("chat", state=Tab)
# --8<-- [end:state]


async def current_user(name: Annotated[str, Query()] = "") -> str:
    if not name:
        raise Reject(401, "a name is needed")
    return name


User = Annotated[str, Depends(current_user, scope="connection")]
Room = Annotated[str, Path("room")]

people: dict[str, Counter[str]] = {}


# --8<-- [start:presence]
@chat.on_connect
async def stay(ctx: Context[Tab], user: User, room: Room) -> AsyncIterator[None]:
    ctx.state.name = user
    here = people.setdefault(room, Counter())
    here[user] += 1
    try:
        await ctx.join(f"room:{room}")
        await announce(room)
        yield
    finally:
        here -= Counter([ctx.state.name])
        if not here:
            del people[room]
    await announce(room)


async def announce(room: str) -> None:
    await chat.broadcast(Present(people=sorted(people.get(room, ()))), group=f"room:{room}")


# --8<-- [end:presence]


@chat.on(Say)
async def say(message: Say, ctx: Context[Tab], room: Room) -> None:
    ctx.state.said += 1
    said = Said(number=ctx.state.said, who=ctx.state.name, text=message.text)
    await ctx.broadcast(said, group=f"room:{room}")


# --8<-- [start:errors]
class NameTaken(Exception):
    """Somebody in the room has this name already."""


@chat.on(Rename)
async def rename(message: Rename, ctx: Context[Tab], room: Room) -> None:
    here = people[room]
    if message.name in here:
        raise NameTaken(message.name)
    here -= Counter([ctx.state.name])
    here[message.name] += 1
    ctx.state.name = message.name
    await announce(room)


@chat.on_error(NameTaken)
async def name_taken(error: NameTaken) -> Problem:
    return Problem(detail=f"{error} is taken")


# --8<-- [end:errors]

app = Starlette(routes=[WebSocketRoute("/rooms/{room}", chat)])
