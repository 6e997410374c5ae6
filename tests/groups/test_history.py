"""What histories promise, on every layer that keeps them, through real channels."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, cast

import anyio
import msgspec
import pytest

from chanx import Channel, ConfigurationError, Context, History, LayerUnavailable, Limits, MemoryLayer
from chanx.groups.history import HistoryLayer
from chanx.groups.redis import RedisLayer, wire
from chanx.testing import Client, connect
from tests.brokers import Broker
from tests.groups.test_contract import LAYERS
from tests.kernel.messages import Boom, Hired, Said, Say

RULES = {"room*": History(size=5, ttl=600)}
Frame = dict[str, Any]


class World:
    """A layer, and what only its own kind can do."""

    def __init__(self, layer: Any, broker: Broker | None, prefix: str) -> None:
        self.layer = layer
        self.broker = broker
        self.prefix = prefix

    async def settled(self) -> None:
        """All that was published has come."""
        if self.broker is not None:
            await self.layer.echo()

    def expire(self, group: str, *, count: bool) -> None:
        """The time of what is kept is over, and perhaps that of the count."""
        if self.broker is not None:
            self.broker.command("DEL", f"{self.prefix}:history:{group}")
            if count:
                self.broker.command("DEL", f"{self.prefix}:count:{group}")
            return
        log = self.layer._logs._logs[group]
        log.expires = 0
        if count:
            log.ends = 0


@pytest.fixture(params=LAYERS)
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World, None]:
    if request.param == "memory":
        made = World(MemoryLayer(), None, "")
    else:
        broker, prefix = request.getfixturevalue("broker"), request.getfixturevalue("prefix")
        made = World(RedisLayer(broker.url, prefix=prefix), broker, prefix)
    yield made
    await made.layer.aclose()


def channel_of(world: World, **options: Any) -> Channel:
    """A channel whose query string says what to join, as what, and who one is."""
    channel = Channel(groups=world.layer, history=RULES, **options)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        query = ctx.connection.query_params
        for group in query.getlist("plain"):
            await ctx.join(group)
        for group in query.getlist("group"):
            last, user = int(query.get("last", "0")), query.get("user", "")
            await ctx.join(group, stream=f"public {group}", last=last, user=user)

    @channel.on(Boom)
    async def others(message: Boom, ctx: Context) -> None:
        await ctx.broadcast(Said(text="to the others"), group="room", exclude=ctx.id)

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.broadcast(Said(text=message.text), group="room")

    @channel.event(Hired)
    async def hired(event: Hired) -> None:
        return None

    return channel


async def frames(world: World, client: Client, count: int) -> list[Frame]:
    """So many frames; and nothing comes after them."""
    found = [await client.receive() for _ in range(count)]
    await world.settled()
    await client.settled()
    assert client.pending == []
    return found


def brief(found: list[Frame]) -> list[Any]:
    """A push as its seq and text, what tells a position as its action and seq."""
    return [(one["seq"], one["text"]) if one["action"] == "said" else (one["action"], one["seq"]) for one in found]


def brief_of(found: list[Frame]) -> list[Any]:
    return [(one["seq"], one["text"]) if one["action"] == "said" else one["action"] for one in found]


async def publish(channel: Channel, *texts: str, group: str = "room", **options: Any) -> None:
    for text in texts:
        await channel.broadcast(Said(text=text), group=group, **options)


async def recover(client: Client, streams: dict[str, tuple[int, str]], ref: int = 1) -> None:
    wanted = {f"public {name}": {"seq": seq, "epoch": epoch} for name, (seq, epoch) in streams.items()}
    await client.send(json.dumps({"action": "recover", "streams": wanted, "ref": ref}))


async def test_who_joins_a_stream_is_told_its_place_and_each_push_has_one(world: World) -> None:
    channel = channel_of(world)
    await publish(channel, "before")
    async with connect(channel, query={"group": "room"}) as client, connect(channel, query={"plain": "room"}) as plain:
        await publish(channel, "a", "b")
        joined, a, b = await frames(world, client, 3)
        assert joined == {"action": "joined", "stream": "public room", "seq": 1, "epoch": joined["epoch"]}
        assert a == {"action": "said", "text": "a", "stream": "public room", "seq": 2}
        assert (b["seq"], b["text"]) == (3, "b")
        assert await frames(world, plain, 2) == [{"action": "said", "text": text} for text in "ab"]


async def test_the_last_ones_come_first(world: World) -> None:
    channel = channel_of(world)
    await publish(channel, *"abcdefg")
    async with connect(channel, query={"group": "room", "last": "3"}) as client:
        await publish(channel, "h")
        assert brief(await frames(world, client, 5)) == [("joined", 4), (5, "e"), (6, "f"), (7, "g"), (8, "h")]
    async with connect(channel, query={"group": "room", "last": "99"}) as client:
        assert brief(await frames(world, client, 6))[0] == ("joined", 3)  # five are kept


async def test_who_comes_back_gets_exactly_what_was_missed(world: World) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"group": ["room", "room 2"]}) as client:
        epochs = [(await client.receive())["epoch"] for _ in range(2)]
    await publish(channel, "a", "b", "c")
    await publish(channel, "x", group="room 2")
    async with connect(channel, query={"group": ["room", "room 2"]}) as client:
        await frames(world, client, 2)
        await recover(client, {"room": (1, epochs[0]), "room 2": (1, epochs[1])})
        found = await frames(world, client, 3)
        assert brief(found[:2]) == [(2, "b"), (3, "c")]
        assert found[2] == {
            "action": "recovered",
            "streams": {
                "public room": {"recovered": True, "seq": 3, "epoch": epochs[0]},
                "public room 2": {"recovered": True, "seq": 1, "epoch": epochs[1]},
            },
            "ref": 1,
        }
        await publish(channel, "d")
        assert brief(await frames(world, client, 1)) == [(4, "d")]


async def test_nothing_newer_comes_before_what_was_missed(world: World) -> None:
    channel = channel_of(world)
    await publish(channel, "a", "b")
    recall: Any = world.layer.recall
    asked, gate = anyio.Event(), anyio.Event()

    async def slow(group: str, **options: Any) -> Any:
        found = await recall(group, **options)
        if options.get("after") is not None and not asked.is_set():
            asked.set()
            await gate.wait()
        return found

    async with connect(channel, query={"group": "room"}) as client:
        epoch = (await client.receive())["epoch"]
        world.layer.recall = slow
        await recover(client, {"room": (0, epoch)})
        await asked.wait()
        await publish(channel, *"cd")
        assert await frames(world, client, 0) == []
        gate.set()
        assert brief_of(await frames(world, client, 5)) == [(1, "a"), (2, "b"), "recovered", (3, "c"), (4, "d")]


async def test_more_than_can_be_held_is_asked_for_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chanx._stream.HELD", 1)
    await test_nothing_newer_comes_before_what_was_missed(world)


@pytest.mark.parametrize("kind", ["too old", "too new", "other epoch", "expired"])
async def test_what_cannot_be_had_is_told_with_the_position(world: World, kind: str) -> None:
    channel = channel_of(world)
    await publish(channel, *"abcdefg")
    async with connect(channel, query={"group": "room"}) as client:
        epoch = (await client.receive())["epoch"]
        if kind == "expired":
            world.expire("room", count=False)
        asked = {"too old": (1, epoch), "too new": (8, epoch), "other epoch": (6, "f" * 16), "expired": (6, epoch)}
        await recover(client, {"room": asked[kind]})
        (answer,) = await frames(world, client, 1)
        assert answer["streams"] == {"public room": {"recovered": False, "seq": 7, "epoch": epoch}}
        await publish(channel, "h")
        assert brief(await frames(world, client, 1)) == [(8, "h")]


async def test_a_page_begins_with_what_comes_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is missing than is kept, and what is kept would fill the first page."""
    monkeypatch.setattr("chanx._streams.PAGE", 2)
    await test_what_cannot_be_had_is_told_with_the_position(world, "too old")


async def test_a_count_that_is_lost_begins_a_new_epoch(world: World) -> None:
    channel = channel_of(world)
    await publish(channel, "a", "b")
    async with connect(channel, query={"group": "room"}) as client:
        before = (await client.receive())["epoch"]
        world.expire("room", count=True)
        await publish(channel, "c")
        (told,) = await frames(world, client, 1)
        assert told["epoch"] != before
        assert told == {**told, "action": "position", "stream": "public room", "seq": 1, "recovered": False}
        await publish(channel, "d")
        assert brief(await frames(world, client, 1)) == [(2, "d")]


async def test_only_streams_that_were_joined_are_served(world: World) -> None:
    channel = channel_of(world)
    await publish(channel, "secret", group="room 2")
    epoch = (await cast(HistoryLayer, world.layer).recall("room 2")).epoch
    async with connect(channel, query={"group": "room"}) as client:
        await frames(world, client, 1)
        await recover(client, {"room 2": (0, epoch)})
        (answer,) = await frames(world, client, 1)
        assert answer["streams"] == {"public room 2": {"recovered": False}}
    async with connect(channel) as client:
        await recover(client, {"room": (0, epoch)})
        assert (await frames(world, client, 1))[0]["streams"] == {"public room": {"recovered": False}}


@pytest.mark.parametrize(
    "streams",
    ["x", [], {"public room": 1}, {"public room": {"seq": -1, "epoch": ""}}, {str(n): {} for n in range(101)}],
)
async def test_a_wrong_recover_is_an_error(world: World, streams: Any) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"group": "room"}) as client:
        await frames(world, client, 1)
        await client.send(json.dumps({"action": "recover", "streams": streams, "ref": 1}))
        (answer,) = await frames(world, client, 1)
        assert (answer["payload"]["code"], answer["ref"]) == ("invalid_message", 1)
        await client.send('{"action": "recover", "streams": {}}')
        assert (await frames(world, client, 1))[0]["payload"]["errors"][0]["loc"] == ["ref"]


async def test_what_was_missed_is_read_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chanx._streams.PAGE", 2)
    recall: Any = world.layer.recall
    read: list[int] = []

    async def noted(group: str, **options: Any) -> Any:
        found = await recall(group, **options)
        read.append(len(found.entries))
        if len(read) == 2:
            await publish(channel, "f")  # it is held, and comes when all that was missed has come
            await world.settled()
        return found

    channel = channel_of(world)
    async with connect(channel, query={"group": "room"}) as client:
        epoch = (await client.receive())["epoch"]
    await publish(channel, *"abcd")
    async with connect(channel, query={"group": "room"}) as client:
        await frames(world, client, 1)
        world.layer.recall = noted
        await recover(client, {"room": (0, epoch)})
        expected = [(1, "a"), (2, "b"), (3, "c"), (4, "d"), "recovered", (5, "f")]
        assert brief_of(await frames(world, client, 6)) == expected
    assert read == [2, 2]


async def test_one_recover_at_a_time(world: World) -> None:
    recall: Any = world.layer.recall
    asked, gate = anyio.Event(), anyio.Event()

    async def slow(group: str, **options: Any) -> Any:
        asked.set()
        await gate.wait()
        return await recall(group, **options)

    channel = channel_of(world)
    async with connect(channel, query={"group": "room"}) as client:
        epoch = (await client.receive())["epoch"]
        world.layer.recall = slow
        await recover(client, {"room": (0, epoch)}, ref=1)
        await asked.wait()
        await recover(client, {"room": (0, epoch)}, ref=2)
        (answer,) = await frames(world, client, 1)
        assert (answer["payload"]["code"], answer["ref"]) == ("overloaded", 2)
        gate.set()
        assert [one["ref"] for one in await frames(world, client, 1)] == [1]
        await recover(client, {"room": (0, epoch)}, ref=3)
        assert [one["ref"] for one in await frames(world, client, 1)] == [3]


async def test_what_was_missed_has_a_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chanx._streams.BACKLOG", 3)
    channel = channel_of(world)
    await publish(channel, *"ab")
    await publish(channel, *"ab", group="room 2")
    async with connect(channel, query={"group": ["room", "room 2"], "last": "9"}) as client:
        found = await frames(world, client, 6)
        epochs = [one["epoch"] for one in found if "epoch" in one]
        await recover(client, {"room": (0, epochs[0]), "room 2": (0, epochs[1])})  # three in all
        answer = (await frames(world, client, 3))[2]["streams"]
        assert [answer[f"public {name}"]["recovered"] for name in ("room", "room 2")] == [True, False]
        await recover(client, {"room 2": (0, epochs[1])})
        assert (await frames(world, client, 3))[2]["streams"]["public room 2"]["recovered"] is True


async def test_the_broker_cannot_be_reached(world: World) -> None:
    recall: Any = world.layer.recall

    async def broken(group: str, **options: Any) -> Any:
        raise LayerUnavailable("gone")

    channel = channel_of(world)
    await publish(channel, "a")
    async with connect(channel, query={"group": "room"}) as client:
        epoch = (await client.receive())["epoch"]
        world.layer.recall = broken
        await recover(client, {"room": (0, epoch)})
        (answer,) = await frames(world, client, 1)
        assert answer["streams"]["public room"] == {"recovered": False, "seq": 1, "epoch": epoch}
        await publish(channel, "b")
        assert brief(await frames(world, client, 1)) == [(2, "b")]
        world.layer.recall = recall
        world.expire("room", count=True)
        world.layer.recall = broken
        await publish(channel, "c")  # the client has to be told of another epoch, and cannot
        assert (await client.wait_closed()).code == 1012


@pytest.mark.redis
async def test_what_is_no_packet_is_lost(broker: Broker, prefix: str) -> None:
    world = World(RedisLayer(broker.url, prefix=prefix), broker, prefix)
    channel = channel_of(world)
    await publish(channel, "a", "b")
    async with connect(channel, query={"group": "room"}) as client:
        epoch = (await client.receive())["epoch"]
        broker.command("DEL", f"{prefix}:history:room")
        for number in (1, 2):
            broker.command("XADD", f"{prefix}:history:room", f"{number}-0", "p", "junk")
        await recover(client, {"room": (0, epoch)})
        (answer,) = await frames(world, client, 1)
        assert answer["streams"]["public room"] == {"recovered": False, "seq": 2, "epoch": epoch}
        place = b"x" * 32
        with pytest.raises(msgspec.ValidationError):
            wire.Names(prefix).read(
                wire.Names(prefix).group("room"),
                msgspec.msgpack.encode(wire.KeptPacket("{}", place=place)),
            )
    await world.layer.aclose()


@pytest.mark.redis
async def test_what_is_stored_goes_by_itself(broker: Broker, prefix: str) -> None:
    world = World(RedisLayer(broker.url, prefix=prefix), broker, prefix)
    channel = channel_of(world)
    await publish(channel, *"abcdefg", idempotency_key=None)
    await publish(channel, "h", idempotency_key="k")
    keys: list[str] = broker.command("KEYS", f"{prefix}:*")
    assert sorted(keys) == [f"{prefix}:{name}" for name in ("count:room", "history:room", "once:4:room:k")]
    for key in keys:
        assert broker.command("TTL", key) > 0
    assert broker.command("TTL", f"{prefix}:count:room") > broker.command("TTL", f"{prefix}:history:room")
    assert broker.command("XLEN", f"{prefix}:history:room") == 5
    await world.layer.aclose()


async def test_who_is_excluded_is_told_its_position_and_gets_it_never(world: World) -> None:
    channel = channel_of(world)
    async with (
        connect(channel, query={"group": "room", "user": "ada"}) as ada,
        connect(channel, query={"group": "room", "user": "bob"}) as bob,
    ):
        epoch = (await ada.receive())["epoch"]
        await publish(channel, "a")
        await ada.send(Boom())
        assert brief(await frames(world, bob, 3)) == [("joined", 0), (1, "a"), (2, "to the others")]
        await publish(channel, "b", exclude="ada")
        await publish(channel, "c")
        assert brief(await frames(world, ada, 4)) == [(1, "a"), ("position", 2), ("position", 3), (4, "c")]
        assert brief(await frames(world, bob, 2)) == [(3, "b"), (4, "c")]
    async with connect(channel, query={"group": "room", "user": "ada"}) as ada:
        await recover(ada, {"room": (0, epoch)})
        assert brief((await frames(world, ada, 6))[1:5]) == [(1, "a"), ("position", 2), ("position", 3), (4, "c")]
    async with connect(channel, query={"group": "room", "user": "bob"}) as bob:
        await recover(bob, {"room": (0, epoch)})
        assert brief((await frames(world, bob, 6))[1:5]) == [(1, "a"), (2, "to the others"), (3, "b"), (4, "c")]


async def test_a_connection_that_is_excluded_by_its_id_does_not_get_it_later_either(world: World) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"group": "room"}) as client:
        epoch = (await client.receive())["epoch"]
        await client.send(Boom())
        assert brief(await frames(world, client, 1)) == [("position", 1)]
        await recover(client, {"room": (0, epoch)})
        assert brief((await frames(world, client, 2))[:1]) == [("position", 1)]


async def test_an_idempotency_key_publishes_once(world: World) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"group": "room"}) as client:
        for _ in range(2):
            await publish(channel, "a", idempotency_key="1")
        await publish(channel, "b", idempotency_key="2")
        await publish(channel, "c")
        assert brief(await frames(world, client, 4)) == [("joined", 0), (1, "a"), (2, "b"), (3, "c")]
    targets: list[dict[str, Any]] = [{"group": "other"}, {"groups": ["room", "other"]}, {"connection": "x"}]
    for target in targets:
        with pytest.raises(ValueError, match="history"):
            await channel.broadcast(Said(text="x"), idempotency_key="3", **target)


async def test_each_group_with_history_counts_for_itself(world: World) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"group": ["room", "room 2"], "plain": "other"}) as client:
        await channel.broadcast(Said(text="x"), groups=["room", "room 2", "other"])
        await channel.emit(Hired(name="Ada"), group="room")
        await publish(channel, "y")
        found = (await frames(world, client, 6))[2:]
        assert sorted((one.get("stream", ""), one.get("seq", 0), one["text"]) for one in found) == [
            ("", 0, "x"),
            ("public room", 1, "x"),
            ("public room", 2, "y"),
            ("public room 2", 1, "x"),
        ]


async def test_who_has_joined_no_stream_gets_it_for_each_group_with_history(world: World) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"plain": ["room", "room 2", "other", "another"]}) as client:
        await channel.broadcast(Said(text="x"), groups=["room", "room 2", "other", "another"])
        await publish(channel, "y")
        assert sorted(one["text"] for one in await frames(world, client, 4)) == ["x", "x", "x", "y"]


async def test_a_topic_has_streams_of_its_own(world: World) -> None:
    hub, inner = Channel(groups=world.layer), Channel(history=RULES)

    @inner.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room", stream="s")

    hub.include(inner, topic="discussion:{pk}")
    await inner.broadcast(Said(text="a"), group="room")
    epoch = (await cast(HistoryLayer, world.layer).recall("room")).epoch
    async with connect(hub) as client:
        lost = {"action": "recover", "topic": "discussion:1", "streams": {"s": {"seq": 0, "epoch": epoch}}, "ref": 1}
        await client.send(lost)
        assert (await client.receive())["payload"]["code"] == "not_subscribed"
        await client.send({"action": "subscribe", "topic": "discussion:1", "ref": 2})
        told = await frames(world, client, 2)
        assert sorted(one["action"] for one in told) == ["joined", "subscribed"]
        await client.send(lost)
        found = await frames(world, client, 2)
        await inner.broadcast(Said(text="b"), group="room")
        found += await frames(world, client, 1)
        assert {one["topic"] for one in found} == {"discussion:1"}
        assert brief_of(found) == [(1, "a"), "recovered", (2, "b")]


async def test_from_threads(world: World) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"group": "room"}) as client:

        def work() -> None:
            for text in "abc":
                channel.broadcast_sync(Said(text=text), group="room", idempotency_key=text)
                channel.broadcast_sync(Said(text=text), group="room", idempotency_key=text)

        await anyio.to_thread.run_sync(work)
        assert brief(await frames(world, client, 4)) == [("joined", 0), (1, "a"), (2, "b"), (3, "c")]


async def test_many_publish_at_once_and_all_is_heard_in_order(world: World) -> None:
    channel = channel_of(world)
    async with connect(channel, query={"group": "room"}) as client:
        await frames(world, client, 1)

        def work(name: str) -> None:
            for number in range(20):
                channel.broadcast_sync(Said(text=f"{name}{number}"), group="room")

        async def beside() -> None:
            for number in range(20):
                await publish(channel, f"c{number}")
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for name in "ab":
                tasks.start_soon(anyio.to_thread.run_sync, work, name)
            tasks.start_soon(beside)
        found = [await client.receive() for _ in range(60)]
        assert [one["seq"] for one in found if one["action"] == "said"] == list(range(1, 61))
        for name in "abc":
            mine = [one["text"] for one in found if one["text"].startswith(name)]
            assert mine == [f"{name}{number}" for number in range(20)]
        assert await frames(world, client, 0) == []


async def test_who_was_dropped_sees_it_by_the_next_position_and_recovers() -> None:
    world = World(MemoryLayer(), None, "")
    channel = channel_of(world, overflow="drop_oldest", limits=Limits(outbox=2))
    async with connect(channel, query={"group": "room"}) as client:
        (joined,) = await frames(world, client, 1)
        await publish(channel, *"abcdef")  # the writer has no turn meanwhile
        assert brief(await frames(world, client, 3)) == [(1, "a"), (5, "e"), (6, "f")]
        await recover(client, {"room": (1, joined["epoch"])})
        assert brief_of(await frames(world, client, 6)) == [*((n, "?abcdef"[n]) for n in range(2, 7)), "recovered"]


async def test_who_was_dropped_last_is_told_the_position() -> None:
    world = World(MemoryLayer(), None, "")
    channel = channel_of(world, overflow="drop_oldest", limits=Limits(outbox=1))

    @channel.on(Hired)
    async def hire(message: Hired, ctx: Context) -> None:
        await publish(channel, "a")  # this is being written
        await ctx.send(Said(text="answer"))  # this waits, and has all the room
        await publish(channel, "b")

    async with connect(channel, query={"group": "room"}) as client:
        await frames(world, client, 1)
        await client.send(Hired(name=""))
        found = await frames(world, client, 3)
        assert [one.get("text") for one in found] == ["a", "answer", None]
        assert (found[2]["action"], found[2]["seq"], found[2]["recovered"]) == ("position", 2, False)


async def test_who_leaves_hears_no_more_and_may_join_again(world: World) -> None:
    channel = Channel(groups=world.layer, history=RULES)

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        if message.text == "leave":
            await ctx.leave("room")
        else:
            await ctx.join("room", stream=message.text, last=1)
            await ctx.join("room", stream=message.text)  # it is already

    async with connect(channel) as client:
        await client.send(Say(text="one"))
        await publish(channel, "a")
        assert brief(await frames(world, client, 2)) == [("joined", 0), (1, "a")]
        await client.send(Say(text="leave"))
        await client.settled()
        await publish(channel, "b", "c")
        await client.send(Say(text="two"))
        found = await frames(world, client, 2)
        assert brief(found) == [("joined", 2), (3, "c")]
        assert {one["stream"] for one in found} == {"two"}


async def test_wrong_joins(world: World) -> None:
    channel = Channel(groups=world.layer, history=RULES)
    wrong: list[str] = []

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.join("room", stream="one")
        calls: list[tuple[tuple[str, ...], dict[str, Any]]] = [
            (("other",), {"stream": "x"}),
            (("room",), {"stream": "two"}),
            (("room 2",), {"stream": "one"}),
            (("room", "room 2"), {"stream": "x"}),
            (("room 2",), {"last": 2}),
            (("room 2",), {"stream": "x", "last": -1}),
            (("room 2",), {"stream": ""}),
        ]
        for groups, options in calls:
            with pytest.raises((TypeError, ValueError)) as raised:
                await ctx.join(*groups, **options)
            wrong.append(type(raised.value).__name__)
        assert ctx.groups == {"room"}

    async with connect(channel) as client:
        await client.send('{"action": "say", "text": "", "ref": 1}')
        assert [one["action"] for one in await frames(world, client, 2)] == ["joined", "ack"]
    assert wrong == ["ValueError"] * 3 + ["TypeError"] * 4


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": 10_001}, {"size": 1.5}, {"ttl": 0}, {"ttl": 1e9}])
def test_a_history_has_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        History(**wrong)


def test_two_histories_for_one_pattern() -> None:
    layer = MemoryLayer()
    Channel(groups=layer, history={"room": History(size=5)})
    with pytest.raises(
        ConfigurationError, match=r"^Channel at .*test_history\.py:\d+: .* already; .* so give both the same"
    ):
        Channel(groups=layer, history={"room": History(size=6)})


async def test_an_included_channels_history_is_its_parents() -> None:
    inner, outer = Channel(history=RULES), Channel()

    @inner.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room", stream="s")

    outer.include(inner)
    async with connect(outer) as client:
        await inner.broadcast(Said(text="a"), group="room")
        assert brief([await client.receive() for _ in range(2)]) == [("joined", 0), (1, "a")]
