"""The applications that real servers run in test_hosts.py: one set of handlers, served in every documented way."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from chanx import Channel, Context, Depends, Limits, Path, Query, Reject

MAX_SIZE = 4096


class Echo(BaseModel):
    action: Literal["echo"] = "echo"
    text: str


class Echoed(BaseModel):
    action: Literal["echoed"] = "echoed"
    text: str


class Where(BaseModel):
    action: Literal["where"] = "where"


class Here(BaseModel):
    action: Literal["here"] = "here"
    room: str
    number: int


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str


class Wait(BaseModel):
    action: Literal["wait"] = "wait"


class Waiting(BaseModel):
    action: Literal["waiting"] = "waiting"
    who: str


class Finish(BaseModel):
    """Answer when somebody else says so."""

    action: Literal["finish"] = "finish"


class Go(BaseModel):
    """Let those who wait to finish go on."""

    action: Literal["go"] = "go"


class Left(BaseModel):
    action: Literal["left"] = "left"
    who: str
    cancelled: int


async def current_user(connection: HTTPConnection) -> str:
    if (name := connection.query_params.get("name")) is None:
        raise Reject(401, "a name is needed", headers={"WWW-Authenticate": "Name"})
    return name


User = Annotated[str, Depends(current_user, scope="connection")]
Topic = Annotated[str, Query("topic")]


class State:
    """What one connection remembers."""

    def __init__(self) -> None:
        self.cancelled = 0


def make(*, refuse: Literal["http", "close"] = "http", routed: bool = True) -> Channel:
    """The channel under test. A routed one also reads its path parameters, which a bare one does not have."""
    chat = Channel("hosts", state=State, refuse=refuse, limits=Limits(max_size=MAX_SIZE))

    @chat.on_connect
    async def enter(ctx: Context[State], user: User, topic: Topic) -> None:
        await ctx.join(topic)

    @chat.on_disconnect
    async def leave(ctx: Context[State], user: User, topic: Topic) -> None:
        await chat.broadcast(Left(who=user, cancelled=ctx.state.cancelled), group=topic)
        print("left:", user)  # noqa: T201 - for the server's log, when nobody else is there to be told

    @chat.on(Echo)
    async def echo(message: Echo) -> Echoed:
        return Echoed(text=message.text)

    @chat.on(Say)
    async def say(message: Say, ctx: Context[State], user: User, topic: Topic) -> None:
        await ctx.broadcast(Said(who=user, text=message.text), group=topic)

    @chat.on(Wait, on_leave="cancel")
    async def wait(message: Wait, ctx: Context[State], user: User, topic: Topic) -> None:
        await ctx.broadcast(Waiting(who=user), group=topic)
        try:
            await anyio.sleep_forever()
        finally:
            ctx.state.cancelled += 1

    going: dict[str, anyio.Event] = {}

    @chat.on(Finish)
    async def finish(message: Finish, ctx: Context[State], user: User, topic: Topic) -> Echoed:
        going[topic] = anyio.Event()
        await ctx.broadcast(Waiting(who=user), group=topic)
        await going[topic].wait()
        await ctx.broadcast(Said(who=user, text="finished"), group=topic)
        return Echoed(text="finished")

    @chat.on(Go)
    async def go(message: Go, topic: Topic) -> None:
        going.pop(topic).set()

    if routed:

        @chat.on(Where)
        async def where(
            message: Where, room: Annotated[str, Path("room")], number: Annotated[int, Path("number")]
        ) -> Here:
            return Here(room=room, number=number)

    else:

        @chat.on(Where)
        async def whole_path(message: Where, connection: HTTPConnection) -> Here:
            return Here(room=connection.url.path, number=0)

    return chat


def without_lifespan(app: ASGIApp) -> ASGIApp:
    """The way of an application that knows no lifespan: it raises, and the server goes on without."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await app(scope, receive, send)

    return wrapped


PATH = "/rooms/{room}/{number}"
CLOSING = "/closing/{room}/{number}"


def _routed(kind: type[WebSocketRoute | Mount], *, lifespan: bool) -> Starlette:
    channel = make()
    routes = [kind(PATH, channel), kind(CLOSING, make(refuse="close"))]
    return Starlette(routes=routes, lifespan=channel.lifespan if lifespan else None)


def _fastapi(*, lifespan: bool) -> FastAPI:
    channel = make()
    app = FastAPI(lifespan=channel.lifespan) if lifespan else FastAPI()
    app.router.routes.append(WebSocketRoute(PATH, channel))
    app.mount(CLOSING, make(refuse="close"))
    return app


bare = make(routed=False)
bare_closing = make(routed=False, refuse="close")
bare_without_lifespan = without_lifespan(make(routed=False))
bare_without_lifespan_closing = without_lifespan(make(routed=False, refuse="close"))
route = _routed(WebSocketRoute, lifespan=True)
route_without_lifespan = _routed(WebSocketRoute, lifespan=False)
mount = _routed(Mount, lifespan=True)
mount_without_lifespan = _routed(Mount, lifespan=False)
fastapi = _fastapi(lifespan=True)
fastapi_without_lifespan = _fastapi(lifespan=False)
