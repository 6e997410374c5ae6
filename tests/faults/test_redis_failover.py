"""Another server takes the place of the broker, or the broker comes back from what it has written: histories go on from
there, and no client hears a position twice without being told.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import anyio.to_thread
import pytest

from chanx import Channel, History, LayerUnavailable, Publication
from chanx.groups.redis import RedisLayer
from chanx.testing import Client
from tests import brokers
from tests.brokers import Broker
from tests.faults.conftest import impatient
from tests.faults.proxy import Proxy
from tests.faults.test_redis_history import RULES, chat, once, publish, stream, texts
from tests.faults.test_redis_link import until
from tests.kernel.messages import Said
from tests.servers import HOST

pytestmark = [pytest.mark.faults, pytest.mark.redis]


@pytest.fixture
def replica(redis_server: str, broker: Broker) -> Iterator[Broker]:
    """A server that has all that the broker has."""
    broker.command("CONFIG", "SET", "repl-diskless-sync-delay", 0)
    with brokers.broker(redis_server, "--replicaof", HOST, str(broker.port)) as made:
        yield made


@pytest.fixture
async def elsewhere(proxy: Proxy) -> AsyncIterator[Channel]:
    """Another process, behind the same proxy."""
    layer = impatient(proxy.url)
    yield Channel("elsewhere", groups=layer, history=RULES)
    await layer.aclose()


async def has(replica: Broker, seq: int) -> None:
    await until(lambda: replica.command("HGET", "chanx:count:room", "seq") == str(seq))


async def take_over(proxy: Proxy, broker: Broker, replica: Broker) -> None:
    """The replica is the broker now."""
    replica.command("REPLICAOF", "NO", "ONE")
    broker.kill()
    proxy.target = replica.port
    await anyio.to_thread.run_sync(proxy.cut)


async def recover_at(client: Client, seq: int, epoch: str) -> None:
    await client.send(json.dumps({"action": "recover", "streams": {"s": {"seq": seq, "epoch": epoch}}, "ref": 1}))


async def moved(one: Client, epoch: str) -> dict[str, Any]:
    """Skips pushes up to the frame that tells of another epoch."""
    while True:
        frame: dict[str, Any] = await one.receive()
        if frame.get("epoch", epoch) != epoch:
            return frame


async def test_a_replica_that_has_all_goes_on(
    proxy: Proxy, layer: RedisLayer, elsewhere: Channel, broker: Broker, replica: Broker
) -> None:
    channel = chat(layer)
    async with stream(channel) as one, stream(channel) as two:
        epoch = (await one.receive())["epoch"]
        await two.receive()
        await publish(elsewhere, list("abc"))
        assert await texts(one, 3) == await texts(two, 3) == list("abc")
        await has(replica, 3)
        await take_over(proxy, broker, replica)
        await once(elsewhere, "d")  # its link may not have noticed yet
        told = await moved(one, epoch)
        assert (told["action"], told["seq"], "recovered" in told) == ("position", 3, False)
        assert await texts(one, 1) == ["d"]
        assert await texts(two, 0) == []
    async with stream(channel) as back:  # who was away all the time
        now = (await back.receive())["epoch"]
        assert now == told["epoch"]
        await recover_at(back, 1, epoch)
        assert await texts(back, 3) == list("bcd")
        assert (await back.receive())["streams"]["s"] == {"recovered": True, "seq": 4, "epoch": now}
        await recover_at(back, 4, epoch)  # no client stood there in that epoch
        assert (await back.receive())["streams"]["s"] == {"recovered": False, "seq": 4, "epoch": now}


@pytest.mark.parametrize("more", [1, 6], ids=["fewer", "more"])
async def test_a_replica_that_was_behind_is_told(
    proxy: Proxy, layer: RedisLayer, elsewhere: Channel, broker: Broker, replica: Broker, more: int
) -> None:
    channel = chat(layer)
    async with stream(channel) as one:
        epoch = (await one.receive())["epoch"]
        await publish(elsewhere, list("ab"))
        await has(replica, 2)
        replica.command("REPLICAOF", "NO", "ONE")
        await publish(elsewhere, list("cde"))  # these it does not have
        assert await texts(one, 5) == list("abcde")
        proxy.halt()
        await take_over(proxy, broker, replica)
        direct = impatient(replica.url)  # somebody publishes before the process of the client has looked
        await publish(Channel("direct", groups=direct, history=RULES), [str(number) for number in range(more)])
        await direct.aclose()
        proxy.go_on()
        told = await moved(one, epoch)
        assert (told["action"], told["seq"], told["recovered"]) == ("position", 2 + more, False)
        await once(elsewhere, "last")
        assert await texts(one, 1) == ["last"]


@pytest.mark.parametrize("lasting", [True, False], ids=["written", "forgotten"])
async def test_the_broker_comes_back_with_what_it_has_written(redis_server: str, lasting: bool) -> None:
    words = ("--appendonly", "yes", "--appendfsync", "always") if lasting else ()
    with brokers.broker(redis_server, *words) as broker:
        layer = impatient(broker.url)
        channel = chat(layer)
        async with stream(channel) as one:
            epoch = (await one.receive())["epoch"]
            await publish(channel, list("abc"))
            assert await texts(one, 3) == list("abc")
            await anyio.to_thread.run_sync(broker.kill)
            await until(lambda: not layer.healthy())
            await anyio.to_thread.run_sync(broker.start)
            await until(layer.healthy)
            await anyio.to_thread.run_sync(lambda: channel.broadcast_sync(Said(text="d"), group="room"))
            told = await moved(one, epoch)
            assert told.get("recovered", True) is lasting
            if lasting:
                assert (told["seq"], await texts(one, 1)) == (3, ["d"])
        await layer.aclose()


async def test_a_broker_that_has_no_memory_left_stores_nothing_more(broker: Broker) -> None:
    layer = impatient(broker.url)
    layer.keep({"room *": History()})
    known, other = Publication("{}", groups=("room 1",)), Publication("{}", groups=("room 2",))
    await layer.publish(known)
    broker.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    broker.command("CONFIG", "SET", "maxmemory", 1)
    keys = broker.keys()
    for publication in (known, other):
        with pytest.raises(LayerUnavailable, match="maxmemory"):
            await layer.publish(publication)
    with pytest.raises(LayerUnavailable, match="maxmemory"):
        await layer.recall("room 2")
    assert (await layer.recall("room 1")).seq == 1
    await layer.publish(Publication("{}", groups=("no history",)))
    assert broker.keys() == keys
    await layer.aclose()


class Shifty(Proxy):
    """Tells each connection another `run_id`."""

    def _pass(self, source: socket.socket, to: socket.socket, gate: threading.Event) -> None:
        told = f"run_id:{secrets.token_hex(20)}".encode()

        class Sink:
            def sendall(self, data: bytes) -> None:
                to.sendall(re.sub(rb"run_id:[0-9a-f]{40}", told, data))

            def shutdown(self, how: int) -> None:
                to.shutdown(how)

            def close(self) -> None:
                to.close()

        super()._pass(source, cast("socket.socket", Sink()), gate)


@pytest.mark.parametrize("run_id", [True, False])
async def test_a_run_id_that_says_nothing_may_be_left_out(broker: Broker, run_id: bool) -> None:
    proxy = Shifty(broker.port)
    layers = [impatient(proxy.url, run_id=run_id) for _ in range(2)]
    channel, other = chat(layers[0]), Channel("other", groups=layers[1], history=RULES)
    async with stream(channel) as one:
        epoch = (await one.receive())["epoch"]
        await publish(channel, ["a"])
        await publish(other, ["b"])
        await anyio.to_thread.run_sync(lambda: channel.broadcast_sync(Said(text="c"), group="room"))
        if run_id:
            await moved(one, epoch)
        else:
            assert await texts(one, 3) == list("abc")
    now = broker.command("HGET", "chanx:count:room", "epoch")
    assert (now == epoch) is not run_id
    for layer in layers:
        await layer.aclose()
    proxy.close()


async def test_a_broker_that_has_forgotten_the_scripts_gets_them_again(
    layer: RedisLayer, broker: Broker, elsewhere: Channel
) -> None:
    channel = chat(layer)
    async with stream(channel) as one:
        await one.receive()
        await publish(channel, ["a"])
        broker.command("SCRIPT", "FLUSH")
        with pytest.raises(LayerUnavailable, match="refused"):
            await publish(channel, ["not sent"])
        await publish(channel, ["b"])
        broker.command("SCRIPT", "FLUSH")

        def sync() -> None:
            channel.broadcast_sync(Said(text="c"), group="room")
            broker.command("SCRIPT", "FLUSH")
            with pytest.raises(LayerUnavailable, match="refused"):
                channel.broadcast_sync(Said(text="not sent"), group="room")
            channel.broadcast_sync(Said(text="d"), group="room")

        await anyio.to_thread.run_sync(sync)
        assert await texts(one, 4) == list("abcd")
