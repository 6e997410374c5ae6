"""Connections of the class API leave nothing behind, however they end: not even for the collector of garbage."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Iterator
from typing import Any, Literal

import anyio
import pytest

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.decorators import event_handler, ws_handler
from chanx.core.topic import Topic
from chanx.generic.websocket import AsyncJsonWebsocketConsumer as OldConsumer
from chanx.groups.memory import MemoryLayer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import Client

pytestmark = pytest.mark.anyio


class Chat(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: str = ""


class Allows(BaseAuthenticator):
    async def authenticate(self, scope: Any) -> bool:
        return True


class Refuses(BaseAuthenticator):
    async def authenticate(self, scope: Any) -> bool:
        await self.send_message(PongMessage())
        return False


class Fails(BaseAuthenticator):
    async def authenticate(self, scope: Any) -> bool:
        raise LookupError


class Run(Topic):
    pattern = "run:{id}"

    @ws_handler
    async def handle_chat(self, message: Chat) -> Chat:
        return message


class Consumer(AsyncJsonWebsocketConsumer[Chat]):
    groups = ["room"]
    topics = [Run]
    max_topics = 2

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler
    async def handle_chat(self, message: Chat) -> Chat:
        await asyncio.sleep(0)
        await self.join_group("other")
        await self.broadcast_message(message)
        return message

    @event_handler
    async def on_chat(self, event: Chat) -> Chat:
        return event


class NotConnected(Consumer):
    async def connect(self) -> None:
        await self.close()


class Old(OldConsumer[PingMessage | Chat]):
    groups = ["room"]

    async def receive_message(self, message: Any, **kwargs: Any) -> None:
        await self.send_group_message(message, exclude_current=False)


class OldRefused(Old):
    authenticator_class = lambda: None  # noqa: E731 - it is no authenticator


ENDINGS = [
    Consumer,
    type("Logging", (Consumer,), {"log_websocket_message": True, "send_completion": True}),
    type("Camel", (Consumer,), {"camelize": True}),
    type("Allowed", (Consumer,), {"authenticator_class": Allows}),
    type("Refused", (Consumer,), {"authenticator_class": Refuses}),
    type("Failed", (Consumer,), {"authenticator_class": Fails}),
    NotConnected,
    Old,
    OldRefused,
]

FRAMES = [
    '{"action":"ping"}',
    '{"action":"chat","payload":"x","ref":"a"}',
    '{"action":"subscribe","topic":"run:1"}',
    '{"action":"chat","topic":"run:1","ref":1}',
    '{"action":"subscribe","topic":"nowhere"}',
    '{"action":"nope"}',
    "{",
]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("consumer", ENDINGS)
async def test_a_connection_leaves_nothing_behind(consumer: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "chanx")  # a record keeps an error, and all that was under way
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    made: list[weakref.ref[Any]] = []

    class Counted(consumer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            made.append(weakref.ref(self))

    tasks = asyncio.all_tasks()
    client: Any = Client(Counted.as_asgi(), "/")
    await client.send_input({"type": "websocket.connect"})
    for frame in FRAMES:
        await client.send_input({"type": "websocket.receive", "text": frame})
    await layer.group_send("room", {"type": "handle_channel_event", "event_data": {"action": "chat", "payload": "x"}})
    while not await client.receive_nothing(0.01):
        await client.receive_output()
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait([client.future])
    client = None
    await anyio.wait_all_tasks_blocked()
    assert made[0]() is None
    assert asyncio.all_tasks() == tasks
    assert isinstance(layer.group_layer, MemoryLayer)
    assert not any(map(layer.group_layer.members.has, ("room", "other", Run.group_name("run:1"))))


@pytest.mark.usefixtures("no_collector")
async def test_a_consumer_that_fails_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "chanx")
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    made: list[weakref.ref[Any]] = []

    class Failing(Consumer):
        def __init__(self) -> None:
            super().__init__()
            made.append(weakref.ref(self))

        async def boom(self, message: Any) -> None:
            raise LookupError

    async def serve() -> None:
        with pytest.raises(LookupError):
            await Failing.as_asgi()({"type": "websocket", "path": "/"}, events.get, sent.put)

    events: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    events.put_nowait({"type": "websocket.connect"})
    serving = asyncio.create_task(serve())
    await anyio.wait_all_tasks_blocked()
    await layer.group_send("room", {"type": "boom"})  # another task than the server's fails
    await serving
    del serving
    assert made[0]() is None
