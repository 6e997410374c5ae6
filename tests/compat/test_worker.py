"""Background workers: Channels' own worker runs consumers of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from tests import django_project  # noqa: F401  # isort: skip - Django must be configured first
from channels.worker import Worker

from chanx.channels.consumer import AsyncConsumer, SyncConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.routing import ChannelNameRouter, ProtocolTypeRouter

pytestmark = pytest.mark.anyio


async def test_a_worker_runs_consumers_by_the_name_of_their_channel() -> None:
    made: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    class Thumbnails(SyncConsumer):
        def thumbnail_make(self, message: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(made.put_nowait, ("made", message["id"]))

    class Deletions(AsyncConsumer):
        async def thumbnail_delete(self, message: dict[str, Any]) -> None:
            made.put_nowait(("deleted", message["id"]))

    names = {"make": Thumbnails.as_asgi(), "delete": Deletions.as_asgi()}
    layer: Any = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    worker = Worker(ProtocolTypeRouter({"channel": ChannelNameRouter(names)}), list(names), layer)
    working = asyncio.ensure_future(worker.handle())
    with anyio.fail_after(10):
        await layer.send("make", {"type": "thumbnail.make", "id": 7})
        assert await made.get() == ("made", 7)
        await layer.send("delete", {"type": "thumbnail.delete", "id": 7})
        assert await made.get() == ("deleted", 7)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
