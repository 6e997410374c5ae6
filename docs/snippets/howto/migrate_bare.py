"""A consumer of Django Channels, in an application without Django."""

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer

register_channel_layer("default", InMemoryChannelLayer())


class ChatConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.group = "chat." + self.scope["path_params"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def receive_json(self, content):
        await self.channel_layer.group_send(self.group, {"type": "chat.message", "text": content["text"]})

    async def chat_message(self, event):
        await self.send_json({"text": event["text"]})

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)


app = Starlette(routes=[WebSocketRoute("/chat/{room}", ChatConsumer.as_asgi())])
