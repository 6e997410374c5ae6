"""The link to Redis breaks, in all the ways that links do: that is noticed and told, and everything comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest

from chanx import Channel, Context, LayerUnavailable
from chanx.groups.redis import RedisLayer
from chanx.testing import Client, Closed, Refused, connect
from tests.brokers import Broker
from tests.faults.conftest import ROUNDS, impatient
from tests.faults.proxy import Proxy
from tests.kernel.messages import Said, Say

pytestmark = [pytest.mark.faults, pytest.mark.redis]

GAP = {"action": "gap"}
PATIENCE = 30.0


def chat(layer: RedisLayer, **options: Any) -> Channel:
    channel = Channel("chat", groups=layer, **options)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        if groups := ctx.connection.query_params.getlist("group"):
            await ctx.join(*groups)

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.broadcast(Said(text=message.text), group="room")

    return channel


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens beyond our reach."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is nobody to set an event
            await anyio.sleep(0.01)


def joined(channel: Channel, *groups: str) -> Any:
    return connect(channel, query={"group": groups or ["room"]}, timeout=PATIENCE)


async def works(channel: Channel, *clients: Client) -> None:
    """A broadcast comes; and the link knows that it is up, which it may learn a moment later."""
    await channel.broadcast(Said(text="works"), group="room")
    for client in clients:
        assert await client.receive(Said) == Said(text="works")
    await until(channel.healthy)


Break = Callable[[Broker, Proxy], None]


def restarted(broker: Broker, proxy: Proxy) -> None:
    broker.kill()


def subscribers_killed(broker: Broker, proxy: Proxy) -> None:
    assert broker.command("CLIENT", "KILL", "TYPE", "pubsub") >= 1


def publishers_killed(broker: Broker, proxy: Proxy) -> None:
    assert broker.command("CLIENT", "KILL", "TYPE", "normal") >= 1


def black_hole(broker: Broker, proxy: Proxy) -> None:
    proxy.halt()


def deaf(broker: Broker, proxy: Proxy) -> None:
    proxy.halt(forth=False)


def dumb(broker: Broker, proxy: Proxy) -> None:
    proxy.halt(back=False)


def reset(broker: Broker, proxy: Proxy) -> None:
    proxy.cut()


def halted(broker: Broker, proxy: Proxy) -> None:
    broker.halt()


MENDED: dict[Break, Callable[[Broker, Proxy], None]] = {
    restarted: lambda broker, proxy: broker.start(),
    subscribers_killed: lambda broker, proxy: None,
    publishers_killed: lambda broker, proxy: None,
    black_hole: lambda broker, proxy: proxy.go_on(),
    deaf: lambda broker, proxy: proxy.go_on(),
    dumb: lambda broker, proxy: proxy.go_on(),
    reset: lambda broker, proxy: None,
    halted: lambda broker, proxy: broker.go_on(),
}
LASTING = [one for one in MENDED if one not in (subscribers_killed, publishers_killed, reset)]


@pytest.mark.parametrize("broken", MENDED, ids=lambda one: one.__name__)
async def test_members_are_told_and_hear_again(broker: Broker, proxy: Proxy, layer: RedisLayer, broken: Break) -> None:
    channel = chat(layer)
    async with joined(channel) as one, joined(channel, "room", "other") as two, joined(channel, "") as none:
        await works(channel, one, two)
        for _ in range(ROUNDS):
            await anyio.to_thread.run_sync(broken, broker, proxy)
            if broken in LASTING:
                await until(lambda: not channel.healthy())
            await anyio.to_thread.run_sync(MENDED[broken], broker, proxy)
            assert await one.receive() == GAP
            assert await two.receive() == GAP
            await until(channel.healthy)
            await works(channel, one, two)
        await layer.echo()
        for client in (one, two, none):
            await client.settled()
        assert one.pending == two.pending == []
        assert none.pending == [GAP] * ROUNDS  # it is in a group as well, which nobody publishes to


async def test_who_is_in_no_group_is_not_told(broker: Broker, layer: RedisLayer) -> None:
    channel = chat(layer)
    async with joined(channel) as one, connect(channel) as none:
        await until(channel.healthy)
        await anyio.to_thread.run_sync(broker.command, "CLIENT", "KILL", "TYPE", "pubsub")
        assert await one.receive() == GAP
        await none.settled()
        assert none.pending == []


async def test_who_is_in_no_group_is_told_once_its_id_was_given_out(broker: Broker, layer: RedisLayer) -> None:
    channel = Channel("direct", groups=layer)

    @channel.on(Say)
    async def tell_id(message: Say, ctx: Context) -> Said:
        return Said(text=ctx.id)

    def direct() -> Any:
        return connect(channel, timeout=PATIENCE)

    async with direct() as one, direct() as two, direct() as none:
        name = (await one.request(Say(text=""), Said)).text
        await until(channel.healthy)
        await channel.broadcast(Said(text="for one"), connection=name)
        assert await one.receive(Said) == Said(text="for one")
        for _ in range(ROUNDS):
            await anyio.to_thread.run_sync(broker.kill)
            await until(lambda: not channel.healthy())
            await two.request(Say(text=""), Said)  # while nothing is heard
            await anyio.to_thread.run_sync(broker.start)
            assert await one.receive() == await two.receive() == GAP
        await layer.echo()
        await none.settled()
        assert one.pending == two.pending == none.pending == []
    assert layer.members.given == set()


async def test_or_they_are_closed_with_1012(broker: Broker, layer: RedisLayer) -> None:
    channel = chat(layer, on_gap="close")
    async with joined(channel) as one, connect(channel, timeout=PATIENCE) as none:
        await until(channel.healthy)
        await anyio.to_thread.run_sync(broker.command, "CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(Closed) as closed:
            await one.receive()
        assert closed.value.code == 1012
        async with joined(channel) as again:
            await works(channel, again)
        await none.settled()
        assert none.pending == []


async def test_a_subscriber_that_takes_too_much_is_killed_and_comes_back(broker: Broker, proxy: Proxy) -> None:
    """Redis closes a subscriber whose output buffer is full; here the proxy does not pass what it sends."""
    broker.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 262144 0 0")
    layer = impatient(proxy.url, heartbeat_timeout=20.0)  # the layer is not to notice first
    channel = chat(layer)
    async with joined(channel) as one:
        await works(channel, one)
        for _ in range(ROUNDS):
            proxy.halt(forth=False)
            await anyio.to_thread.run_sync(flood, broker)
            proxy.go_on()
            assert await one.receive() == GAP
            await works(channel, one)
    await layer.aclose()


def flood(broker: Broker) -> None:
    """Publish until the server has killed its subscriber."""
    while broker.command("CLIENT", "LIST", "TYPE", "pubsub"):
        broker.command("PUBLISH", "chanx:group:room", "x" * 1024 * 1024)


@pytest.mark.parametrize("broken", [restarted, black_hole], ids=lambda one: one.__name__)
async def test_who_publishes_or_joins_meanwhile_waits(
    broker: Broker, proxy: Proxy, layer: RedisLayer, broken: Break
) -> None:
    channel = chat(layer)
    done: list[str] = []

    async def publish(text: str) -> None:
        await channel.broadcast(Said(text=text), group="late")
        done.append(text)

    async def join() -> None:
        async with joined(channel, "late") as late:
            done.append("join")
            await gate.wait()
            await late.close()

    gate = anyio.Event()
    async with joined(channel) as one:
        await works(channel, one)
        await anyio.to_thread.run_sync(broken, broker, proxy)
        await until(lambda: not channel.healthy())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(join)
            tasks.start_soon(publish, "first")
            await anyio.wait_all_tasks_blocked()
            assert done == []
            await anyio.to_thread.run_sync(MENDED[broken], broker, proxy)
            await until(lambda: len(done) == 2)
            gate.set()
        assert await one.receive() == GAP


async def test_who_cannot_wait_any_longer_is_told(broker: Broker) -> None:
    layer = impatient(broker.url, timeout=0.3)
    channel = chat(layer)
    async with joined(channel) as one:
        await works(channel, one)
        broker.kill()
        await until(lambda: not channel.healthy())
        with pytest.raises(LayerUnavailable) as told:
            await channel.broadcast(Said(text="x"), group="room")
        assert not told.value.sent
        with pytest.raises(LayerUnavailable):
            await layer.subscribe("other")
        with pytest.raises(LayerUnavailable):
            await anyio.to_thread.run_sync(lambda: channel.broadcast_sync(Said(text="x"), group="room"))
        broker.start()
        assert await one.receive() == GAP
        await works(channel, one)
        await anyio.to_thread.run_sync(lambda: channel.broadcast_sync(Said(text="sync"), group="room"))
        assert await one.receive(Said) == Said(text="sync")
    await layer.aclose()


async def test_or_nobody_waits(broker: Broker) -> None:
    layer = impatient(broker.url, unavailable="raise")
    channel = chat(layer)
    async with joined(channel) as one:
        await works(channel, one)
        broker.kill()
        await until(lambda: not channel.healthy())
        with pytest.raises(LayerUnavailable):
            await channel.broadcast(Said(text="x"), group="room")
        with pytest.raises(LayerUnavailable):
            await layer.subscribe("other")
        with pytest.raises(LayerUnavailable):
            await anyio.to_thread.run_sync(lambda: channel.broadcast_sync(Said(text="x"), group="room"))
        with pytest.raises(Refused) as refused:
            async with joined(channel):
                pytest.fail("it was let in")
        assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "1")
        broker.start()
        assert await one.receive() == GAP
        await works(channel, one)
    await layer.aclose()


async def test_who_waits_for_an_answer_is_told_before_the_break_is_noticed(broker: Broker) -> None:
    layer = impatient(broker.url, timeout=0.3, heartbeat=60.0, heartbeat_timeout=60.0)
    channel = chat(layer)
    errors: list[LayerUnavailable] = []

    async def publish() -> None:
        with pytest.raises(LayerUnavailable) as told:
            await channel.broadcast(Said(text="perhaps"), group="room")
        errors.append(told.value)

    async with joined(channel) as one:
        await works(channel, one)
        broker.halt()
        with anyio.fail_after(PATIENCE):
            await publish()  # it is under way for ever
            await publish()  # it waits behind that one
        assert [error.sent for error in errors] == [True, False]
        assert channel.healthy()
        broker.go_on()
        assert await one.receive(Said) == Said(text="perhaps")
        await works(channel, one)
    await layer.aclose()


async def test_a_publication_that_was_under_way_may_have_come_through(
    broker: Broker, proxy: Proxy, layer: RedisLayer
) -> None:
    channel = chat(layer)
    errors: list[LayerUnavailable] = []

    async def publish() -> None:
        try:
            await channel.broadcast(Said(text="perhaps"), group="room")
        except LayerUnavailable as error:
            errors.append(error)

    async with joined(channel) as one:
        await works(channel, one)
        proxy.halt(back=True, forth=False)
        before = broker.calls("publish")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await until(lambda: broker.calls("publish") > before)
        proxy.go_on()
        assert [error.sent for error in errors] == [True]
        assert await one.receive() == GAP
        await works(channel, one)


async def test_a_server_that_is_not_there_yet(broker: Broker) -> None:
    """The application starts first. It serves, says that it is not ready, and is once the server is there."""
    broker.kill()
    layer = impatient(broker.url)
    channel = chat(layer)
    async with channel.lifespan():
        assert not channel.healthy()
        with anyio.move_on_after(0.5):
            while True:
                assert not channel.healthy()
                await anyio.sleep(0.02)
        await anyio.to_thread.run_sync(broker.start)
        await until(channel.healthy)
        async with joined(channel) as one:
            await works(channel, one)
            await one.settled()
            assert one.pending == []  # nobody missed anything


async def test_a_wrong_password_is_no_end(broker: Broker) -> None:
    broker.command("CONFIG", "SET", "requirepass", "secret")
    layer = impatient(broker.url)
    assert not layer.healthy()
    with anyio.move_on_after(0.3):
        await anyio.sleep_forever()
    assert not layer.healthy()
    broker.command("CONFIG", "SET", "requirepass", "", password="secret")
    await until(layer.healthy)
    await layer.aclose()


async def test_a_loop_that_stands_still_loses_only_its_own(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members on a second loop: what waits for it is bounded, and they are told when it goes on."""
    from chanx.groups.redis import relay

    monkeypatch.setattr(relay, "MOST", 5)
    layer = impatient(broker.url, heartbeat_timeout=20.0)
    channel = chat(layer)
    stand, go_on, told = threading.Event(), threading.Event(), threading.Event()
    frames: list[Any] = []
    ready = threading.Event()

    async def other() -> None:
        async with joined(channel) as client:
            ready.set()
            await until(stand.is_set)
            told.set()
            go_on.wait(PATIENCE)  # the whole loop stands
            while GAP not in frames:
                frames.append(await client.receive())

    async with joined(channel) as one:
        thread = threading.Thread(target=anyio.run, args=(other,), daemon=True)
        thread.start()
        await until(ready.is_set)
        stand.set()
        await until(told.is_set)
        for _ in range(50):
            await works(channel, one)
        await layer.echo()
        go_on.set()
        await anyio.to_thread.run_sync(thread.join, PATIENCE)
        assert len(frames) < 20
        assert frames[-1] == GAP
        await one.settled()
        assert one.pending == []
    await layer.aclose()
