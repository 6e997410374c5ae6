from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Depends, Path, Reject


# --8<-- [start:discussion]
class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str


async def current_user(connection: HTTPConnection) -> str:
    if (name := connection.query_params.get("name")) is None:
        raise Reject(401, "a name is needed")
    return name


User = Annotated[str, Depends(current_user, scope="connection")]
Number = Annotated[int, Path("number")]

discussion = Channel("discussion")


@discussion.on_connect
async def enter(ctx: Context, number: Number, user: User) -> None:
    if number == 13 and user != "ada":
        raise Reject(403, "this discussion is private")
    await ctx.join(f"discussion:{number}")


@discussion.on(Say)
async def say(message: Say, ctx: Context, number: Number, user: User) -> None:
    await ctx.broadcast(Said(who=user, text=message.text), group=f"discussion:{number}")


# --8<-- [end:discussion]


# --8<-- [start:market]
@dataclass
class Watched:
    last: float = 0.0


class Price(BaseModel):
    action: Literal["price"] = "price"
    value: float


class Offer(BaseModel):
    action: Literal["say"] = "say"  # the same tag as in a discussion: it is another topic
    value: float


market = Channel("market", state=Watched)


@market.on(Offer)
async def quote(message: Offer, ctx: Context[Watched]) -> Price:
    ctx.state.last = max(ctx.state.last, message.value)
    return Price(value=ctx.state.last)


# --8<-- [end:market]


# --8<-- [start:hub]
class Ping(BaseModel):
    action: Literal["ping"] = "ping"


class Pong(BaseModel):
    action: Literal["pong"] = "pong"


hub = Channel("hub")


@hub.on(Ping)
async def ping(_: Ping) -> Pong:
    return Pong()


hub.include(discussion, topic="discussion:{number}")
hub.include(market, topic="market")

app = Starlette(
    routes=[
        WebSocketRoute("/", hub),
        WebSocketRoute("/discussions/{number:int}", discussion),  # the same channel on a route of its own
    ]
)
# --8<-- [end:hub]
