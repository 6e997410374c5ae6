"""The limit: redis-py and ASGI used bare, the least that one can write by hand.

A process subscribes once. What it hears becomes one event, which goes to one connection after another. A client that
does not read would stop all others, and a broken link to Redis would be the end.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio

Event = dict[str, Any]
Send = Callable[[Event], Awaitable[None]]
Publish = Callable[[dict[str, Any]], Awaitable[Any]]

ROOM = "room"

_sends: set[Send] = set()
_listening: asyncio.Task[None] | None = None


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Event]], send: Send) -> None:
    """Every connection is a member of the room."""
    global _listening
    if scope["type"] == "lifespan":
        await receive()
        subscribed = asyncio.Event()
        _listening = asyncio.create_task(_listen(subscribed))
        await subscribed.wait()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        _listening.cancel()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    _sends.add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        _sends.discard(send)


async def _listen(subscribed: asyncio.Event) -> None:
    client = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    async with client, client.pubsub() as listening:
        await listening.subscribe(ROOM)
        async for heard in listening.listen():
            if heard["type"] == "message":
                event = {"type": "websocket.send", "text": heard["data"]}
                for send in list(_sends):
                    await send(event)
            else:
                subscribed.set()


@asynccontextmanager
async def publishing() -> AsyncIterator[Publish]:
    async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]) as client:

        async def publish(message: dict[str, Any]) -> None:
            await client.publish(ROOM, json.dumps(message))

        yield publish
