from typing import Literal

from pydantic import BaseModel

from chanx import Channel, Context


class Follow(BaseModel):
    action: Literal["follow"] = "follow"
    topics: list[str]


class Unfollow(BaseModel):
    action: Literal["unfollow"] = "unfollow"
    name: str


class Post(BaseModel):
    action: Literal["post"] = "post"
    topics: list[str]
    text: str


class Whisper(BaseModel):
    action: Literal["whisper"] = "whisper"
    to: str
    text: str


class Posted(BaseModel):
    action: Literal["posted"] = "posted"
    by: str
    text: str


class Following(BaseModel):
    action: Literal["following"] = "following"
    id: str
    topics: list[str]


class Gone(BaseModel):
    action: Literal["gone"] = "gone"
    id: str


app = Channel("topics")


# --8<-- [start:handlers]
@app.on(Follow)
async def follow(message: Follow, ctx: Context) -> Following:
    await ctx.join(*message.topics)
    return Following(id=ctx.id, topics=sorted(ctx.groups))


@app.on(Unfollow)
async def unfollow(message: Unfollow, ctx: Context) -> Following:
    await ctx.leave(message.name)
    return Following(id=ctx.id, topics=sorted(ctx.groups))


@app.on(Post)
async def post(message: Post, ctx: Context) -> None:
    await ctx.broadcast(Posted(by=ctx.id, text=message.text), groups=message.topics, exclude=ctx.id)


@app.on(Whisper)
async def whisper(message: Whisper, ctx: Context) -> None:
    await ctx.broadcast(Posted(by=ctx.id, text=message.text), connection=message.to)


@app.on_disconnect
async def gone(ctx: Context) -> None:
    await app.broadcast(Gone(id=ctx.id), groups=ctx.left_groups)


# --8<-- [end:handlers]
