"""chanx, as its documentation tells to write it; with `KIND=history`, the room keeps a history."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, History

ROOM = "room"
KEPT = os.environ.get("KIND") == "history"


class Said(BaseModel):
    action: Literal["said"] = "said"
    number: int
    sent: float
    text: str


channel = Channel(
    "room",
    groups=os.environ["REDIS_URL"],
    history={ROOM: History(size=1000, ttl=3600)} if KEPT else None,
)


@channel.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join(ROOM, stream=ROOM if KEPT else None)


app = Starlette(routes=[WebSocketRoute("/room", channel)], lifespan=channel.lifespan)


@asynccontextmanager
async def publishing() -> AsyncIterator[Callable[[dict[str, Any]], Awaitable[Any]]]:
    async with channel.lifespan(app):

        async def publish(message: dict[str, Any]) -> None:
            await channel.broadcast(Said(**message), group=ROOM)

        yield publish
