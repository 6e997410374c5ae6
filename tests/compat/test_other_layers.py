"""Consumers on channel layers of other people: the one in memory of Channels, and both of channels_redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from chanx.channels.exceptions import ChannelFull, InvalidChannelLayerError, StopConsumer
from chanx.channels.generic.http import AsyncHttpConsumer
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, get_channel_layer, register_channel_layer
from chanx.channels.layers import RedisChannelLayer as OverRedis
from chanx.channels.testing import HttpCommunicator, WebsocketCommunicator
from tests import brokers


@pytest.fixture(scope="module")
def redis_url(redis_server: str) -> Iterator[str]:
    with brokers.serve(redis_server) as url:
        yield url


LAYERS = [
    pytest.param("ours", id="chanx"),
    pytest.param("memory", id="channels-memory"),
    pytest.param("core", id="channels_redis-core", marks=pytest.mark.redis),
    pytest.param("pubsub", id="channels_redis-pubsub", marks=pytest.mark.redis),
    pytest.param("redis", id="chanx-redis", marks=pytest.mark.redis),
]


@pytest.fixture(params=LAYERS)
async def layer(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    made: Any
    if request.param == "ours":
        made = InMemoryChannelLayer()
    elif request.param == "memory":
        from channels.layers import InMemoryChannelLayer as Theirs

        made = Theirs()
    elif request.param == "core":
        from channels_redis.core import RedisChannelLayer

        made = RedisChannelLayer(hosts=[request.getfixturevalue("redis_url")])
    elif request.param == "redis":
        made = OverRedis(hosts=[request.getfixturevalue("redis_url")])
    else:
        from channels_redis.pubsub import RedisPubSubChannelLayer

        made = RedisPubSubChannelLayer(hosts=[request.getfixturevalue("redis_url")])
    register_channel_layer("default", made)
    yield made
    await made.flush()
    if hasattr(made, "close_pools"):
        await made.close_pools()
    await made.close() if request.param in ("ours", "memory", "redis") else None


class Async(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("room", self.channel_name)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if content == "name":
            await self.send_json(self.channel_name)
        else:
            await self.channel_layer.group_send("room", {"type": "chat.message", "text": content})

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json([event["type"], event["text"]])

    async def chat_stop(self, event: dict[str, Any]) -> None:
        raise StopConsumer


class Sync(JsonWebsocketConsumer):
    groups = ["room"]

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        if content == "name":
            self.send_json(self.channel_name)
        else:
            async_to_sync(self.channel_layer.group_send)("room", {"type": "chat.message", "text": content})

    def chat_message(self, event: dict[str, Any]) -> None:
        self.send_json([event["type"], event["text"]])

    def chat_stop(self, event: dict[str, Any]) -> None:
        raise StopConsumer


async def connected(consumer: Any) -> WebsocketCommunicator:
    client = WebsocketCommunicator(consumer.as_asgi(), "/")
    assert (await client.connect(10))[0]
    return client


@pytest.mark.parametrize("consumer", [Async, Sync])
async def test_a_group_reaches_each_of_its_consumers(layer: Any, consumer: Any) -> None:
    clients = [await connected(consumer) for _ in range(3)]
    for number in range(5):
        await clients[0].send_json_to(number)
    for client in clients:
        got = [await client.receive_json_from(10) for _ in range(5)]
        assert got == [["chat.message", number] for number in range(5)]
    await clients[0].disconnect(timeout=10)
    await clients[1].send_json_to("to two")
    for client in clients[1:]:
        assert await client.receive_json_from(10) == ["chat.message", "to two"]
        await client.disconnect(timeout=10)


@pytest.mark.parametrize("consumer", [Async, Sync])
async def test_a_message_to_its_name_reaches_one_consumer(layer: Any, consumer: Any) -> None:
    clients = [await connected(consumer) for _ in range(2)]
    await clients[1].send_json_to("name")
    name = await clients[1].receive_json_from(10)
    await get_channel_layer().send(name, {"type": "chat.message", "text": "to you"})
    assert await clients[1].receive_json_from(10) == ["chat.message", "to you"]
    assert await clients[0].receive_nothing()
    for client in clients:
        await client.disconnect(timeout=10)


@pytest.mark.parametrize("consumer", [Async, Sync])
async def test_a_consumer_that_a_message_stops_ends(layer: Any, consumer: Any) -> None:
    client = await connected(consumer)
    await layer.group_send("room", {"type": "chat.stop"})
    await client.wait(10)


async def test_a_long_poll_is_answered_from_the_layer(layer: Any) -> None:
    class LongPoll(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_headers(headers=[(b"Content-Type", b"text/plain")])
            await self.send_body(b"", more_body=True)
            await self.channel_layer.send(self.channel_name, {"type": "chat.message", "text": "later"})

        async def chat_message(self, event: dict[str, Any]) -> None:
            await self.send_body(event["text"].encode())

    response = await HttpCommunicator(LongPoll.as_asgi(), "GET", "/").get_response(10)
    assert (response["status"], response["body"]) == (200, b"later")


async def test_a_full_channel_of_theirs_raises_what_ours_is_called() -> None:
    from channels.layers import InMemoryChannelLayer as Theirs

    for layer in (Theirs(capacity=1), InMemoryChannelLayer(capacity=1)):
        await layer.send("a", {"type": "x"})
        with pytest.raises(ChannelFull):
            await layer.send("a", {"type": "x"})


async def test_groups_on_a_layer_without_groups_are_refused() -> None:
    class Bare:
        async def new_channel(self, prefix: str = "specific") -> str:
            return f"{prefix}.x!y"

        async def receive(self, channel: str) -> dict[str, Any]:
            import anyio

            await anyio.sleep_forever()
            raise AssertionError

    register_channel_layer("default", Bare())
    client = WebsocketCommunicator(Sync.as_asgi(), "/")
    with pytest.raises(InvalidChannelLayerError):
        await client.connect()


def test_the_exceptions_are_those_of_channels_where_it_is_installed() -> None:
    import channels.exceptions

    from chanx.channels import exceptions

    for name in exceptions.__all__:
        assert getattr(exceptions, name) is getattr(channels.exceptions, name)
