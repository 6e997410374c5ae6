"""The chat's channel: one connection is one tab in one room."""

import re
import time
from collections.abc import AsyncIterator
from typing import Annotated

from chanx import Channel, Context, Depends, Path, Query, Reject
from examples.chat.messages import IsTyping, Present, Said, Say, Typing, Welcome
from examples.chat.rooms import Room, Rooms

# The page's code can read the reason of a refusal only from a close frame, never from an HTTP status.
chat = Channel("chat", title="Chat", refuse="close")

rooms = Rooms()

LONGEST_NAME = 30
ROOM_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")


async def current_user(name: Annotated[str, Query()] = "") -> str:
    """Who is at the other end. A real service would read a session here; this one asks for a name."""
    name = " ".join(name.split())
    if not name:
        raise Reject(401, "Please enter a name.")
    if len(name) > LONGEST_NAME:
        raise Reject(400, f"A name has at most {LONGEST_NAME} characters.")
    return name


async def current_room(room: Annotated[str, Path()]) -> str:
    if ROOM_NAME.fullmatch(room) is None:
        raise Reject(404, "A room is named in small letters, digits and hyphens, 30 at most.")
    return room


User = Annotated[str, Depends(current_user, scope="connection")]
RoomName = Annotated[str, Depends(current_room, scope="connection")]


def group_of(room_name: str) -> str:
    return f"room:{room_name}"


@chat.on_connect
async def stay(ctx: Context, user: User, room_name: RoomName) -> AsyncIterator[None]:
    """Before the `yield` the connection enters the room; after it, it has left."""
    with rooms.visit(room_name, user, ctx.id) as room:
        # Joined first and greeted second, so that nothing said between the two is missed.
        await ctx.join(group_of(room_name))
        await ctx.send(Welcome(you=user, room=room_name, people=room.people, recent=room.recent))
        await announce(room, room_name)
        yield
    await announce(room, room_name)


async def announce(room: Room, room_name: str) -> None:
    await chat.broadcast(Present(people=room.people), group=group_of(room_name))


@chat.on(Say)
async def say(message: Say, ctx: Context, user: User, room_name: RoomName) -> None:
    said = Said(id=message.id, who=user, text=message.text, at=time.time_ns() // 1_000_000)
    if rooms[room_name].remember(said):
        await ctx.broadcast(said, group=group_of(room_name))


@chat.on(Typing)
async def typing(message: Typing, ctx: Context, user: User, room_name: RoomName) -> None:
    # Nobody wants to be told what they are doing, in none of their tabs.
    mine = rooms[room_name].tabs(user)
    await ctx.broadcast(IsTyping(who=user, active=message.active), group=group_of(room_name), exclude=mine)
