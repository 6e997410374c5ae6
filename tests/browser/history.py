"""A channel with history, whose clients may be cut off, and the blank page from which a browser talks to it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from chanx import Channel, Context, History, static


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


class Cut(BaseModel):
    """Closes the connection, and says so much while it is away."""

    action: Literal["cut"] = "cut"
    count: int


chat = Channel("history", history={"room:*": History(size=10)})


@chat.on_connect
async def enter(ctx: Context) -> None:
    for name in ("a", "b"):
        await ctx.join(f"room:{name}", stream=name)


@chat.on(Say)
async def say(message: Say, ctx: Context) -> None:
    await ctx.broadcast(Said(text=message.text), group="room:a")


@chat.on(Cut)
async def cut(message: Cut, ctx: Context) -> None:
    await ctx.close(1012, "cut off")
    for number in range(message.count):
        await chat.broadcast(Said(text=str(number)), group="room:a")
    await chat.broadcast(Said(text="in b"), group="room:b")


async def page(request: object) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>blank</title>")


app = Starlette(
    routes=[
        Route("/", page),
        Mount("/chanx", static.app),
        Mount("/docs", StaticFiles(directory=Path(__file__).parents[2] / "docs" / "snippets" / "howto")),
        WebSocketRoute("/ws", chat),
    ]
)
