from typing import Literal

from pydantic import BaseModel

from chanx import Channel, Context, MemoryLayer


class News(BaseModel):
    action: Literal["news"] = "news"
    text: str


layer = MemoryLayer()
readers = Channel("readers", groups=layer)
writers = Channel("writers", groups=layer)


@readers.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("news")


@writers.on(News)
async def publish(message: News, ctx: Context) -> None:
    await ctx.broadcast(message, group="news")
