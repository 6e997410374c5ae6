"""The connection of the one page, written as a class for Django Channels."""

from chanx.channels.exceptions import DenyConnection
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer


class TalkConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            raise DenyConnection
        self.group = "talk." + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        if self.user.is_authenticated:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content):
        said = {"type": "talk.said", "who": self.user.get_username(), "text": str(content["text"])}
        await self.channel_layer.group_send(self.group, said)

    async def talk_said(self, event):
        """Somebody on either page has said something."""
        await self.send_json({"who": event["who"], "text": event["text"]})
