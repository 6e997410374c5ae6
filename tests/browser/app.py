"""A channel that does all that chanx.js is for, and the blank page from which a browser talks to it."""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import anyio
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route, WebSocketRoute

from chanx import AskFailed, Channel, Context, Limits, Query, Reject, static


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Note(BaseModel):
    action: Literal["note"] = "note"


class Forbidden(BaseModel):
    action: Literal["forbidden"] = "forbidden"


class Split(BaseModel):
    action: Literal["split"] = "split"
    text: str


class Count(BaseModel):
    """Count to `to`, and on for ever without it; fail at `fail`."""

    action: Literal["count"] = "count"
    id: str = ""
    to: int | None = None
    fail: int | None = None


class Begun(BaseModel):
    """Answered when the upload with this id has reached its handler."""

    action: Literal["begun"] = "begun"
    id: str


class Ended(BaseModel):
    """Answered when the handler of the stream or upload with this id has ended."""

    action: Literal["ended"] = "ended"
    id: str


class Hold(BaseModel):
    """Never answered."""

    action: Literal["hold"] = "hold"


class Push(BaseModel):
    """Answered by a push, not by an answer."""

    action: Literal["push"] = "push"
    text: str


class Add(BaseModel):
    """Followed by a stream of parts; says how many it has read. Reads `most` only, where given."""

    action: Literal["add"] = "add"
    id: str = ""
    most: int | None = None


class Part(BaseModel):
    action: Literal["part"] = "part"
    number: int


class Delete(BaseModel):
    """Asks first."""

    action: Literal["delete"] = "delete"
    name: str


class Confirm(BaseModel):
    action: Literal["confirm"] = "confirm"
    name: str


class Confirmed(BaseModel):
    action: Literal["confirmed"] = "confirmed"
    yes: bool


class Close(BaseModel):
    action: Literal["close"] = "close"
    code: int
    reason: str = ""


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


class Number(BaseModel):
    action: Literal["number"] = "number"
    number: int


channel = Channel("browser", refuse="close")

# Kept for the life of the server: by an id that the page makes up.
begins: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)
ends: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)


@channel.on_connect
async def admit(status: Annotated[int, Query()] = 0) -> None:
    if status:
        raise Reject(status, "not you")


@channel.on(Say)
async def say(message: Say) -> Said:
    return Said(text=message.text)


@channel.on(Note)
async def note(message: Note) -> None:
    return


@channel.on(Forbidden)
async def forbidden(message: Forbidden) -> None:
    raise Reject(403, "not for you")


@channel.on(Split)
async def split(message: Split) -> list[Said]:
    return [Said(text=word) for word in message.text.split()]


@channel.on(Count, concurrency=8)
async def count(message: Count) -> AsyncIterator[Number]:
    number = 0
    try:
        while number != message.to:
            number += 1
            if number == message.fail:
                raise Reject(403, "no further")
            yield Number(number=number)
            await anyio.lowlevel.checkpoint()
    finally:
        ends[message.id].set()


@channel.on(Begun, concurrency=8)
async def begun(message: Begun) -> None:
    await begins[message.id].wait()


@channel.on(Ended, concurrency=8)
async def ended(message: Ended) -> None:
    await ends[message.id].wait()


@channel.on(Hold, concurrency=8, on_leave="cancel")
async def hold(message: Hold) -> None:
    await anyio.sleep_forever()


@channel.on(Push)
async def push(message: Push, ctx: Context) -> None:
    await ctx.send(Said(text=message.text))


@channel.on(Add, concurrency=8)
async def add(message: Add, chunks: AsyncIterator[Part]) -> Number:
    total = read = 0
    begins[message.id].set()
    try:
        if message.most != 0:
            async for part in chunks:
                total += part.number
                read += 1
                if read == message.most:
                    break
    finally:
        ends[message.id].set()
    return Number(number=total)


@channel.on(Delete, concurrency=8)
async def delete(message: Delete, ctx: Context) -> Said:
    try:
        answer = await ctx.ask(Confirm(name=message.name), Confirmed)
    except AskFailed as failed:
        return Said(text=f"{failed.code}: {failed.detail}")
    return Said(text=f"deleted {message.name}" if answer.yes else "kept")


@channel.on(Close)
async def close(message: Close, ctx: Context) -> None:
    await ctx.close(message.code, message.reason)


# The same with another discriminator.


class TypedSay(BaseModel):
    type: Literal["say"] = "say"
    text: str


class TypedCount(BaseModel):
    type: Literal["count"] = "count"


class TypedWord(BaseModel):
    type: Literal["word"] = "word"
    text: str


class TypedSaid(BaseModel):
    type: Literal["said"] = "said"
    text: str


typed = Channel("typed", discriminator="type")


@typed.on(TypedSay)
async def typed_say(message: TypedSay, ctx: Context) -> TypedSaid:
    return TypedSaid(text=(await ctx.ask(message, TypedWord)).text)


@typed.on(TypedCount, concurrency=1)
async def typed_count(message: TypedCount, chunks: AsyncIterator[TypedWord]) -> AsyncIterator[TypedSaid]:
    async for word in chunks:
        yield TypedSaid(text=word.text)


# And one that asks for signs of life all the time.
beating = Channel("beating", limits=Limits(heartbeat=0.02, heartbeat_timeout=2.0))
beating.on(Say)(say)


async def page(_: Request) -> HTMLResponse:
    return HTMLResponse('<!doctype html><title>chanx.js</title><link rel="icon" href="data:,">')


app = Starlette(
    routes=[
        Route("/", page),
        WebSocketRoute("/ws", channel),
        WebSocketRoute("/typed", typed),
        WebSocketRoute("/beating", beating),
        Mount("/chanx", static.app),
    ],
    lifespan=channel.lifespan,
)
