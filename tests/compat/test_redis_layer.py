"""The channel layer over Redis: what it does beyond a process, and how it is configured."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from chanx import Channel, ConfigurationError, Context, Publication
from chanx.channels.exceptions import ChannelFull
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.layers import RedisChannelLayer, get_channel_layer, register_channel_layer
from chanx.channels.testing import WebsocketCommunicator
from chanx.testing import connect
from tests.brokers import Broker
from tests.kernel.messages import Said
from tests.servers import HOST, free_port

pytestmark = pytest.mark.redis


@pytest.fixture
async def layers(broker: Broker, prefix: str) -> AsyncIterator[tuple[RedisChannelLayer, RedisChannelLayer]]:
    """Two, as in two processes."""
    made = RedisChannelLayer([broker.url], prefix), RedisChannelLayer([broker.url], prefix)
    yield made
    for layer in made:
        await layer.close()


Two = tuple[RedisChannelLayer, RedisChannelLayer]


async def test_a_message_to_a_channel_of_another_process(layers: Two, broker: Broker) -> None:
    here, there = layers
    keys = broker.keys()
    name = await there.new_channel()
    receiving = asyncio.create_task(there.receive(name))
    await asyncio.wait_for(ready(there), 20)
    await here.send(name, {"type": "x", "number": 1, "bytes": b"\x00"})
    assert await asyncio.wait_for(receiving, 20) == {"type": "x", "number": 1, "bytes": b"\x00"}
    assert broker.keys() <= keys


async def test_a_channel_can_be_reached_as_soon_as_it_has_a_name(layers: Two) -> None:
    here, there = layers
    name = await there.new_channel()
    await here.send(name, {"type": "x"})
    assert await asyncio.wait_for(there.receive(name), 20) == {"type": "x"}


async def test_a_channel_has_a_name_also_while_the_broker_cannot_be_reached() -> None:
    layer = RedisChannelLayer([f"redis://{HOST}:{free_port()}"], timeout=0.01)
    name = await layer.new_channel()
    await layer.send(name, {"type": "x"})
    assert await layer.receive(name) == {"type": "x"}
    await layer.close()


async def ready(layer: RedisChannelLayer) -> None:
    """Its own channel at the broker is subscribed."""
    await layer._redis.echo()  # pyright: ignore[reportPrivateUsage]


async def test_messages_wait_where_nobody_receives_just_now(layers: Two) -> None:
    here, there = layers
    name = await there.new_channel()
    await ready(there)
    for number in range(3):
        await here.send(name, {"type": "x", "number": number})
    assert [(await asyncio.wait_for(there.receive(name), 20))["number"] for _ in range(3)] == [0, 1, 2]
    assert there._mailboxes == {}  # pyright: ignore[reportPrivateUsage]


async def test_a_channel_of_its_own_is_filled_without_the_broker(layers: Two, broker: Broker) -> None:
    here, _ = layers
    name = await here.new_channel()
    for _ in range(100):
        await here.send(name, {"type": "x"})
    with pytest.raises(ChannelFull):
        await here.send(name, {"type": "x"})


async def test_groups_over_processes(layers: Two) -> None:
    here, there = layers
    names = [await layer.new_channel() for layer in (here, there, there)]
    for layer, name in zip((here, there, there), names, strict=True):
        await layer.group_add("room", name)
    await here.group_send("room", {"type": "x"})
    for layer, name in zip((here, there, there), names, strict=True):
        assert await asyncio.wait_for(layer.receive(name), 20) == {"type": "x"}
    await there.group_discard("room", names[1])
    await here.group_send("room", {"type": "y"})
    assert await asyncio.wait_for(there.receive(names[2]), 20) == {"type": "y"}
    await there.send(names[1], {"type": "z"})
    assert await asyncio.wait_for(there.receive(names[1]), 20) == {"type": "z"}


class Chat(AsyncJsonWebsocketConsumer):
    groups = ("room",)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json(event["text"])


async def test_views_reach_consumers(layers: Two) -> None:
    """As in Django: a view in a thread, with a loop for each call, in this process or in another one."""
    here, there = layers
    register_channel_layer("default", here)
    client = WebsocketCommunicator(Chat.as_asgi(), "/")
    assert (await client.connect())[0]

    def view(layer: RedisChannelLayer, number: int) -> None:
        async_to_sync(layer.group_send)("room", {"type": "chat.message", "text": number})

    for number, layer in enumerate((there, here, there, here)):
        thread = threading.Thread(target=view, args=(layer, number))
        thread.start()
        assert await client.receive_json_from(20) == number
        await asyncio.to_thread(thread.join)
    await client.disconnect()


async def test_consumers_and_native_channels_share_groups_over_processes(layers: Two) -> None:
    here, there = layers
    register_channel_layer("default", here)
    channel = Channel("native", groups=there.group_layer)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    client = WebsocketCommunicator(Chat.as_asgi(), "/")
    assert (await client.connect())[0]
    async with connect(channel) as native:
        await there.group_layer.publish(
            Publication('{"type":"chat.message","text":"hello"}', event="chat.message", groups=("room",))
        )
        assert await client.receive_json_from(20) == "hello"
        await channel.broadcast(Said(text="for clients"), group="room")
        assert await native.receive(Said, timeout=20) == Said(text="for clients")
    await client.disconnect()


async def test_a_channel_that_belongs_to_no_process_is_refused(layers: Two) -> None:
    here, _ = layers
    with pytest.raises(ValueError, match="belongs to no process"):
        await here.send("workers", {"type": "x"})
    with pytest.raises(ValueError, match="belongs to no process"):
        await here.receive("mail-workers")
    with pytest.raises(TypeError):
        await here.send("no name", {"type": "x"})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_channels_of_its_own(broker: Broker, prefix: str) -> None:
    program = (
        "import os, sys\n"
        "from asgiref.sync import async_to_sync\n"
        "from chanx.channels.layers import RedisChannelLayer\n"
        f"layer = RedisChannelLayer(['{broker.url}'], '{prefix}')\n"
        "child = os.fork()\n"
        "print(async_to_sync(layer.new_channel)(), flush=True)\n"
        "child and os.waitpid(child, 0)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    one, other = told.stdout.split()
    assert one.partition("!")[0] != other.partition("!")[0]


def test_the_backend_of_settings(broker: Broker, prefix: str) -> None:
    """With Channels installed, and its `get_channel_layer`."""
    program = (
        "from django.conf import settings\n"
        "backend = 'chanx.channels.layers.RedisChannelLayer'\n"
        f"config = {{'hosts': [('127.0.0.1', {broker.port})], 'prefix': '{prefix}', 'capacity': 3}}\n"
        "settings.configure(CHANNEL_LAYERS={'default': {'BACKEND': backend, 'CONFIG': config}})\n"
        "from asgiref.sync import async_to_sync\n"
        "from channels.layers import get_channel_layer\n"
        "layer = get_channel_layer()\n"
        "name = async_to_sync(layer.new_channel)()\n"
        "async_to_sync(layer.group_add)('room', name)\n"
        "async_to_sync(layer.group_send)('room', {'type': 'x'})\n"
        "print(async_to_sync(layer.receive)(name), layer.capacity)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout.strip(), ran.stderr) == ("{'type': 'x'} 3", "")


@pytest.mark.parametrize(
    ("hosts", "where"),
    [
        (None, "redis://localhost:6379"),
        ("redis://one:1", "redis://one:1"),
        (["rediss://two/1"], "rediss://two/1"),
        ([("three", 3)], "redis://three:3"),
        ([("::1", 3)], "redis://[::1]:3"),
        ([{"address": "redis://four", "password": "x"}], "redis://four"),
        ([{"address": ("five", 5)}], "redis://five:5"),
        ([{"host": "six", "port": 6, "ssl_ca_certs": None}], None),
    ],
)
def test_hosts(hosts: Any, where: str | None) -> None:
    if where is None:
        with pytest.raises(ConfigurationError, match="ssl_ca_certs"):
            RedisChannelLayer(hosts)
    else:
        assert RedisChannelLayer(hosts)._redis._dial.where == where  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hosts": ["redis://a", "redis://b"]}, "takes one host, not 2"),
        ({"hosts": [{"sentinels": [("a", 1)], "master_name": "x"}]}, "no Sentinel yet"),
        ({"hosts": [3]}, "holds 3"),
        ({"symmetric_encryption_keys": ["x"]}, "encrypts nothing"),
        ({"on_disconnect": print}, "on_disconnect"),
    ],
)
def test_mistakes(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        RedisChannelLayer(**options)


def test_it_is_registered_like_any_other() -> None:
    layer = RedisChannelLayer()
    register_channel_layer("default", layer)
    assert get_channel_layer() is layer
