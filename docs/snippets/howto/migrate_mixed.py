"""A native channel beside a consumer, on one channel layer."""

from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, Context
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, get_channel_layer, register_channel_layer

register_channel_layer("default", InMemoryChannelLayer())  # in Django, CHANNEL_LAYERS says it


class NewsConsumer(AsyncJsonWebsocketConsumer):
    groups = ["news"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("news", {"type": "news.flash", "text": content["text"]})

    async def news_flash(self, event):
        await self.send_json({"text": event["text"]})


class Post(BaseModel):
    action: Literal["post"] = "post"
    text: str


class NewsFlash(BaseModel):
    action: Literal["news.flash"] = "news.flash"  # the `type` that consumers know it by
    text: str


class Flash(BaseModel):
    action: Literal["flash"] = "flash"
    text: str


news = Channel("news", groups=get_channel_layer().group_layer)


@news.on_connect
async def read(ctx: Context) -> None:
    await ctx.join("news")


@news.on(Post)
async def post(message: Post, ctx: Context) -> None:
    await ctx.emit(NewsFlash(text=message.text), group="news")


@news.event(NewsFlash)
async def flash(event: NewsFlash) -> Flash:
    return Flash(text=event.text)


app = Starlette(routes=[WebSocketRoute("/old", NewsConsumer.as_asgi()), WebSocketRoute("/new", news)])
