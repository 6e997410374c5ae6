"""What the Redis layer promises beyond the contract: what it asks of the server, over how many loops and threads."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from asgiref.sync import async_to_sync

from chanx import Channel, ConfigurationError, Context, LayerUnavailable, Publication, _runtime
from chanx.groups.redis import RedisLayer, layer_at, wire
from chanx.groups.redis.options import Options
from chanx.groups.redis.outgoing import Entry, Outgoing
from chanx.groups.redis.waiter import Waiter
from chanx.testing import connect
from tests import brokers
from tests.brokers import Broker
from tests.kernel.messages import Hired, Said, Say
from tests.servers import SERVERS, free_port, serve

pytestmark = pytest.mark.redis
PATIENCE = 30.0


@pytest.fixture
async def layer(broker: Broker, prefix: str) -> AsyncIterator[RedisLayer]:
    made = RedisLayer(broker.url, prefix=prefix)
    yield made
    await made.aclose()


@pytest.fixture(autouse=True)
def _no_threads() -> None:
    """Those of earlier tests were told to end, and do so in their own time."""
    for thread in threads():
        thread.join(PATIENCE)
    assert threads() == []


class Member:
    """Somebody on the loop that makes it."""

    def __init__(self, layer: RedisLayer, name: str) -> None:
        self.id = name
        self.home = _runtime.current()
        self.layer = layer
        self.got: list[str] = []
        self.gaps = 0
        layer.members.add(self)

    def push(self, publication: Publication) -> None:
        self.got.append(publication.body)

    def missed(self) -> None:
        self.gaps += 1

    async def join(self, group: str) -> None:
        self.layer.members.join(group, self)
        await self.layer.subscribe(group)

    def leave(self, group: str) -> None:
        if self.layer.members.leave(group, self):
            self.layer.unsubscribe(group)


def office(layer: RedisLayer) -> Channel:
    channel = Channel("office", groups=layer)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.broadcast(Said(text=message.text), group="room")

    return channel


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens beyond our reach."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is nobody to set an event
            await anyio.sleep(0.01)


# -- what is asked of the server --------------------------------------------------------------------


async def test_one_subscription_for_a_group_and_one_publish_for_a_broadcast(
    broker: Broker, layer: RedisLayer, prefix: str
) -> None:
    channel = office(layer)
    async with connect(channel) as one, connect(channel) as two, connect(channel) as three:
        await layer.echo()
        assert broker.subscriptions(f"{prefix}:group:") == {f"{prefix}:group:room": 1}
        before, keys = (broker.calls("publish"), broker.calls("subscribe")), broker.keys()
        await channel.broadcast(Said(text="x"), group="room")
        for client in (one, two, three):
            assert await client.receive(Said) == Said(text="x")
        after = broker.calls("publish"), broker.calls("subscribe")
        assert after[0] - before[0] - 1 in (0, 1)  # a check of the link may have come between
        assert after[1] == before[1]
        assert broker.keys() <= keys
    await until(lambda: broker.subscriptions(f"{prefix}:group:") == {})


async def test_publications_of_one_turn_go_out_in_one_write(layer: RedisLayer, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.asyncio import Connection

    writes: list[int] = []
    send: Any = Connection.send_packed_command

    async def counted(self: Any, command: Any, *args: Any, **kwargs: Any) -> None:
        writes.append(sum(b"PUBLISH" in one for one in command))
        await send(self, command, *args, **kwargs)

    await layer.echo()
    monkeypatch.setattr(Connection, "send_packed_command", counted)
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(layer.publish, Publication(str(number), groups=("room",)))
    if _runtime.on_trio():  # each is posted to the other loop, which may begin with the first
        assert len(writes) < 20
    else:
        assert [one for one in writes if one > 1] == [20]


async def test_a_connection_in_no_group_is_heard_for_from_its_beginning(
    broker: Broker, layer: RedisLayer, prefix: str
) -> None:
    channel = Channel("direct", groups=layer)

    @channel.on(Say)
    async def tell_id(message: Say, ctx: Context) -> Said:
        return Said(text=ctx.id)

    elsewhere = RedisLayer(broker.url, prefix=prefix)
    async with connect(channel) as client:
        name = (await client.request(Say(text=""), Said)).text
        await until(lambda: any(broker.subscriptions(f"{prefix}:owner:").values()))  # nobody here asks for anything
        await elsewhere.publish(Publication('{"action":"said","text":"for you"}', connections=(name,)))
        assert await client.receive(Said) == Said(text="for you")
    await elsewhere.aclose()


async def test_several_groups_reach_a_process_once(broker: Broker, layer: RedisLayer, prefix: str) -> None:
    other = RedisLayer(broker.url, prefix=prefix)  # as another process
    here, there = Member(layer, "here"), Member(other, "there")
    await here.join("a")
    await here.join("b")
    await there.join("b")
    for number in range(20):
        await layer.publish(Publication(str(number), groups=("a", "b", "c"), connections=("here",)))
    await layer.echo()
    await until(lambda: len(there.got) >= 20)
    await other.echo()
    assert here.got == there.got == [str(number) for number in range(20)]
    await other.aclose()


async def test_nothing_that_is_no_packet_is_delivered(
    broker: Broker, layer: RedisLayer, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = Member(layer, "one")
    await one.join("room")
    name = f"{prefix}:group:room"
    import pickle

    for junk in (
        b"",
        b"{}",
        b"\x80",
        pickle.dumps({"a": 1}),
        b"\x91\x01",
        b"\x97\xa1x\xc0\x90\x90\x91\x05\xc0\xc4\x00",
    ):
        broker.command("PUBLISH", name, junk)
    await layer.publish(Publication("good", groups=("room",)))
    await layer.echo()
    assert one.got == ["good"]
    assert "no packet of ours" in caplog.text


async def test_what_is_closed_opens_anew(broker: Broker, layer: RedisLayer, prefix: str) -> None:
    one = Member(layer, "one")
    await one.join("room")
    await layer.aclose()
    await until(lambda: broker.subscriptions(prefix) == {})
    await layer.publish(Publication("x", groups=("room",)))
    await layer.echo()
    assert one.got == ["x"]  # its wish is still there
    assert one.gaps == 1
    await layer.aclose()
    await layer.aclose()


async def test_who_waits_may_be_cancelled_and_what_was_sent_counts(layer: RedisLayer) -> None:
    one = Member(layer, "one")
    await one.join("room")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(layer.publish, Publication("x", groups=("room",)))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await layer.publish(Publication("y", groups=("room",)))
    await layer.echo()
    await layer.publish(Publication("z", groups=("room",)))
    await layer.echo()
    assert one.got[-1] == "z"
    assert set(one.got) <= {"x", "y", "z"}


async def test_who_waits_behind_what_the_link_itself_has_to_say_is_told_in_time() -> None:
    outgoing = Outgoing(Options())
    waiters = [Waiter(_runtime.current(), deadline) for deadline in (1.0, 3.0)]
    outgoing.put(Entry([b"asked by the link"], None))
    for waiter in waiters:
        outgoing.put(Entry([b"published"], waiter))
    outgoing.expire(2.0, "nobody answers")
    assert [waiter.over for waiter in waiters] == [True, False]
    with pytest.raises(LayerUnavailable, match="nobody answers"):
        await waiters[0].wait(None)
    assert [entry.waiter for entry in await outgoing.batch()] == [None, waiters[1]]


async def test_an_id_that_is_read_after_the_end_is_not_kept(layer: RedisLayer) -> None:
    seen: list[Context] = []
    channel = Channel(groups=layer)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        seen.append(ctx)

    async with connect(channel):
        assert layer.members.given == {seen[0].id}
    assert seen[0].id
    assert layer.members.given == set()


async def test_a_full_queue_raises(broker: Broker, prefix: str) -> None:
    layer = RedisLayer("redis://127.0.0.1:1", prefix=prefix, queue=3, timeout=0.5)
    told: list[LayerUnavailable] = []

    async def publish() -> None:
        try:
            await layer.publish(Publication("x", groups=("room",)))
        except LayerUnavailable as error:
            told.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(publish)
    assert sorted("too much" in str(error) for error in told) == [False, False, False, True, True]
    await layer.aclose()


# -- joins and leaves -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20 if os.environ.get("CHANX_FULL") else 4))
async def test_joins_and_leaves_in_any_order(broker: Broker, layer: RedisLayer, prefix: str, seed: int) -> None:
    """Whoever has joined hears, whatever the others do; and the server knows of the groups with members, only."""
    chance = random.Random(seed)
    groups = ["a", "b", "c"]
    inside: dict[Member, set[str]] = {Member(layer, str(number)): set() for number in range(6)}

    async def wander(one: Member) -> None:
        for step in range(30):
            group = chance.choice(groups)
            if group in inside[one]:
                one.leave(group)
                inside[one].discard(group)
            else:
                with anyio.move_on_after(chance.choice([0, 0.001, 5])) as scope:
                    await one.join(group)
                if scope.cancelled_caught:
                    one.leave(group)
                    continue
                inside[one].add(group)
                before = len(one.got)
                await layer.publish(Publication(f"{one.id}-{step}", groups=(group,)))
                await layer.echo()
                assert f"{one.id}-{step}" in one.got[before:]
            for _ in range(chance.randrange(3)):
                await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for one in inside:
            tasks.start_soon(wander, one)
    expected = {f"{prefix}:group:{group}": 1 for group in groups if any(group in inside[one] for one in inside)}
    await until(lambda: broker.subscriptions(f"{prefix}:group:") == expected)
    for one, joined in inside.items():
        for group in joined:
            one.leave(group)
    await until(lambda: broker.subscriptions(f"{prefix}:group:") == {})


async def test_a_join_while_the_broker_is_told_of_the_last_leave(layer: RedisLayer) -> None:
    one = Member(layer, "one")
    for number in range(50):
        await one.join("room")
        await layer.publish(Publication(str(number), groups=("room",)))
        await layer.echo()
        one.leave("room")
        if number % 2:
            await anyio.lowlevel.checkpoint()
    assert one.got == [str(number) for number in range(50)]


# -- loops and threads ------------------------------------------------------------------------------


def on_thread(backend: str, function: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: anyio.run(function, backend=backend), daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("second", ["asyncio", "trio"])
async def test_members_on_several_loops(broker: Broker, layer: RedisLayer, prefix: str, second: str) -> None:
    channel = office(layer)
    ready, done = threading.Event(), threading.Event()
    told: list[str] = []

    async def other() -> None:
        async with connect(channel) as client:
            ready.set()
            told.append((await client.receive(Said, timeout=PATIENCE)).text)
            await client.send(Say(text="from there"))
            told.append((await client.receive(Said, timeout=PATIENCE)).text)
        done.set()

    async with connect(channel) as client:
        thread = on_thread(second, other)
        await until(ready.is_set)
        assert broker.subscriptions(f"{prefix}:group:") == {f"{prefix}:group:room": 1}
        await client.send(Say(text="from here"))
        assert [(await client.receive(Said, timeout=PATIENCE)).text for _ in range(2)] == ["from here", "from there"]
        await until(done.is_set)
        await anyio.to_thread.run_sync(thread.join)
        assert told == ["from here", "from there"]
        await channel.broadcast(Said(text="still"), group="room")
        assert await client.receive(Said) == Said(text="still")


@pytest.mark.parametrize("first", ["asyncio", "trio"])
async def test_the_loop_that_was_first_may_end_before_the_others(layer: RedisLayer, first: str) -> None:
    channel = office(layer)
    ready, end = threading.Event(), threading.Event()

    async def other() -> None:
        async with connect(channel):
            ready.set()
            await until(end.is_set)

    thread = on_thread(first, other)
    await until(ready.is_set)
    async with connect(channel) as client:
        end.set()
        await anyio.to_thread.run_sync(thread.join)
        if first == "asyncio":  # the link was there, and is in a thread now
            assert await client.receive() == {"action": "gap"}
        await channel.broadcast(Said(text="x"), group="room")
        assert await client.receive(Said, timeout=PATIENCE) == Said(text="x")
        await channel.emit(Hired(name="Ada"), group="nobody")


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "chanx-redis"]


def test_a_run_of_trio_takes_its_thread_along(broker: Broker, prefix: str) -> None:
    layer = RedisLayer(broker.url, prefix=prefix)

    async def main() -> None:
        one = Member(layer, "one")
        await one.join("room")
        assert len(threads()) == 1
        one.leave("room")

    for _ in range(2):
        anyio.run(main, backend="trio")
        for thread in threads():
            thread.join(PATIENCE)
        assert threads() == []
    assert broker.subscriptions(prefix) == {}


def test_a_loop_that_is_closed_under_the_link_is_noticed_at_the_next_use(broker: Broker, prefix: str) -> None:
    """It was not ended in order, so its tasks were never told."""
    program = (
        "import asyncio, logging, anyio\n"
        "from chanx import Publication\n"
        "from chanx.groups.redis import RedisLayer\n"
        "from tests.groups.test_redis import Member\n"
        f"layer = RedisLayer({broker.url!r}, prefix={prefix!r})\n"
        "async def first():\n"
        "    await Member(layer, 'first').join('room')\n"
        "    await layer.echo()\n"
        "async def second():\n"
        "    two = Member(layer, 'two')\n"
        "    await two.join('room')\n"
        "    await layer.publish(Publication('x', groups=('room',)))\n"
        "    await layer.echo()\n"
        "    print(two.got, sorted(one.id for one in layer.members.everyone()))\n"
        "    await layer.aclose()\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.run_until_complete(first())\n"
        "loop.close()\n"
        "anyio.run(second, backend='asyncio')\n"
        "anyio.run(second, backend='trio')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.splitlines() == ["['x'] ['two']", "['x'] ['two']"], ran.stderr


def test_a_run_of_asyncio_may_end_at_the_moment_when_the_link_breaks(redis_server: str) -> None:
    with brokers.broker(redis_server) as own:

        async def main() -> None:
            await RedisLayer(own.url).echo()
            own.kill()
            await asyncio.sleep(0)  # the sockets are found broken in the turn in which the tasks are cancelled

        run = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
        run.start()
        run.join(PATIENCE)
        assert not run.is_alive()


def test_a_run_of_asyncio_needs_no_thread(broker: Broker, prefix: str) -> None:
    layer = RedisLayer(broker.url, prefix=prefix)

    async def main() -> None:
        one = Member(layer, "one")
        await one.join("room")
        await layer.publish(Publication("x", groups=("room",)))
        await layer.echo()
        assert one.got == ["x"]
        assert threads() == []
        one.leave("room")

    for _ in range(2):
        anyio.run(main, backend="asyncio")
    gc.collect()
    anyio.run(until, lambda: broker.subscriptions(prefix) == {})


def test_a_run_of_asyncio_that_ends_with_members_starts_no_thread(broker: Broker, prefix: str) -> None:
    layer = RedisLayer(broker.url, prefix=prefix)

    async def main() -> None:
        await Member(layer, "one").join("room")

    anyio.run(main, backend="asyncio")
    assert threads() == []
    gc.collect()
    anyio.run(until, lambda: broker.subscriptions(prefix) == {})


def test_loops_that_come_and_go_share_a_link(broker: Broker, prefix: str) -> None:
    """Under `async_to_sync` each call has a loop of its own."""
    layer = RedisLayer(broker.url, prefix=prefix)
    before = int(broker.command("INFO", "stats")["total_connections_received"])
    for _ in range(20):
        async_to_sync(layer.publish)(Publication("x", groups=("room",)))
    assert len(threads()) == 1
    connections = int(broker.command("INFO", "stats")["total_connections_received"]) - before
    assert connections < 10  # two, and those of this test
    async_to_sync(layer.aclose)()
    for thread in threads():
        thread.join(PATIENCE)
    assert threads() == []


def test_a_link_in_a_thread_that_nobody_uses_ends(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from chanx.groups.redis import linked as module

    layer = RedisLayer(broker.url, prefix=prefix, heartbeat=0.05)
    async_to_sync(layer.publish)(Publication("x", groups=("room",)))
    assert len(threads()) == 1
    with monkeypatch.context() as patched:  # not while something is published, which may take longer than this
        patched.setattr(module, "LINGER", 0.1)
        for thread in threads():
            thread.join(PATIENCE)
    assert threads() == []
    async_to_sync(layer.publish)(Publication("x", groups=("room",)))
    async_to_sync(layer.aclose)()


def test_publishing_from_threads_uses_one_connection_and_no_loop(broker: Broker, prefix: str) -> None:
    layer = RedisLayer(broker.url, prefix=prefix)

    def publish() -> None:
        for number in range(50):
            layer.publish_sync(Publication(str(number), groups=("room",)))

    workers = [threading.Thread(target=publish) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ours = [line for line in clients(broker) if "name=chanx-sync" in line]
    assert len(ours) == 1
    assert threads() == []
    broker.command("CLIENT", "KILL", "TYPE", "normal")  # as a server does with connections that are idle for long
    layer.publish_sync(Publication("x", groups=("room",)))
    layer._sync.close()  # pyright: ignore[reportPrivateUsage]


def clients(broker: Broker) -> list[str]:
    told: Any = broker.command("CLIENT", "LIST")
    if isinstance(told, str):
        return told.splitlines()
    return [" ".join(f"{key}={value}" for key, value in one.items()) for one in told]


async def test_the_order_of_a_thread_is_kept(layer: RedisLayer) -> None:
    channel = office(layer)

    def publish(thread: int) -> None:
        for number in range(50):
            channel.broadcast_sync(Said(text=f"{thread}-{number}"), group="room")

    async with connect(channel) as client:
        async with anyio.create_task_group() as tasks:
            for thread in range(3):
                tasks.start_soon(anyio.to_thread.run_sync, publish, thread)
        told = [(await client.receive(Said, timeout=PATIENCE)).text for _ in range(150)]
    for thread in range(3):
        assert [text for text in told if text.startswith(f"{thread}-")] == [f"{thread}-{n}" for n in range(50)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
async def test_a_forked_process_publishes_and_leaves_the_link_alone(layer: RedisLayer) -> None:
    one = Member(layer, "one")
    await one.join("room")
    await anyio.to_thread.run_sync(layer.publish_sync, Publication("parent", groups=("room",)))
    child = os.fork()
    if not child:
        try:
            worker = threading.Thread(target=layer.publish_sync, args=(Publication("child", groups=("room",)),))
            worker.start()
            worker.join()
        finally:
            os._exit(0)
    await anyio.to_thread.run_sync(os.waitpid, child, 0)
    await anyio.to_thread.run_sync(layer.publish_sync, Publication("parent again", groups=("room",)))
    await layer.echo()
    assert one.got == ["parent", "child", "parent again"]
    assert one.gaps == 0


# -- whole processes --------------------------------------------------------------------------------


@pytest.mark.hosts
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn-trio"])
def test_two_processes_and_nothing_is_left_of_one_that_is_killed(broker: Broker, prefix: str, server: str) -> None:
    from websockets.sync.client import connect as dial

    env = {"CHANX_TEST_URL": broker.url, "CHANX_TEST_PREFIX": prefix}
    app = "tests.groups.apps:app"
    keys = broker.keys()
    with serve(server, app, env=env) as first, serve("uvicorn", app, env=env) as second:  # noqa: SIM117
        with dial(first.ws("/")) as one, dial(first.ws("/")) as two, dial(second.ws("/")) as three:
            assert broker.subscriptions(f"{prefix}:group:") == {f"{prefix}:group:room": 2}
            one.send('{"action": "say", "text": "hello"}')
            for client in (one, two, three):
                assert "hello" in str(client.recv(PATIENCE))
            first.stopped = True
            first.kill_all()
            anyio.run(until, lambda: broker.subscriptions(f"{prefix}:group:") == {f"{prefix}:group:room": 1})
            second.stopped = True
            second.kill_all()
            anyio.run(until, lambda: broker.subscriptions(prefix) == {})
            assert broker.keys() <= keys


@pytest.mark.hosts
@pytest.mark.faults
@pytest.mark.parametrize("server", list(SERVERS) if os.environ.get("CHANX_FULL") else ["hypercorn-trio", "granian"])
def test_a_gap_on_a_real_server(redis_server: str, server: str) -> None:
    from websockets.sync.client import connect as dial

    with brokers.broker(redis_server) as broker:
        env = {"CHANX_TEST_URL": broker.url, "CHANX_TEST_PREFIX": "chanx"}
        with serve(server, "tests.groups.apps:app", env=env) as running, dial(running.ws("/")) as client:
            for _ in range(2):
                client.send('{"action": "say", "text": "hello"}')
                assert json.loads(client.recv(PATIENCE)) == {"action": "said", "text": "hello"}
                broker.command("CLIENT", "KILL", "TYPE", "pubsub")
                assert json.loads(client.recv(PATIENCE)) == {"action": "gap"}
            client.close()
            running.stop()
            assert "Traceback" not in running.log
            assert "never" not in running.log  # as in "was never awaited"


# -- set-up -----------------------------------------------------------------------------------------


def test_channels_that_name_the_same_url_share_a_layer(broker: Broker) -> None:
    one, two = Channel(groups=broker.url), Channel(groups=broker.url)
    assert one.layers() == two.layers() == [layer_at(broker.url)]
    one.include(two)
    assert not one.healthy()
    with pytest.raises(ConfigurationError, match="other than that of"):
        one.include(Channel(groups=f"{broker.url}/1"))
    async_to_sync(layer_at(broker.url).aclose)()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"url": "http://user:secret@localhost"}, "'http://localhost' is no URL of a broker"),
        ({"url": "redis"}, "no URL of a broker"),
        ({"url": "redis+sentinel://a:secret@one:26379/main"}, "Sentinel and Redis Cluster cannot be used yet; give"),
        ({"url": "rediss+cluster://a:secret@one:26379"}, r"^'rediss\+cluster://one:26379': Redis Sentinel and"),
        ({"url": "redis://localhost", "pasword": "x"}, "pasword"),
        ({"url": "redis://localhost:none"}, "no connection can be made"),
        ({"timeout": 0}, "timeout=0"),
        ({"heartbeat": True}, "heartbeat=True"),
        ({"prefix": 5}, "prefix=5"),
        ({"url": "redis://:secret@localhost?protocol=3"}, "protocol=3 for redis://localhost: only RESP2"),
        ({"run_id": 1}, "run_id=1"),
        ({"unavailable": "retry"}, "unavailable='retry'"),
    ],
)
def test_mistakes_are_told_at_once(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        RedisLayer(**arguments)
    assert "secret" not in str(error.value)


def test_without_redis_py_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from chanx import Channel\n"
        "try: Channel(groups='redis://localhost')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.startswith("ConfigurationError")
    assert 'pip install "chanx[redis]"' in ran.stdout


@pytest.mark.parametrize("url", ["redis://u:p@h:1/2?x=y", "rediss://:p@h/0", "unix:///tmp/redis.sock?password=p"])
def test_no_password_is_logged(url: str) -> None:
    from chanx.groups.redis import dial

    safe = dial._safe(url)  # pyright: ignore[reportPrivateUsage]
    assert "p@" not in safe
    assert "=" not in safe


@pytest.mark.parametrize("name", ["", "täglich", "\ud800", "a:b!c-d", "\x00"])
def test_names_survive_the_way(name: str) -> None:
    names = wire.Names("prefix")
    publication = Publication('{"x":1}', "event", (name,), (name,), frozenset({name}), name)
    sent = names.publishing(publication, "1")
    assert len(sent) == 2
    channel = names.group(name)
    payload = sent[0].rpartition(channel)[2].split(b"\r\n", 2)[2][:-2]
    assert names.read(channel, payload) == (publication, b"1")


async def works(layer: RedisLayer) -> None:
    one = Member(layer, "one")
    await one.join("room")
    await layer.publish(Publication("async", groups=("room",)))
    await anyio.to_thread.run_sync(layer.publish_sync, Publication("sync", groups=("room",)))
    await layer.echo()
    assert one.got == ["async", "sync"]
    await layer.aclose()


async def test_user_and_password_in_the_url_or_in_options(redis_server: str, tmp_path: Path) -> None:
    options = ("--user", "default", "off", "--user", "ada", "on", ">secret", "~*", "&*", "+@all")
    with brokers.broker(redis_server, *options) as broker:
        where = broker.url.removeprefix("redis://")
        await works(RedisLayer(f"redis://ada:secret@{where}"))
        await works(RedisLayer(f"valkey://ada:secret@{where}"))
        await works(RedisLayer(broker.url, username="ada", password="secret"))


async def test_a_user_who_may_do_what_is_needed_and_no_more(broker: Broker, prefix: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "snippets" / "howto" / "deploy_users.acl").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith("user groups "))
    rights = [word for word in line.split() if word.startswith(("+", "&"))]
    broker.command("ACL", "SETUSER", prefix, "on", ">secret", "resetchannels", "-@all", *rights)
    try:
        await works(RedisLayer(broker.url, username=prefix, password="secret"))
    finally:
        broker.command("ACL", "DELUSER", prefix)


async def test_tls(redis_server: str, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    made = await anyio.run_process([*words.split(), "-keyout", str(key), "-out", str(certificate)], check=False)
    if made.returncode:
        pytest.skip("no openssl program")
    plain = free_port()
    options = ("--tls-port", str(plain), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    with brokers.broker(redis_server, *options, "--tls-auth-clients", "no") as broker:
        assert broker.port != plain
        await works(RedisLayer(f"rediss://127.0.0.1:{plain}", ssl_ca_certs=str(certificate)))
        untrusted = RedisLayer(f"rediss://127.0.0.1:{plain}", timeout=0.5)
        with pytest.raises(LayerUnavailable):
            await untrusted.publish(Publication("x", groups=("room",)))
        await untrusted.aclose()


async def test_who_is_turned_away_is_told_why(redis_server: str, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    with brokers.broker(redis_server) as broker:
        waits, raises = (
            RedisLayer(broker.url, prefix=prefix, unavailable=one, timeout=0.5) for one in ("wait", "raise")
        )
        await waits.publish(Publication("x", groups=("room",)))
        broker.command("ACL", "SETUSER", "default", "resetchannels")  # who hears such a channel is disconnected
        await until(lambda: "is still broken: NoPermissionError" in caplog.text)  # and why it stays so
        for layer in (waits, raises):
            with pytest.raises(LayerUnavailable, match="cannot be reached: NoPermissionError: this user has no perm"):
                await layer.publish(Publication("x", groups=("room",)))
            await layer.aclose()


async def test_over_a_unix_socket(redis_server: str, tmp_path: Path) -> None:
    with brokers.broker(redis_server, "--unixsocket", str(tmp_path / "redis.sock")):
        await works(RedisLayer(f"unix://{tmp_path / 'redis.sock'}"))
