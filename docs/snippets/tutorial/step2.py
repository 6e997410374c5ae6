from typing import Literal

from pydantic import BaseModel

from chanx import Channel, Context


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


app = Channel("chat")


# --8<-- [start:groups]
@app.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("everybody")


@app.on(Say)
async def say(message: Say, ctx: Context) -> None:
    await ctx.broadcast(Said(text=message.text), group="everybody")


# --8<-- [end:groups]
