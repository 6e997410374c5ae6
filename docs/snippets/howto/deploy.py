import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from chanx import Channel, Context, History, Limits, drain_on_sigterm


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


# --8<-- [start:channel]
chat = Channel(
    "chat",
    groups=os.environ.get("REDIS_URL"),
    history={"room": History(size=200, ttl=3600)},
    limits=Limits(max_size=16_384, outbox=500, outbox_bytes=262_144, heartbeat=30, heartbeat_timeout=10),
)
# --8<-- [end:channel]


@chat.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("room", stream="room")


@chat.on
async def say(message: Say, ctx: Context) -> None:
    await ctx.broadcast(message, group="room")


# --8<-- [start:health]
async def live(_: Request) -> Response:
    """The event loop runs."""
    return Response(status_code=200)


async def ready(_: Request) -> Response:
    """The group layer hears itself through Redis."""
    return Response(status_code=200 if chat.healthy() else 503)


# --8<-- [end:health]


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with drain_on_sigterm(chat), chat.lifespan(app):
        yield


app = Starlette(
    routes=[WebSocketRoute("/chat", chat), Route("/live", live), Route("/ready", ready)],
    lifespan=lifespan,
)
