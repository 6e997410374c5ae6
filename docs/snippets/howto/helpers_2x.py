from collections.abc import AsyncIterator
from typing import Literal

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.core.decorators import ws_handler
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.routing import RouteDiscovery
from chanx.utils.groups import group_name
from chanx.utils.scope import get_query_params, get_url_params
from chanx.utils.streaming import stream_messages


class Count(BaseMessage):
    action: Literal["count"] = "count"
    payload: int


class Number(BaseMessage):
    action: Literal["number"] = "number"
    payload: int


class Entered(BaseMessage):
    action: Literal["entered"] = "entered"
    payload: str


class RoomConsumer(AsyncJsonWebsocketConsumer):
    async def post_authentication(self) -> None:
        room = get_url_params(self.scope)["room"]  # the same as self.url_params["room"]
        who = get_query_params(self.scope).get("name", "somebody")
        await self.join_group(group_name("room", room))  # a legal name, whatever a room is called
        await self.broadcast_message(Entered(payload=who))

    @ws_handler(output_type=Number)
    async def handle_count(self, message: Count) -> None:
        async def numbers() -> AsyncIterator[Number]:
            for number in range(message.payload):
                yield Number(payload=number)

        await stream_messages(self, numbers())


register_channel_layer("default", InMemoryChannelLayer())
app = Starlette(routes=[WebSocketRoute("/rooms/{room}", RoomConsumer.as_asgi())])


def routes() -> dict[str, object]:
    return {route.path: route.consumer for route in RouteDiscovery(app).discover_routes()}
