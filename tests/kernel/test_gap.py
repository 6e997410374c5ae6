"""What becomes of connections whose groups may have missed something; the layer here only says that they have."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from chanx import Channel, ConfigurationError, Context, MemoryLayer
from chanx.testing import Closed, connect
from tests.kernel.messages import Said, Say
from tests.kernel.wire import serve


def office(**options: Any) -> tuple[Channel, MemoryLayer, list[str]]:
    layer = MemoryLayer()
    channel = Channel("office", groups=layer, **options)
    ids: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        ids.append(ctx.id)
        await ctx.join("room")

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    return channel, layer, ids


async def test_a_frame_tells_it_and_names_nothing() -> None:
    channel, layer, ids = office(discriminator="action")
    async with connect(channel) as client, connect(channel) as other:
        layer.members.missed([ids[0], "nobody"])
        assert await client.receive() == {"action": "gap"}
        assert await client.request(Say(text="goes on"), Said) == Said(text="goes on")
        await other.settled()
        assert other.pending == []


async def test_from_another_thread() -> None:
    channel, layer, ids = office()
    async with connect(channel) as client:
        thread = threading.Thread(target=layer.members.missed, args=(ids,))
        thread.start()
        assert await client.receive() == {"action": "gap"}
        thread.join()


async def test_it_is_said_once_to_who_has_not_taken_it_yet() -> None:
    channel, layer, ids = office()
    async with serve(channel) as wire:
        await wire.accepted()
        for _ in range(10):
            layer.members.missed(ids)
        await wire.until(lambda: len(wire.frames) == 1)
        await anyio.wait_all_tasks_blocked()
        assert wire.frames == [{"action": "gap"}]
        layer.members.missed(ids)
        await wire.until(lambda: len(wire.frames) == 2)


async def test_or_the_connection_is_closed_with_1012() -> None:
    channel, layer, ids = office(on_gap="close")
    async with connect(channel) as client:
        layer.members.missed(ids)
        layer.members.missed(ids)
        with pytest.raises(Closed) as closed:
            await client.receive()
        assert closed.value.code == 1012


async def test_without_an_envelope_there_is_no_frame_for_it() -> None:
    channel, layer, ids = office(envelope=False)
    async with connect(channel) as client:
        layer.members.missed(ids)
        with pytest.raises(Closed) as closed:
            await client.receive()
        assert closed.value.code == 1012


async def test_a_subscription_to_a_topic_is_told_with_its_topic() -> None:
    hub = Channel("hub")
    room, _, ids = office()
    room = Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        ids.append(ctx.id)

    hub.include(room, topic="room")
    async with connect(hub) as client:
        topic = await client.subscribe("room")
        hub.layers()[0].members.missed(ids)
        assert await topic.receive() == {"action": "gap", "version": 1, "topic": "room"}
        await client.settled()
        assert client.pending == []


async def test_a_subscription_to_a_topic_ends_where_gaps_close() -> None:
    hub, room = Channel("hub", on_gap="close"), Channel("room")
    ids: list[str] = []

    @room.on_connect
    async def enter(ctx: Context) -> None:
        ids.append(ctx.id)

    hub.include(room, topic="room")
    async with connect(hub) as client:
        topic = await client.subscribe("room")
        hub.layers()[0].members.missed(ids)
        with pytest.raises(Closed) as closed:
            await topic.receive()
        assert closed.value.code == 1012
        await client.subscribe("room")  # the socket is as it was


async def test_who_has_left_is_not_told() -> None:
    channel, layer, ids = office()
    async with connect(channel) as client:
        await client.close()
        layer.members.missed(ids)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"on_gap": "ignore"}, "on_gap='ignore'"),
        ({"on_gap": "notify", "envelope": False}, 'on_gap="notify" sends a frame of the envelope'),
    ],
)
def test_mistakes(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Channel(**options)


async def test_a_layer_in_memory_is_healthy() -> None:
    channel, _, _ = office()
    assert channel.healthy()
    assert await anyio.to_thread.run_sync(channel.healthy)
