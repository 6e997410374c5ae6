"""Litestar: the channels plugin with the route handlers that it makes, on one of its two Redis backends."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.redis import RedisChannelsPubSubBackend, RedisChannelsStreamBackend
from redis.asyncio import Redis

ROOM = "room"

client = Redis.from_url(os.environ["REDIS_URL"])
backend = (
    RedisChannelsStreamBackend(history=1000, redis=client)
    if os.environ.get("KIND") == "stream"
    else RedisChannelsPubSubBackend(redis=client)
)
plugin = ChannelsPlugin(backend=backend, channels=[ROOM], create_ws_route_handlers=True)
app = Litestar(plugins=[plugin])


@asynccontextmanager
async def publishing() -> AsyncIterator[Callable[[dict[str, Any]], Awaitable[Any]]]:
    async def publish(message: dict[str, Any]) -> None:
        await plugin.wait_published(message, ROOM)

    yield publish
    await client.aclose()
