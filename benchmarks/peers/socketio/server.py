"""python-socketio: a server with the Redis manager, whose clients enter a room."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio

ROOM = "room"
URL = os.environ["REDIS_URL"]

server = socketio.AsyncServer(
    async_mode="asgi", client_manager=socketio.AsyncRedisManager(URL), transports=["websocket"]
)
app = socketio.ASGIApp(server)


@server.event
async def connect(sid: str, _environ: dict[str, Any]) -> None:
    await server.enter_room(sid, ROOM)


@asynccontextmanager
async def publishing() -> AsyncIterator[Callable[[dict[str, Any]], Awaitable[Any]]]:
    outside = socketio.AsyncRedisManager(URL, write_only=True)

    async def publish(message: dict[str, Any]) -> None:
        await outside.emit("said", message, room=ROOM)

    yield publish
