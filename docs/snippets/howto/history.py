from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from chanx import Channel, Context, History, Path, Query, static


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


class Paid(BaseModel):
    action: Literal["paid"] = "paid"
    order: int


Room = Annotated[str, Path("room")]
Tab = Annotated[str, Query()]

# --8<-- [start:channel]
chat = Channel("chat", history={"room:*": History(size=200, ttl=3600)})


@chat.on_connect
async def enter(ctx: Context, room: Room) -> None:
    await ctx.join(f"room:{room}", stream="room", last=20)


# --8<-- [end:channel]
@chat.on(Say, output=Said)
async def say(message: Say, ctx: Context, room: Room) -> None:
    await ctx.broadcast(Said(text=message.text), group=f"room:{room}")


# --8<-- [start:exclude]
draft = Channel("draft", history={"draft": History()})


@draft.on_connect
async def open_draft(ctx: Context, tab: Tab) -> None:
    await ctx.join("draft", stream="draft", user=tab)  # a key that the page made, and keeps when it comes back


@draft.on(Say)
async def write(message: Say, ctx: Context) -> None:
    await ctx.broadcast(Said(text=message.text), group="draft", exclude=ctx.id)


# --8<-- [end:exclude]
# --8<-- [start:once]
async def paid(order: int, room: str) -> None:
    """Called by a queue, which may do so twice."""
    await chat.broadcast(Paid(order=order), group=f"room:{room}", idempotency_key=f"paid:{order}")


# --8<-- [end:once]
app = Starlette(
    routes=[
        WebSocketRoute("/rooms/{room}", chat),
        WebSocketRoute("/draft", draft),
        Mount("/chanx", static.app),
    ]
)
