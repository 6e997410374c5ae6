"""The project's application: a consumer of chanx 2.x, one of chanx 0.12, and a native channel."""

from __future__ import annotations

from typing import Any, Literal

from django.core.asgi import get_asgi_application

from chanx import Channel
from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.routing import ProtocolTypeRouter, URLRouter, path
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import channel, ws_handler
from chanx.generic.websocket import AsyncJsonWebsocketConsumer as OldConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class Say(BaseMessage):
    """Something <b>said</b>."""

    action: Literal["say"] = "say"
    payload: str


@channel(name="chat", description="<script>alert(1)</script>", tags=["a & b"])
class ChatConsumer(AsyncJsonWebsocketConsumer):
    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler
    async def handle_say(self, message: Say) -> Say:
        return message


class Old(OldConsumer[Say]):
    async def receive_message(self, message: Say, **kwargs: Any) -> None: ...


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AuthMiddlewareStack(
            URLRouter(
                [
                    path("ws/<int:room>/", ChatConsumer.as_asgi()),
                    path("old/", Old.as_asgi()),
                    path("native/", Channel("native")),
                ]
            )
        ),
    }
)
