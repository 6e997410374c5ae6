from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Depends, Path, Query, Reject


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str


# --8<-- [start:user]
async def current_user(name: Annotated[str, Query()] = "") -> str:
    if not name:
        raise Reject(401, "a name is needed")
    return name


User = Annotated[str, Depends(current_user, scope="connection")]
Room = Annotated[str, Path("room")]
# --8<-- [end:user]

chat = Channel("chat")


# --8<-- [start:handlers]
@chat.on_connect
async def enter(ctx: Context, room: Room) -> None:
    await ctx.join(f"room:{room}")


@chat.on(Say)
async def say(message: Say, ctx: Context, user: User, room: Room) -> None:
    await ctx.broadcast(Said(who=user, text=message.text), group=f"room:{room}")


app = Starlette(routes=[WebSocketRoute("/rooms/{room}", chat)])
# --8<-- [end:handlers]
