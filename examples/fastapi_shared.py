"""FastAPI and a channel that share one dependency, and an HTTP request that reaches the sockets.

`current_user` is an ordinary FastAPI dependency: its `Query` marker and its `HTTPException` are
FastAPI's own. The route uses it through `fastapi.Depends`, the channel through `chanx.Depends`: a wrong
token is a 401 in both. Placing an order emits an event to the group of its owner; each of the owner's
connections handles it, and what the handler returns goes to that client. FastAPI documents the routes at
`/docs`; the sockets are documented beside them at `/asyncapi.json`.

Run it with `uvicorn examples.fastapi_shared:app`, connect to `ws://127.0.0.1:8000/feed?token=ada-token`
and place an order: `curl -X POST -H 'content-type: application/json' -d '{"item": "tea"}'
'http://127.0.0.1:8000/orders?token=ada-token'`.
"""

from itertools import count
from typing import Annotated, Literal

import fastapi
from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Depends
from chanx.asyncapi import routes

TOKENS = {"ada-token": "ada", "bob-token": "bob"}


async def current_user(token: Annotated[str, Query(description="Who asks")] = "") -> str:
    if token not in TOKENS:
        raise HTTPException(401, "unknown token")
    return TOKENS[token]


# The channel: tells a user what happens to the user's orders.

SocketUser = Annotated[str, Depends(current_user, scope="connection")]


class OrderPlaced(BaseModel):
    """An event: emitted by server code, and never accepted from a client."""

    action: Literal["order_placed"] = "order_placed"
    number: int
    item: str


class Notice(BaseModel):
    action: Literal["notice"] = "notice"
    text: str


feed = Channel("feed", title="News of your orders")


@feed.on_connect
async def follow(ctx: Context, user: SocketUser) -> None:
    await ctx.join(f"user:{user}")


@feed.event(OrderPlaced)
async def order_placed(event: OrderPlaced, user: SocketUser) -> Notice:
    return Notice(text=f"{user}, your order {event.number} was placed: {event.item}")


# The HTTP side: an ordinary FastAPI application.

RouteUser = Annotated[str, fastapi.Depends(current_user)]


class NewOrder(BaseModel):
    item: str


class Order(BaseModel):
    number: int
    item: str
    owner: str


app = FastAPI(title="Orders", lifespan=feed.lifespan)
app.router.routes.append(WebSocketRoute("/feed", feed))
app.router.routes.extend(routes(app, title=app.title, version=app.version))

numbers = count(1)


@app.post("/orders", status_code=201)
async def place(order: NewOrder, user: RouteUser) -> Order:
    placed = Order(number=next(numbers), item=order.item, owner=user)
    await feed.emit(OrderPlaced(number=placed.number, item=placed.item), group=f"user:{user}")
    return placed
