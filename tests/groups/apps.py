"""What the processes of the tests serve."""

from __future__ import annotations

import os

from chanx import Channel, Context
from chanx.groups.redis import RedisLayer
from tests.kernel.messages import Said, Say

layer = RedisLayer(os.environ["CHANX_TEST_URL"], prefix=os.environ["CHANX_TEST_PREFIX"])
app = Channel("processes", groups=layer)


@app.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("room")


@app.on(Say)
async def say(message: Say, ctx: Context) -> None:
    await ctx.broadcast(Said(text=message.text), group="room")
