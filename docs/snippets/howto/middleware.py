from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pydantic import BaseModel

from chanx import Channel, Context


class Count(BaseModel):
    action: Literal["count"] = "count"


class Counted(BaseModel):
    action: Literal["counted"] = "counted"
    messages: int


class Seen:
    messages = 0


app = Channel("counting", state=Seen)


@app.middleware
async def count(call_next: Callable[[Any], Awaitable[Any]], message: Any, ctx: Context[Seen]) -> Any:
    ctx.state.messages += 1
    return await call_next(message)


@app.on(Count)
async def total(_: Count, ctx: Context[Seen]) -> Counted:
    return Counted(messages=ctx.state.messages)
