from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles

from chanx import Channel, Context, Reject, static


class Add(BaseModel):
    action: Literal["add"] = "add"
    text: str


class Fill(BaseModel):
    action: Literal["fill"] = "fill"


class Line(BaseModel):
    action: Literal["line"] = "line"
    text: str


class Find(BaseModel):
    action: Literal["find"] = "find"
    word: str


class Clear(BaseModel):
    action: Literal["clear"] = "clear"


class Confirm(BaseModel):
    action: Literal["confirm"] = "confirm"
    text: str


class Confirmed(BaseModel):
    action: Literal["confirmed"] = "confirmed"
    yes: bool


class Count(BaseModel):
    action: Literal["count"] = "count"
    lines: int


notes = Channel("notes", refuse="close")
lines: list[str] = []


async def count() -> Count:
    await notes.broadcast(Count(lines=len(lines)), group="notes")
    return Count(lines=len(lines))


@notes.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("notes")


@notes.on(Add)
async def add(message: Add) -> Count:
    if not message.text:
        raise Reject(400, "write something first")
    lines.append(message.text)
    return await count()


@notes.on(Fill)
async def fill(_: Fill, chunks: AsyncIterator[Line]) -> Count:
    lines.extend([line.text async for line in chunks])
    return await count()


@notes.on(Find)
async def find(message: Find) -> AsyncIterator[Line]:
    for line in lines:
        if message.word in line:
            yield Line(text=line)


@notes.on(Clear)
async def clear(_: Clear, ctx: Context) -> Count:
    answer = await ctx.ask(Confirm(text=f"Throw {len(lines)} lines away?"), Confirmed)
    if answer.yes:
        lines.clear()
    return await count()


# --8<-- [start:serve]
app = Starlette(
    routes=[
        WebSocketRoute("/notes", notes),
        Mount("/chanx", static.app),  # /chanx/chanx.js
        Mount("/", StaticFiles(directory=Path(__file__).with_name("page"), html=True)),
    ]
)
# --8<-- [end:serve]
