"""The applications that real servers run: one set of handlers, served in every documented way.

Those that FastAPI serves stand in `fastapi_apps`, since the others start faster without it. Beside each of them stand
the channels of `tests.hosts.slow`, so that one process serves all tests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Literal

import anyio
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from chanx import Channel, Context, Depends, Limits, Path, Query, Reject
from tests.hosts import slow, topical

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


class Dismiss(BaseModel):
    """Have the connection of somebody closed."""

    action: Literal["dismiss"] = "dismiss"
    who: str
    code: int


class Dismissed(BaseModel):
    """The event that is made of it."""

    action: Literal["dismissed"] = "dismissed"
    who: str
    code: int


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


LIMITS = Limits(max_size=MAX_SIZE)


def make(*, refuse: Literal["http", "close"] = "http", routed: bool = True, limits: Limits = LIMITS) -> Channel:
    """The channel under test. A routed one also reads its path parameters, which a bare one does not have."""
    chat = Channel("hosts", state=State, refuse=refuse, limits=limits)

    @chat.on_connect
    async def enter(ctx: Context[State], user: User, topic: Topic) -> None:
        await ctx.join(topic)

    @chat.on_disconnect
    async def leave(ctx: Context[State], user: User, topic: Topic) -> None:
        if user == "slow-to-leave":
            await anyio.sleep(0.5)
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

    @chat.on(Dismiss)
    async def dismiss(message: Dismiss, ctx: Context[State], topic: Topic) -> None:
        await ctx.emit(Dismissed(who=message.who, code=message.code), group=topic)

    @chat.event(Dismissed)
    async def dismissed(event: Dismissed, ctx: Context[State], user: User) -> None:
        if event.who == user:
            await ctx.close(event.code, "dismissed")

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


STARTED, ENDED = "lifespan: started", "lifespan: ended"  # in the server's log


def told(channel: Channel, *, drains: bool = False) -> Any:
    """The lifespan of a channel; the log tells when it begins and ends."""

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncGenerator[None, None]:
        inner: AbstractAsyncContextManager[Any] = channel.lifespan(app)
        async with inner:
            print(STARTED)  # noqa: T201
            yield
            if drains:
                await channel.drain()
        print(ENDED)  # noqa: T201

    return lifespan


def beside(app: ASGIApp, others: dict[str, ASGIApp], *, lifespan: bool = True) -> ASGIApp:
    """What is served below these paths, and the application for everything else.

    Without a lifespan: the way of an application that knows none: it raises, and the server goes on without.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and not lifespan:
            raise RuntimeError("no lifespan here")
        other = others.get("/" + scope.get("path", "").split("/")[1]) if scope["type"] != "lifespan" else None
        await (other or app)(scope, receive, send)

    return wrapped


PATH = "/rooms/{room}/{number}"
CLOSING = "/closing/{room}/{number}"
BEATING = Limits(heartbeat=0.3, heartbeat_timeout=0.7)
SLOW: dict[str, ASGIApp] = {
    "/patient": slow.patient,
    "/strict": slow.strict,
    "/beating": make(routed=False, limits=BEATING),
    "/topics": topical.make(),
}


def _bare(*, lifespan: bool) -> ASGIApp:
    closing = make(routed=False, refuse="close")
    return beside(make(routed=False), {"/closing": closing, **SLOW}, lifespan=lifespan)


def _routed(kind: type[WebSocketRoute | Mount], *, lifespan: bool, drains: bool = False) -> ASGIApp:
    channel = make()
    routes = [kind(PATH, channel), kind(CLOSING, make(refuse="close"))]
    return beside(Starlette(routes=routes, lifespan=told(channel, drains=drains) if lifespan else None), SLOW)


bare = _bare(lifespan=True)
bare_without_lifespan = _bare(lifespan=False)
route = _routed(WebSocketRoute, lifespan=True)
route_drained = _routed(WebSocketRoute, lifespan=True, drains=True)
route_without_lifespan = _routed(WebSocketRoute, lifespan=False)
mount = _routed(Mount, lifespan=True)
mount_without_lifespan = _routed(Mount, lifespan=False)
