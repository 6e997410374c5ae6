"""The contract of a group layer, through real channels. A new layer only has to be listed in `LAYERS`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from chanx import Channel, Context, GroupLayer, MemoryLayer
from chanx.groups.redis import RedisLayer
from chanx.testing import Client, connect
from tests.kernel.messages import Boom, Fired, Hired, Said, Say, Wait

LAYERS = [pytest.param("memory", id="memory"), pytest.param("redis", id="redis", marks=pytest.mark.redis)]

#: The Redis layer of the running test, to wait until it has heard all that was published.
_redis: list[RedisLayer] = []


@pytest.fixture(params=LAYERS)
async def layer(request: pytest.FixtureRequest) -> AsyncGenerator[GroupLayer, None]:
    made: GroupLayer
    if request.param == "memory":
        made = MemoryLayer()
    else:
        made = RedisLayer(request.getfixturevalue("broker").url, prefix=request.getfixturevalue("prefix"))
        _redis.append(made)
    yield made
    _redis.clear()
    await made.aclose()


class Office:
    """A channel on a layer whose members enter the groups that their query string names."""

    def __init__(self, layer: GroupLayer) -> None:
        self.channel = channel = Channel(groups=layer)
        self.layer = layer
        self.ids: list[str] = []
        self.gate = anyio.Event()
        self.handled: list[str] = []

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            self.ids.append(ctx.id)
            await ctx.join(*ctx.connection.query_params.getlist("group"))

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> None:
            await ctx.broadcast(Said(text=message.text), group="room")

        @channel.on(Boom)
        async def others(message: Boom, ctx: Context) -> None:
            await ctx.broadcast(Said(text="to the others"), group="room", exclude=ctx.id)

        @channel.on(Wait)
        async def wait(message: Wait) -> Said:
            await self.gate.wait()
            return Said(text="waited")

        @channel.event(Hired)
        async def hired(event: Hired) -> Said:
            self.handled.append(event.name)
            return Said(text=f"welcome {event.name}")

    def connect(self, *groups: str) -> Any:
        return connect(self.channel, query={"group": groups})


@pytest.fixture
def office(layer: GroupLayer) -> Office:
    return Office(layer)


async def texts(client: Client, count: int) -> list[str]:
    """So many texts; and nothing comes after them."""
    found = [(await client.receive(Said)).text for _ in range(count)]
    for layer in _redis:
        await layer.echo()
    await client.settled()
    assert client.pending == []
    return found


async def test_a_join_is_confirmed_when_it_returns(office: Office) -> None:
    async with office.connect("room") as client:  # the hook has returned when the client is accepted
        await office.channel.broadcast(Said(text="hello"), group="room")
        assert await texts(client, 1) == ["hello"]


async def test_a_broadcast_reaches_all_members_and_the_sender(office: Office) -> None:
    async with office.connect("room") as one, office.connect("room") as two, office.connect("other") as three:
        await one.send(Say(text="hello"))
        assert await texts(one, 1) == ["hello"]
        assert await texts(two, 1) == ["hello"]
        assert await texts(three, 0) == []


async def test_exclude(office: Office) -> None:
    async with office.connect("room") as one, office.connect("room") as two, office.connect("room") as three:
        await one.send(Boom())
        assert await texts(two, 1) == await texts(three, 1) == ["to the others"]
        assert await texts(one, 0) == []
        await office.channel.broadcast(Said(text="x"), group="room", exclude=[office.ids[0], office.ids[2]])
        await office.channel.emit(Hired(name="Ada"), group="room", exclude=office.ids[1])
        assert await texts(one, 1) == await texts(three, 1) == ["welcome Ada"]
        assert await texts(two, 1) == ["x"]


async def test_a_member_of_several_groups_gets_a_message_once(office: Office) -> None:
    async with office.connect("a", "b") as both, office.connect("b") as one, office.connect("c") as none:
        await office.channel.broadcast(Said(text="x"), groups=["a", "b"])
        await office.channel.emit(Hired(name="Ada"), groups=("a", "b"))
        assert await texts(both, 2) == ["x", "welcome Ada"]
        assert await texts(one, 2) == ["x", "welcome Ada"]
        assert await texts(none, 0) == []


async def test_a_single_connection(office: Office) -> None:
    async with office.connect("room") as one, office.connect("room") as two:
        await office.channel.broadcast(Said(text="x"), connection=office.ids[0])
        await office.channel.emit(Hired(name="Ada"), connection=office.ids[0])
        await office.channel.broadcast(Said(text="y"), group="room", connection=office.ids[0])
        assert sorted(await texts(one, 3)) == ["welcome Ada", "x", "y"]  # order is not kept between the two kinds
        assert await texts(two, 1) == ["y"]
    await office.channel.broadcast(Said(text="nobody is there"), connection=office.ids[0])


async def test_what_an_event_handler_returns_goes_to_its_own_client(office: Office) -> None:
    async with office.connect("room") as one, office.connect("room") as two, office.connect() as three:
        await office.channel.emit(Hired(name="Ada"), group="room")
        assert await texts(one, 1) == await texts(two, 1) == ["welcome Ada"]
        assert await texts(three, 0) == []
    assert office.handled == ["Ada", "Ada"]


async def test_events_are_not_accepted_from_clients(office: Office) -> None:
    async with office.connect("room") as client:
        await client.send(Hired(name="Mallory"))
        assert (await client.receive())["payload"]["code"] == "unknown_action"
    assert office.handled == []


async def test_the_order_of_a_publisher_is_kept(office: Office) -> None:
    async with office.connect("room") as one, office.connect("room") as two:
        for number in range(50):
            await office.channel.broadcast(Said(text=str(number)), group="room")
        expected = [str(number) for number in range(50)]
        assert await texts(one, 50) == expected
        assert await texts(two, 50) == expected


async def test_events_are_handled_one_at_a_time_in_order(layer: GroupLayer) -> None:
    channel = Channel(groups=layer)
    log: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired)
    async def hired(event: Hired) -> Said:
        log.append(f"{event.name} begins")
        for _ in range(10 - int(event.name)):
            await anyio.lowlevel.checkpoint()
        log.append(f"{event.name} ends")
        return Said(text=event.name)

    async with connect(channel) as client:
        for number in range(10):
            await channel.emit(Hired(name=str(number)), group="room")
        assert await texts(client, 10) == [str(number) for number in range(10)]
    assert log == [f"{number} {what}" for number in range(10) for what in ("begins", "ends")]


async def test_events_are_handled_beside_a_suspended_message_handler(office: Office) -> None:
    async with office.connect("room") as client:
        await client.send(Wait())
        await office.channel.emit(Hired(name="Ada"), group="room")
        assert await client.receive(Said) == Said(text="welcome Ada")
        assert client.pending == []
        office.gate.set()
        assert await client.receive(Said) == Said(text="waited")


async def test_events_wait_until_the_connection_is_accepted(layer: GroupLayer) -> None:
    channel = Channel(groups=layer)
    log: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")
        await channel.emit(Hired(name="Ada"), group="room")
        await anyio.wait_all_tasks_blocked()
        log.append("entered")

    @channel.event(Hired)
    async def hired(event: Hired) -> Said:
        log.append(event.name)
        return Said(text=event.name)

    async with connect(channel) as client:
        assert await texts(client, 1) == ["Ada"]
    assert log == ["entered", "Ada"]


async def test_an_event_without_a_handler_is_skipped_and_counted(office: Office) -> None:
    async with office.connect("room") as one, office.connect("room") as two:
        await office.channel.emit(Fired(), group="room")
        await office.channel.emit(Hired(name="Ada"), group="room")
        assert await texts(one, 1) == await texts(two, 1) == ["welcome Ada"]
    assert office.channel.stats().events_skipped == 2


async def test_an_event_handler_that_raises_ends_nothing(layer: GroupLayer) -> None:
    channel = Channel(groups=layer)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired)
    async def hired(event: Hired) -> Said:
        if event.name == "Mallory":
            raise ValueError("no")
        return Said(text=event.name)

    async with connect(channel, raise_app_exceptions=False) as client:
        await channel.emit(Hired(name="Mallory"), group="room")
        await channel.emit(Hired(name="Ada"), group="room")
        assert await texts(client, 1) == ["Ada"]
        assert [str(error) for error in client.errors] == ["no"]
    assert channel.stats().handler_errors == 1


async def test_who_has_left_a_group_hears_it_no_more(layer: GroupLayer) -> None:
    channel = Channel(groups=layer)

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.join("a", "b")
        assert ctx.groups == {"a", "b"}
        await ctx.leave("a", "never joined")
        assert ctx.groups == {"b"}
        await ctx.broadcast(Said(text="a"), group="a")
        await ctx.broadcast(Said(text="b"), group="b")
        await ctx.join("a")
        await ctx.broadcast(Said(text="a again"), group="a")

    async with connect(channel) as client:
        await client.send(Say(text=""))
        assert await texts(client, 2) == ["b", "a again"]


async def test_joining_twice_is_joining_once(layer: GroupLayer) -> None:
    channel = Channel(groups=layer)

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        if message.text == "join":
            await ctx.join("room", "room")
            await ctx.broadcast(Said(text="once"), group="room")
        else:  # who leaves before what it published has come back from the broker may not hear that
            await ctx.leave("room")
            await ctx.broadcast(Said(text="never"), group="room")

    async with connect(channel) as client:
        await client.send(Say(text="join"))
        assert await texts(client, 1) == ["once"]
        await client.send(Say(text="leave"))
        assert await texts(client, 0) == []


async def test_nothing_is_left_when_all_have_left(office: Office) -> None:
    members = office.layer.members
    async with office.connect("a", "b") as one:
        async with office.connect("b"):
            assert (members.count("a"), members.count("b")) == (1, 2)
        assert (members.count("a"), members.count("b")) == (1, 1)
        await one.close()
        assert members.groups() == []
    assert members._ids == {}  # pyright: ignore[reportPrivateUsage]
    assert members._groups == {}  # pyright: ignore[reportPrivateUsage]


async def test_two_channels_on_one_layer_share_its_groups(layer: GroupLayer) -> None:
    one, two = Office(layer), Office(layer)
    async with one.connect("room") as first, two.connect("room") as second:
        await one.channel.broadcast(Said(text="x"), group="room")
        await first.send(Say(text="y"))
        assert await texts(first, 2) == await texts(second, 2) == ["x", "y"]
        await two.channel.emit(Hired(name="Ada"), group="room")
        assert await texts(first, 1) == await texts(second, 1) == ["welcome Ada"]
        assert (one.handled, two.handled) == (["Ada"], ["Ada"])


@pytest.mark.parametrize("name", ["", " ", "room:7", "täglich", "a.b*c?[x]", "\x00", "x" * 1000, "😀"])
async def test_any_string_is_a_name(layer: GroupLayer, name: str) -> None:
    channel = Channel(groups=layer)

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.join(name)
        assert ctx.groups == {name}
        await ctx.broadcast(Said(text="x"), group=name)

    async with connect(channel) as client, connect(channel) as other:
        await client.send(Say(text=""))
        assert await texts(client, 1) == ["x"]
        assert await texts(other, 0) == []


async def test_a_body_is_encoded_once(layer: GroupLayer) -> None:
    from pydantic import model_serializer

    encoded: list[str] = []

    class Counted(Said):
        @model_serializer
        def write(self) -> dict[str, str]:
            encoded.append(self.text)
            return {"action": self.action, "text": self.text}

    office = Office(layer)
    async with office.connect("room") as one, office.connect("room") as two, office.connect("room") as three:
        await office.channel.broadcast(Counted(text="x"), group="room")
        for client in (one, two, three):
            assert await texts(client, 1) == ["x"]
    assert encoded == ["x"]


@pytest.mark.parametrize("kind", ["broadcast", "emit"])
async def test_a_publication_names_a_target(office: Office, kind: str) -> None:
    publish = getattr(office.channel, kind)
    with pytest.raises(TypeError, match="group="):
        await publish(Hired(name="x"))
    with pytest.raises(TypeError, match="group='room'"):
        await publish(Hired(name="x"), groups="room")
