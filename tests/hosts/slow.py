"""Channels for slow clients: few bytes in, many bytes out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from chanx import Channel, Context, Limits, Query


class Shout(BaseModel):
    """Send so many characters to everybody."""

    action: Literal["shout"] = "shout"
    size: int
    key: str | None = None


class Give(BaseModel):
    """Send so many characters to me."""

    action: Literal["give"] = "give"
    size: int


class Text(BaseModel):
    action: Literal["text"] = "text"
    text: str


class Count(BaseModel):
    """What became of the broadcasts?"""

    action: Literal["count"] = "count"


class Counted(BaseModel):
    action: Literal["counted"] = "counted"
    dropped: int
    coalesced: int
    slow_closed: int


class Left(BaseModel):
    action: Literal["left"] = "left"
    who: str
    code: int | None


Name = Annotated[str, Query("name")]
Topic = Annotated[str, Query("topic")]

OUTBOX_BYTES = 2 * 1024 * 1024


def make(limits: Limits, overflow: Literal["close", "drop_oldest", "coalesce"] = "close") -> Channel:
    slow = Channel("slow", limits=limits, overflow=overflow)

    @slow.on_connect
    async def enter(ctx: Context, topic: Topic) -> None:
        await ctx.join(topic)

    @slow.on_disconnect
    async def leave(ctx: Context, name: Name, topic: Topic) -> None:
        await slow.broadcast(Left(who=name, code=ctx.close_code), group=topic)

    @slow.on(Shout)
    async def shout(message: Shout, ctx: Context, topic: Topic) -> None:
        await ctx.broadcast(Text(text="x" * message.size), group=topic, key=message.key)

    @slow.on(Give)
    async def give(message: Give) -> Text:
        return Text(text="x" * message.size)

    @slow.on(Count)
    async def count(message: Count) -> Counted:
        stats = slow.stats()
        return Counted(dropped=stats.frames_dropped, coalesced=stats.coalesced, slow_closed=stats.slow_closed)

    return slow


# On a loaded machine a test may take some seconds before its slow client reads on, or breaks.
patient = make(Limits(outbox_bytes=OUTBOX_BYTES, cleanup=60.0))
strict = make(Limits(outbox_bytes=OUTBOX_BYTES, send_timeout=0.5, cleanup=0.5))
dropping = make(Limits(outbox_bytes=OUTBOX_BYTES), "drop_oldest")
latest = make(Limits(outbox_bytes=OUTBOX_BYTES), "coalesce")
