"""Groups and topics: members, broadcasts, exclusion, routes of their own, and slow clients."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Limits, MemoryLayer
from chanx.testing import connect
from tests.kernel.desk import anyio_backend, opened, settled
from tests.kernel.messages import Hired, Said, Say, Wait
from tests.kernel.topical import House, Number, Shout, part, stuck, sub, to, unsub, words
from tests.kernel.wire import Wire

__all__ = ["anyio_backend"]


async def inside(wire: Wire, *topics: str) -> None:
    start = len(wire.frames)
    wire.say(*(sub(topic) for topic in topics))
    await wire.reached(frames=start + len(topics))
    await settled(wire)


# -- who gets what ----------------------------------------------------------------------------------


async def test_a_broadcast_reaches_each_subscription_in_the_group_once() -> None:
    house = House()
    async with opened(house.hub) as one, opened(house.hub) as two:
        await inside(one, "room:5", "room:6")
        await inside(two, "room:6")
        await house.hub.broadcast(Said(text="a"), group="room:5")
        await house.room.broadcast(Said(text="b"), groups=["room:5", "room:6", "hub"])
        await settled(one)
        await settled(two)
        assert sorted(words(one, 2)) == ["room:5 said a", "room:5 said b", "room:6 said b", "said b"]
        assert sorted(words(two, 1)) == ["room:6 said b", "said b"]
        assert one.frames[2] == {"action": "said", "text": "a", "version": 1, "topic": "room:5"}


async def test_two_topics_of_one_socket_in_one_group() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("all")

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.broadcast(Said(text=message.text), group="all", exclude=ctx.id)

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:1", "room:2", "room:3")
        wire.say(to("room:2", "say", "1", text="others"))
        await settled(wire)
        assert sorted(words(wire, 3)) == ["room:1 said others", "room:2 ack #1", "room:3 said others"]


async def test_the_id_of_a_subscription_is_an_address() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        id_ = house.contexts[5].id
        await house.hub.broadcast(Said(text="a"), connection=id_)
        await house.room.emit(Hired(name="Ada"), connection=id_)
        await settled(wire)
        assert words(wire, 2) == ["room:5 said a", "room:5 said hired Ada"]
        wire.say(unsub("room:5"))
        await settled(wire)
        await house.hub.broadcast(Said(text="b"), connection=id_)
        await settled(wire)
        assert words(wire, 4) == ["room:5 unsubscribed"]


async def test_ids_are_unique_over_hubs_and_subscriptions() -> None:
    hub, room = Channel("hub"), Channel("room")
    ids: list[str] = []

    @hub.on_connect
    async def enter(ctx: Context) -> None:
        ids.append(ctx.id)
        assert ctx.topic is None

    @room.on_connect
    async def enter_room(ctx: Context) -> None:
        ids.append(ctx.id)

    hub.include(room, topic="room:{pk}")
    for _ in range(3):
        async with opened(hub) as wire:
            await inside(wire, "room:1", "room:2")
            wire.say(unsub("room:1"), sub("room:1"))
            await settled(wire)
    assert len(set(ids)) == len(ids) == 12


async def test_groups_of_a_subscription_are_its_own() -> None:
    hub, room = Channel("hub"), Channel("room")
    seen: dict[Any, frozenset[str]] = {}

    @hub.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("hub")

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.join(message.text)
        seen[ctx.topic] = ctx.groups

    @room.on(Wait)
    async def leave(message: Wait, ctx: Context) -> None:
        await ctx.leave(message.name, "hub")
        seen[ctx.topic] = ctx.groups

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:1", "room:2")
        wire.say(to("room:1", "say", text="a"), to("room:2", "say", text="a"), to("room:2", "say", text="b"))
        await settled(wire)
        assert seen == {"room:1": {"a"}, "room:2": {"a", "b"}}
        wire.say(to("room:1", "wait", name="a"))
        await settled(wire)
        assert seen["room:1"] == frozenset()
        members = hub.layers()[0].members
        assert {group: members.count(group) for group in members.groups()} == {"hub": 1, "a": 1, "b": 1}
        wire.say(unsub("room:2"))
        await settled(wire)
        assert members.groups() == ["hub"]


async def test_order_of_one_publisher_and_group() -> None:
    house = House()
    async with opened(house.hub) as one, opened(house.hub) as two:
        await inside(one, "room:5", "room:6")
        await inside(two, "room:5")
        for number in range(100):
            await house.room.broadcast(Said(text=str(number)), group="room:5")
        await settled(one)
        await settled(two)
        wanted = [f"said {number}" for number in range(100)]
        assert part(one, "room:5")[1:] == part(two, "room:5")[1:] == wanted


# -- a route of its own -----------------------------------------------------------------------------


def houses() -> tuple[House, Starlette]:
    house = House()
    routes = [WebSocketRoute("/hub", house.hub), WebSocketRoute("/rooms/{pk}", house.room)]
    return house, Starlette(routes=routes)


async def test_a_route_of_its_own_shares_the_groups() -> None:
    house, app = houses()
    async with connect(app, "/hub") as hub, connect(app, "/rooms/5") as route:
        topic = await hub.subscribe("room:5")
        await topic.send(Shout(text="from the topic"))
        assert await topic.receive() == {
            "action": "said",
            "text": "from the topic",
            "version": 1,
            "topic": "room:5",
        }
        assert await route.receive() == {"action": "said", "text": "from the topic"}
        await route.send(Shout(text="from the route"))
        assert (await topic.receive(Said)).text == (await route.receive(Said)).text == "from the route"
        await house.room.broadcast(Said(text="from neither"), group="room:5", exclude=route.id)
        assert (await topic.receive(Said)).text == "from neither"
        await house.hub.emit(Hired(name="Ada"), group="room:5")
        assert (await topic.receive(Said)).text == (await route.receive(Said)).text == "hired Ada"
        await hub.settled()
        assert hub.pending == topic.pending == route.pending == []
        assert house.members == {"hub": 1, "room:5": 2}


async def test_on_a_route_of_its_own_a_topic_is_no_key() -> None:
    _, app = houses()
    async with connect(app, "/rooms/5") as route:
        assert (await route.request(Say(text="x"))) == {"action": "said", "text": "x in 5", "ref": "test-1"}
        for action in ("subscribe", "unsubscribe"):
            frame = await route.request({"action": action, "topic": "room:5"})
            assert frame["action"] == "error"


async def test_a_layer_of_the_hub_is_that_of_its_topics() -> None:
    layer = MemoryLayer()
    hub, room, alone = Channel("hub", groups=layer), Channel("room"), Channel("alone", groups=layer)

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("all")

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        await inside(wire, "room")
        assert layer.members.count("all") == 1
        await alone.broadcast(Said(text="a"), group="all")
        await room.broadcast(Said(text="b"), group="all")
        await settled(wire)
        assert words(wire, 1) == ["room said a", "room said b"]


async def test_one_channel_in_two_hubs() -> None:
    one, two, room = Channel("one"), Channel("two"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("all")

    one.include(room, topic="room")
    two.include(room, topic="salon:{name}")
    async with opened(one) as first, opened(two) as second:
        await inside(first, "room")
        await inside(second, "salon:a")
        await room.broadcast(Said(text="x"), group="all")
        await settled(first)
        await settled(second)
        assert words(first, 1) == ["room said x"]
        assert words(second, 1) == ["salon:a said x"]


# -- slow clients -----------------------------------------------------------------------------------


async def stall(house: House, wire: Wire) -> None:
    """From now on a frame is being written, and what comes waits."""
    wire.hold()
    before = len(wire.frames)
    await house.hub.broadcast(Said(text="first"), group="hub")
    await wire.reached(frames=before + 1)


@pytest.mark.parametrize("limits", [Limits(outbox=4), Limits(outbox_bytes=480)], ids=["frames", "bytes"])
async def test_the_outbox_is_one_for_all_topics(limits: Limits) -> None:
    house = House(limits=limits)
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        await stall(house, wire)
        text = "x" * 50
        for number in range(2):
            await house.room.broadcast(Said(text=f"{text}{number}"), groups=["room:5", "room:6"])
        assert house.members == {"hub": 1, "room:5": 1, "room:6": 1}
        await house.room.broadcast(Said(text=text), group="room:5")
        wire.release()
        await wire.until(lambda: wire.closed)
        assert wire.closed == (1013, "too slow")
        await wire.end()
    assert house.log[-1] == "-hub"
    assert sorted(house.log[:-1]) == ["+5", "+6", "+hub", "-5", "-6"]
    assert house.hub.stats().slow_closed == 1


async def test_drop_oldest_over_all_topics() -> None:
    house = House(limits=Limits(outbox=3), overflow="drop_oldest")
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        await stall(house, wire)
        for number in range(3):
            for room in (5, 6):
                await house.room.broadcast(Said(text=f"{number}"), group=f"room:{room}")
        wire.release()
        await settled(wire)
        assert words(wire, 3) == ["room:6 said 1", "room:5 said 2", "room:6 said 2"]
        assert house.hub.stats().frames_dropped == 3
        wire.say(to("room:5", "say", "1", text="x"))
        await settled(wire)
        assert words(wire, 6) == ["room:5 said x in 5 #1"]


async def test_coalesce_keeps_what_belongs_to_another_topic() -> None:
    house = House(limits=Limits(outbox=4), overflow="coalesce")
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        await stall(house, wire)
        for number in range(5):
            for room in (5, 6):
                await house.room.broadcast(Said(text=f"{number}"), group=f"room:{room}", key="price")
            await house.room.broadcast(Said(text=f"both {number}"), groups=["room:5", "room:6"], key="both")
        wire.release()
        await settled(wire)
        assert sorted(words(wire, 3)) == ["room:5 said 4", "room:5 said both 4", "room:6 said 4", "room:6 said both 4"]
        assert wire.closed is None
        assert house.hub.stats().coalesced == 16


async def test_answers_and_control_frames_are_never_dropped() -> None:
    house = House(limits=Limits(outbox=3), overflow="drop_oldest")
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        await stall(house, wire)
        wire.say(to("room:5", "say", "1", text="x"), sub("room:6", "2"))
        await stuck()
        for number in range(10):
            await house.room.broadcast(Said(text=f"{number}"), group="room:5")
        wire.release()
        await settled(wire)
        assert {"room:5 said x in 5 #1", "room:6 subscribed #2"} <= set(words(wire))
        assert part(wire, "room:5")[-1] == "said 9"


async def test_an_inbox_of_events_that_is_full_closes_the_hub() -> None:
    house = House(limits=Limits(inbox=2))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        from tests.kernel.messages import Fired

        for number in range(4):
            await house.room.emit(Fired(name=f"f{number}"), group="room:5")
            await stuck()
        house.desk.let_all()
        await wire.until(lambda: wire.closed)
        assert wire.closed == (1013, "too slow")
        await wire.end()
    assert house.log[-1] == "-hub"
    assert house.members == {}


async def test_a_reply_waits_for_room_and_then_the_client_is_too_slow() -> None:
    house = House(limits=Limits(outbox=2, send_timeout=3))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        await stall(house, wire)
        wire.say(*(to(f"room:{5 + number % 2}", "say", str(number), text="x") for number in range(6)))
        await stuck()
        assert wire.closed is None
        await anyio.sleep(4)
        wire.release()
        await wire.until(lambda: wire.closed)
        assert wire.closed == (1013, "too slow")


async def test_a_client_that_reads_slowly_gets_everything() -> None:
    house = House(limits=Limits(outbox=3))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.pace = 0.1
        wire.say(*(to(f"room:{5 + number % 2}", "say", str(number), text=str(number)) for number in range(20)))
        await wire.reached(frames=22)
        for pk in (5, 6):
            wanted = [f"said {number} in {pk} #{number}" for number in range(20) if 5 + number % 2 == pk]
            assert part(wire, f"room:{pk}")[1:] == wanted


# -- hooks and membership ---------------------------------------------------------------------------


async def test_pushes_while_on_connect_runs_come_after_subscribed() -> None:
    house = House()
    house.held.add("on 5")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        await house.room.broadcast(Said(text="early"), group="room:5")
        await settled(wire)
        assert words(wire) == []
        house.desk.let("on 5")
        await settled(wire)
        assert part(wire, "room:5") == ["subscribed #1", "said early"]


async def test_pushes_for_a_topic_that_is_refused_are_dropped() -> None:
    house = House()
    house.held.add("on 5")
    house.refuse(5, 403)
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        await house.room.broadcast(Said(text="early"), group="room:5")
        house.desk.let("on 5")
        await settled(wire)
        await house.room.broadcast(Said(text="late"), group="room:5")
        await settled(wire)
        assert words(wire) == ["room:5 !unauthorized #1"]
        assert house.members == {"hub": 1}


async def test_a_group_that_is_left_in_a_hook() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context, pk: Number) -> AsyncGenerator[None, None]:
        await ctx.join("a", "b")
        await ctx.leave("b")
        yield
        assert ctx.left_groups == {"a"}

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:1")
        assert hub.layers()[0].members.groups() == ["a"]
    assert hub.stats().handler_errors == 0
