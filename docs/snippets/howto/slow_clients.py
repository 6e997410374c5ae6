from typing import Literal

from pydantic import BaseModel

from chanx import Channel, Context, Limits


class Price(BaseModel):
    action: Literal["price"] = "price"
    symbol: str
    price: float


class Line(BaseModel):
    action: Literal["line"] = "line"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


# --8<-- [start:close]
chat = Channel("chat", limits=Limits(outbox=500, outbox_bytes=2 * 1024 * 1024))
# --8<-- [end:close]


@chat.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("room")


# --8<-- [start:drop]
log = Channel("log", overflow="drop_oldest", limits=Limits(outbox=100))


@log.on_connect
async def follow(ctx: Context) -> None:
    await ctx.join("log")


async def write(text: str) -> None:
    await log.broadcast(Line(text=text), group="log")


# --8<-- [end:drop]


# --8<-- [start:coalesce]
prices = Channel("prices", overflow="coalesce")


@prices.on_connect
async def watch(ctx: Context) -> None:
    await ctx.join("prices")


async def set_price(symbol: str, price: float) -> None:
    await prices.broadcast(Price(symbol=symbol, price=price), group="prices", key=f"price:{symbol}")


# --8<-- [end:coalesce]


# --8<-- [start:stats]
def too_slow() -> dict[str, int]:
    stats = prices.stats()
    return {"dropped": stats.frames_dropped, "replaced": stats.coalesced, "closed": stats.slow_closed}


# --8<-- [end:stats]
