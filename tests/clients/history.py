"""What generated clients resume: a group with history on a connection, and one on a topic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from chanx import Channel, Context, History, Path
from chanx.asyncapi import routes


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


class Joined(BaseModel):
    """Its tag is that of a frame of the envelope, which is not reserved."""

    action: Literal["joined"] = "joined"
    who: str


class Enter(BaseModel):
    action: Literal["enter"] = "enter"
    who: str


rooms = Channel("rooms", history={"room:*": History(size=5)})
threads = Channel("threads", history={"thread:*": History(size=5)})
rooms.include(threads, topic="thread:{pk}")


@rooms.on_connect
async def enter(ctx: Context, room: Annotated[str, Path("room")]) -> None:
    await ctx.join(f"room:{room}", stream="room")


@rooms.on(Enter, output=Said)
async def entered(message: Enter) -> Joined:
    return Joined(who=message.who)


@threads.on_connect
async def follow(ctx: Context, pk: Annotated[str, Path("pk")]) -> None:
    await ctx.join(f"thread:{pk}", stream="thread")


@threads.on(Enter, output=Said)
async def entered_thread(message: Enter) -> None: ...


async def say(request: Request) -> Response:
    """Push some texts to a group."""
    for text in (await request.body()).decode().split():
        await rooms.broadcast(Said(text=text), group=request.path_params["group"])
    return Response(status_code=204)


app = Starlette(routes=[WebSocketRoute("/rooms/{room}", rooms), Route("/say/{group}", say, methods=["POST"])])
app.router.routes[:0] = routes(app, title="Rooms", version="1")
