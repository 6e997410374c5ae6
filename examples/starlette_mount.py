"""Channels inside a Starlette application: by route, by mount, and one lifespan for all of them.

A channel is an ASGI application, so `WebSocketRoute` and `Mount` take it as it is, and path parameters
arrive as `Path()`. Wiring the lifespan is optional: with it, a channel's background work starts and ends
with the server; without it, with the first and the last connection.

Run it with `uvicorn examples.starlette_mount:app`, connect to `ws://127.0.0.1:8000/counters/3` and send
`{"action": "add", "amount": 2}`; connect to `ws://127.0.0.1:8000/clock/` and send `{"action": "now"}`;
open `http://127.0.0.1:8000/` to see who is connected.
"""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute

from chanx import Channel, Context, Path


class Add(BaseModel):
    action: Literal["add"] = "add"
    amount: int


class Total(BaseModel):
    action: Literal["total"] = "total"
    counter: int
    value: int


class Now(BaseModel):
    action: Literal["now"] = "now"


class Time(BaseModel):
    action: Literal["time"] = "time"
    time: datetime


counters = Channel("counters")
clock = Channel("clock")

totals: Counter[int] = Counter()

Number = Annotated[int, Path("number")]


@counters.on_connect
async def watch(ctx: Context, number: Number) -> None:
    await ctx.join(f"counter:{number}")


@counters.on(Add)
async def add(message: Add, ctx: Context, number: Number) -> None:
    totals[number] += message.amount
    await ctx.broadcast(Total(counter=number, value=totals[number]), group=f"counter:{number}")


@clock.on
async def now(_: Now) -> Time:
    return Time(time=datetime.now(UTC))


async def connected(_: Request) -> JSONResponse:
    return JSONResponse({"counters": counters.stats().connections, "clock": clock.stats().connections})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None]:
    async with AsyncExitStack() as stack:
        for channel in (counters, clock):
            await stack.enter_async_context(channel.lifespan(app))
        yield


app = Starlette(
    routes=[
        Route("/", connected),
        WebSocketRoute("/counters/{number}", counters),
        Mount("/clock", clock),
    ],
    lifespan=lifespan,
)
