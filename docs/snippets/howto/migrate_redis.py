import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.layers import RedisChannelLayer, register_channel_layer

# --8<-- [start:layer]
layer = RedisChannelLayer([os.environ.get("REDIS_URL", "redis://localhost:6379")], prefix="news")
register_channel_layer("default", layer)  # in Django, CHANNEL_LAYERS says it


async def ready(_request: Request) -> Response:
    return Response(status_code=200 if layer.group_layer.healthy() else 503)


# --8<-- [end:layer]
class NewsConsumer(AsyncJsonWebsocketConsumer):
    groups = ["news"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("news", {"type": "news.flash", "text": content["text"]})

    async def news_flash(self, event):
        await self.send_json({"text": event["text"]})


app = Starlette(routes=[WebSocketRoute("/news", NewsConsumer.as_asgi()), Route("/ready", ready)])
