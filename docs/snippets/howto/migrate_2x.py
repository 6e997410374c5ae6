from typing import Literal

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class Say(BaseMessage):
    action: Literal["say"] = "say"
    payload: str


class Said(BaseMessage):
    action: Literal["said"] = "said"
    payload: str


class Hired(BaseMessage):
    action: Literal["hired"] = "hired"
    payload: str


@channel(name="office", description="What is said in an office.")
class OfficeConsumer(AsyncJsonWebsocketConsumer[Hired]):
    groups = ["office"]

    @ws_handler(summary="Ask whether the server is there")
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler(output_type=Said)
    async def handle_say(self, message: Say) -> None:
        await self.broadcast_message(Said(payload=message.payload))

    @event_handler
    async def handle_hired(self, event: Hired) -> Said:
        return Said(payload=f"welcome {event.payload}")


register_channel_layer("default", InMemoryChannelLayer())
app = Starlette(routes=[WebSocketRoute("/office", OfficeConsumer.as_asgi())])


def hire(name: str) -> None:  # in a view, a task or a script; on an event loop: await OfficeConsumer.broadcast_event(…)
    OfficeConsumer.broadcast_event_sync(Hired(payload=name))
