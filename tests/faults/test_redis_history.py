"""The link to Redis breaks, and groups with history make up for it: what was missed comes, or its loss is told."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.to_thread
import pytest

from chanx import Channel, Context, History, LayerUnavailable
from chanx.groups.redis import RedisLayer, wire
from chanx.groups.redis.link import Link
from chanx.groups.redis.outgoing import Entry
from chanx.testing import Client, connect
from tests.brokers import Broker
from tests.faults.conftest import SEEDS, impatient
from tests.faults.proxy import Proxy
from tests.faults.test_redis_link import GAP, PATIENCE, until
from tests.kernel.messages import Hired, Said

pytestmark = [pytest.mark.faults, pytest.mark.redis]

RULES = {"room": History(size=200)}


def chat(layer: RedisLayer, *, events: bool = False) -> Channel:
    channel = Channel("chat", groups=layer, history=RULES)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room", stream=ctx.connection.query_params.get("stream"))

    if events:

        @channel.event(Hired)
        async def hired(event: Hired) -> None:
            return None

    return channel


@pytest.fixture
async def elsewhere(broker: Broker) -> AsyncIterator[Channel]:
    """Another process, whose link is well."""
    layer = impatient(broker.url)
    yield Channel("elsewhere", groups=layer, history=RULES)
    await layer.aclose()


def stream(channel: Channel) -> Any:
    return connect(channel, query={"stream": "s"}, timeout=PATIENCE)


def plain(channel: Channel) -> Any:
    return connect(channel, timeout=PATIENCE)


async def publish(channel: Channel, texts: list[str]) -> None:
    for text in texts:
        await channel.broadcast(Said(text=text), group="room")


async def once(channel: Channel, text: str) -> None:
    """Publish, whatever becomes of the link meanwhile; it may have got through before that broke."""
    while True:
        try:
            await channel.broadcast(Said(text=text), group="room", idempotency_key=text)
        except LayerUnavailable:
            continue
        return


async def texts(client: Client, count: int) -> list[str]:
    return [(await client.receive())["text"] for _ in range(count)]


async def away(proxy: Proxy, layer: RedisLayer) -> None:
    """The link is broken, and stays so."""
    proxy.halt()
    await anyio.to_thread.run_sync(proxy.cut)
    await until(lambda: not layer.healthy())


async def test_what_a_process_missed_comes_when_the_link_is_back(
    proxy: Proxy, layer: RedisLayer, elsewhere: Channel
) -> None:
    channel = chat(layer)
    async with stream(channel) as one, plain(channel) as two:
        assert (await one.receive())["action"] == "joined"
        await publish(elsewhere, ["a"])
        assert await texts(one, 1) == await texts(two, 1) == ["a"]
        await away(proxy, layer)
        await publish(elsewhere, list("bcd"))
        proxy.go_on()
        assert await texts(one, 3) == await texts(two, 3) == list("bcd")
        await publish(elsewhere, ["e"])
        assert await texts(one, 1) == await texts(two, 1) == ["e"]
        await layer.echo()
        assert one.pending == two.pending == []


async def test_nothing_was_heard_before_the_break(proxy: Proxy, layer: RedisLayer, elsewhere: Channel) -> None:
    channel = chat(layer)
    async with stream(channel) as one:
        await one.receive()
        await away(proxy, layer)
        await publish(elsewhere, ["a"])
        proxy.go_on()
        assert await texts(one, 1) == ["a"]
        await layer.echo()
        assert one.pending == []


async def test_what_cannot_be_had_is_told(proxy: Proxy, layer: RedisLayer, elsewhere: Channel) -> None:
    channel = chat(layer)
    async with stream(channel) as one, plain(channel) as two:
        await one.receive()
        await publish(elsewhere, ["a"])
        assert await texts(one, 1) == await texts(two, 1) == ["a"]
        await away(proxy, layer)
        await publish(elsewhere, [str(number) for number in range(230)])
        proxy.go_on()
        told = await one.receive()
        assert (told["action"], told["seq"], told["recovered"]) == ("position", 231, False)
        assert await two.receive() == GAP
        await publish(elsewhere, ["e"])
        assert await texts(one, 1) == await texts(two, 1) == ["e"]


async def test_who_handles_events_is_told_of_the_gap_all_the_same(
    proxy: Proxy, layer: RedisLayer, elsewhere: Channel
) -> None:
    channel = chat(layer, events=True)
    async with stream(channel) as one:
        await one.receive()
        await away(proxy, layer)
        await publish(elsewhere, ["a"])
        proxy.go_on()
        found = [await one.receive() for _ in range(2)]
        assert sorted(frame["action"] for frame in found) == ["gap", "said"]


async def test_a_hole_is_filled_before_anything_newer(broker: Broker, layer: RedisLayer, elsewhere: Channel) -> None:
    channel = chat(layer)
    async with stream(channel) as one, plain(channel) as two:
        await one.receive()
        await publish(elsewhere, ["a"])
        assert await texts(one, 1) == await texts(two, 1) == ["a"]
        layer._tracks._table["room"].seq = 0  # as if the first had not come
        await publish(elsewhere, ["b"])
        assert await texts(two, 2) == ["a", "b"]  # to the process it is as new
        assert await texts(one, 1) == ["b"]  # the client has its own count
        assert one.pending == []


async def test_who_joins_after_the_break_hears_nothing_from_before(
    proxy: Proxy, layer: RedisLayer, elsewhere: Channel
) -> None:
    """The last member was just leaving when the link broke."""
    channel = chat(layer)
    async with plain(channel) as one:
        await publish(elsewhere, ["a"])
        assert await texts(one, 1) == ["a"]
        proxy.halt()
    await away(proxy, layer)
    await publish(elsewhere, list("bc"))
    proxy.go_on()
    await until(layer.healthy)
    await until(lambda: layer._tracks._table == {})
    async with plain(channel) as two:
        await publish(elsewhere, ["d"])
        assert await texts(two, 1) == ["d"]


async def test_a_process_that_keeps_no_history_hears_what_others_count(
    proxy: Proxy, layer: RedisLayer, elsewhere: Channel
) -> None:
    channel = Channel("plain", groups=layer)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    async with plain(channel) as one:
        await publish(elsewhere, ["a"])
        assert await texts(one, 1) == ["a"]
        await away(proxy, layer)
        await publish(elsewhere, ["b"])
        proxy.go_on()
        assert await one.receive() == GAP
        await publish(elsewhere, list("cd"))
        assert await texts(one, 2) == list("cd")


async def test_what_was_answered_before_the_link_broke_is_done_once(layer: RedisLayer) -> None:
    channel = chat(layer)
    done: list[bool] = []
    asked, hang_up = wire.command(b"PING"), wire.command(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"no")
    batch = [Entry([asked], None, lambda error: done.append(error is None)), Entry([hang_up], None)]
    batch.append(Entry([asked], None, lambda error: done.append(error is None)))

    def together(link: Link) -> None:
        for entry in batch:
            link.publish(entry)

    async with stream(channel) as one:
        assert (await one.receive())["action"] == "joined"
        link, place = layer._opened()
        assert place.post(together, link)
        await until(lambda: len(done) >= len(batch) - 1)
        await once(channel, "a")
        assert await texts(one, 1) == ["a"]
    assert done == [True, False]


async def test_a_count_that_has_gone_back_begins_a_new_epoch(
    broker: Broker, layer: RedisLayer, elsewhere: Channel
) -> None:
    channel = chat(layer)
    async with stream(channel) as one:
        epoch = (await one.receive())["epoch"]
        await publish(elsewhere, ["a", "b", "c"])
        assert await texts(one, 3) == ["a", "b", "c"]
        broker.command("HSET", "chanx:count:room", "seq", 1)  # as on a replica that was behind
        broker.command("XTRIM", "chanx:history:room", "MAXLEN", 0)
        await anyio.to_thread.run_sync(broker.command, "CLIENT", "KILL", "TYPE", "pubsub")
        told = await one.receive()
        assert (told["action"], told["seq"], told["recovered"]) == ("position", 0, False)
        assert told["epoch"] != epoch
        await publish(elsewhere, ["d"])
        assert await texts(one, 1) == ["d"]


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_loss_and_no_order_is_broken(
    broker: Broker, proxy: Proxy, layer: RedisLayer, elsewhere: Channel, seed: int
) -> None:
    chance = random.Random(seed)
    channel = chat(layer)
    published: list[str] = []
    over = anyio.Event()

    async def go_on_publishing() -> None:
        number = 0
        while not over.is_set():
            number += 1
            await once(elsewhere, str(number))
            published.append(str(number))
            await anyio.sleep(0.02)

    async with stream(channel) as one, plain(channel) as two:
        await one.receive()
        await publish(elsewhere, ["first"])
        assert await texts(one, 1) == await texts(two, 1) == ["first"]  # from here on the process knows the count
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_on_publishing)
            for _ in range(4):
                if chance.random() < 0.5:
                    await anyio.to_thread.run_sync(proxy.cut)
                else:
                    broker.command("CLIENT", "KILL", "TYPE", "pubsub")
                mark = len(published) + 3
                await until(lambda mark=mark: len(published) > mark)  # type: ignore[misc]
                await until(layer.healthy)
            over.set()
        for client in (one, two):
            found: list[str] = []
            while published[-1] not in found:
                frame = await client.receive()
                found.append(frame.get("text", frame["action"]))
            assert found == published  # more are kept than are published, so nothing is lost
