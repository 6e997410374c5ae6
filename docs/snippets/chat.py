from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from chanx import Channel, Context, Depends, Path, Reject


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str


class Hired(BaseModel):  # an event: comes from server code, never from a client
    action: Literal["hired"] = "hired"
    name: str


async def current_user(connection: HTTPConnection) -> str:
    if (name := connection.query_params.get("name")) is None:
        raise Reject(401, "a name is needed")
    return name


User = Annotated[str, Depends(current_user, scope="connection")]
Room = Annotated[str, Path("room")]

chat = Channel("chat", title="Chat")


@chat.on_connect
async def enter(ctx: Context, room: Room) -> None:
    await ctx.join(f"room:{room}")


@chat.on(Say)
async def say(message: Say, ctx: Context, user: User, room: Room) -> None:
    await ctx.broadcast(Said(who=user, text=message.text), group=f"room:{room}")


@chat.event(Hired)
async def hired(event: Hired) -> Said:  # what a handler returns goes to its own client
    return Said(who="office", text=f"welcome {event.name}")


async def hire(request: Request) -> Response:
    await chat.emit(Hired(name=request.path_params["name"]), group="room:lobby")
    return Response(status_code=204)


app = Starlette(routes=[WebSocketRoute("/rooms/{room}", chat), Route("/hire/{name}", hire, methods=["POST"])])
