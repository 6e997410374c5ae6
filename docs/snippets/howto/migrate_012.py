from typing import Any, Literal

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseChannelEvent, BaseGroupMessage, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class Say(BaseMessage):
    action: Literal["say"] = "say"
    payload: str


class Said(BaseGroupMessage):
    action: Literal["said"] = "said"
    payload: str


class Hired(BaseChannelEvent):
    handler: Literal["hired"] = "hired"
    payload: str


class Welcome(BaseMessage):
    action: Literal["welcome"] = "welcome"
    payload: str


class OfficeConsumer(AsyncJsonWebsocketConsumer[Say | PingMessage, Hired, Said]):
    async def build_groups(self) -> list[str]:
        return ["office"]

    async def receive_message(self, message: Say | PingMessage, **kwargs: Any) -> None:
        match message:
            case Say(payload=text):
                await self.send_group_message(Said(payload=text), exclude_current=False)
            case PingMessage():
                await self.send_message(PongMessage())

    async def receive_event(self, event: Hired) -> None:
        await self.send_message(Welcome(payload=event.payload))


register_channel_layer("default", InMemoryChannelLayer())
app = Starlette(routes=[WebSocketRoute("/office", OfficeConsumer.as_asgi())])


def hire(
    name: str,
) -> None:  # in a view, a task or a script; on an event loop: await OfficeConsumer.asend_channel_event(…)
    OfficeConsumer.send_channel_event("office", Hired(payload=name))
