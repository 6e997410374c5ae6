from typing import Annotated, Literal

from pydantic import BaseModel

from chanx import Channel, Context, Path, Reject


class Post(BaseModel):
    action: Literal["post"] = "post"
    text: str


class Posted(BaseModel):
    action: Literal["posted"] = "posted"
    text: str


Number = Annotated[int, Path("pk")]

hub = Channel("hub")
discussion = Channel("discussion")


@discussion.on_connect
async def enter(ctx: Context, pk: Number) -> None:
    if pk == 13:
        raise Reject(403, "not for you")
    await ctx.join(f"discussion:{pk}")


@discussion.on(Post)
async def post(message: Post, ctx: Context, pk: Number) -> None:
    if message.text == "enough":
        await ctx.close(4000, "closed by a moderator")
    else:
        await ctx.broadcast(Posted(text=message.text), group=f"discussion:{pk}", exclude=ctx.id)


hub.include(discussion, topic="discussion:{pk}")
