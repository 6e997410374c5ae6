"""Django Channels: a JSON consumer in a group, on one of the two layers of channels_redis."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import django
from django.conf import settings

BACKENDS = {"core": "channels_redis.core.RedisChannelLayer", "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer"}
settings.configure(
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": BACKENDS[os.environ.get("KIND", "core")],
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        }
    }
)
django.setup()

from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402 - needs the settings
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402

ROOM = "room"


class Member(AsyncJsonWebsocketConsumer):
    groups = [ROOM]  # noqa: RUF012 - as its documentation has it

    async def said(self, event: dict[str, Any]) -> None:
        await self.send_json(event["message"])


app = ProtocolTypeRouter({"websocket": Member.as_asgi()})


@asynccontextmanager
async def publishing() -> AsyncIterator[Callable[[dict[str, Any]], Awaitable[Any]]]:
    layer = get_channel_layer()

    async def publish(message: dict[str, Any]) -> None:
        await layer.group_send(ROOM, {"type": "said", "message": message})

    yield publish
