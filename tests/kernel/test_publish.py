"""Publishing through a channel that is part of others, or of none."""

from __future__ import annotations

import logging

import pytest

from chanx import Channel, ConfigurationError, Context, MemoryLayer
from chanx.testing import Client, connect
from tests.kernel.messages import Hired, Said


def joining(channel: Channel) -> Channel:
    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    return channel


async def texts(client: Client) -> list[str]:
    await client.settled()
    return [frame["text"] for frame in client.pending]


async def test_through_an_included_channel_to_all_its_applications() -> None:
    child = Channel("child")

    @child.event(Hired)
    async def hired(event: Hired) -> Said:
        return Said(text=f"welcome {event.name}")

    joining(child)
    middle, one, two = Channel("middle"), Channel("one"), Channel("two")
    middle.include(child)
    one.include(middle)
    two.include(child, prefix="x.")
    async with connect(one) as first, connect(two) as second, connect(child) as third:
        await child.broadcast(Said(text="all"), group="room")
        await child.emit(Hired(name="Ada"), group="room")
        assert await texts(first) == ["all", "welcome Ada"]
        assert await texts(second) == ["all", "welcome Ada"]
        assert await texts(third) == ["all", "welcome Ada"]


async def test_through_one_application_to_its_own_members_only() -> None:
    child = joining(Channel("child"))
    one, two = Channel("one"), Channel("two")
    one.include(child)
    two.include(child)
    async with connect(one) as first, connect(two) as second:
        await one.broadcast(Said(text="one"), group="room")
        assert await texts(first) == ["one"]
        assert await texts(second) == []


async def test_where_all_share_a_layer_it_is_published_once() -> None:
    layer = MemoryLayer()
    child = joining(Channel("child"))
    one, two = Channel("one", groups=layer), Channel("two", groups=layer)
    one.include(child)
    two.include(child)
    async with connect(one) as first, connect(two) as second:
        await child.broadcast(Said(text="once"), group="room")
        assert await texts(first) == ["once"]
        assert await texts(second) == ["once"]


def test_another_layer_than_the_parents_is_a_mistake() -> None:
    child = Channel("child", groups=MemoryLayer())
    with pytest.raises(ConfigurationError, match=r"child.*parent"):
        Channel("parent", groups=MemoryLayer()).include(child)
    with pytest.raises(ConfigurationError, match="group layer"):
        Channel("parent").include(child)


async def test_one_warning_where_nobody_can_hear_it(caplog: pytest.LogCaptureFixture) -> None:
    channel = joining(Channel("news"))
    with caplog.at_level(logging.WARNING, "chanx"):
        for _ in range(3):
            await channel.broadcast(Said(text="nobody"), group="room")
            await channel.emit(Hired(name="nobody"), group="room")
    (told,) = [record.getMessage() for record in caplog.records]
    assert "news" in told
    assert "groups=" in told


async def test_no_warning_once_a_connection_was_served(caplog: pytest.LogCaptureFixture) -> None:
    channel = joining(Channel("news"))
    async with connect(channel):
        pass
    with caplog.at_level(logging.WARNING, "chanx"):
        await channel.broadcast(Said(text="nobody just now"), group="room")
    assert caplog.records == []


async def test_no_warning_where_one_of_the_applications_serves(caplog: pytest.LogCaptureFixture) -> None:
    child = joining(Channel("child"))
    one, two = Channel("one"), Channel("two")
    one.include(child)
    two.include(child)
    with caplog.at_level(logging.WARNING, "chanx"):
        async with connect(two) as client:
            await child.broadcast(Said(text="x"), group="room")
            assert await texts(client) == ["x"]
    assert caplog.records == []
