"""One channel layer from several threads and event loops, which `async_to_sync` makes where there is none."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pytest
from asgiref.sync import async_to_sync, sync_to_async

from chanx.channels.exceptions import ChannelFull
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.testing import WebsocketCommunicator
from chanx.compat.mailbox import Mailbox
from tests.compat.clock import Clock

Layer = InMemoryChannelLayer


def left_behind(layer: Layer) -> list[Any]:
    members = layer.group_layer.members
    return [*layer._mailboxes, *layer._unheard, *members.groups(), *members.everyone()]


def test_code_without_a_loop_sends_and_receives() -> None:
    layer = Layer()
    async_to_sync(layer.group_add)("group", "a")
    async_to_sync(layer.group_send)("group", {"number": 1})
    async_to_sync(layer.send)("a", {"number": 2})
    assert async_to_sync(layer.receive)("a") == {"number": 1}
    assert async_to_sync(layer.receive)("a") == {"number": 2}
    async_to_sync(layer.group_discard)("group", "a")
    assert left_behind(layer) == []


async def test_who_waits_on_a_loop_is_woken_from_a_thread() -> None:
    layer = Layer()
    got: list[Any] = []

    async def receive() -> None:
        got.append(await layer.receive("a"))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(async_to_sync(layer.send), "a", {"number": 1})
    assert got == [{"number": 1}]


async def test_async_to_sync_inside_sync_to_async() -> None:
    layer = Layer()
    await sync_to_async(async_to_sync(layer.send))("a", {"number": 1})
    assert await sync_to_async(async_to_sync(layer.receive))("a") == {"number": 1}


def test_many_threads_send_and_receive_and_each_message_comes_once() -> None:
    layer = Layer(capacity=10_000)
    threads, each = 6, 200

    def send(sender: int) -> None:
        async def all_of_them() -> None:
            for number in range(each):
                await layer.send("a", {"number": [sender, number]})

        asyncio.run(all_of_them())

    def receive(_: int) -> list[tuple[int, int]]:
        async def all_of_them() -> list[tuple[int, int]]:
            return [tuple((await layer.receive("a"))["number"]) for _ in range(each)]

        return asyncio.run(all_of_them())

    with ThreadPoolExecutor(2 * threads) as pool:
        received = [pool.submit(receive, one) for one in range(threads)]
        sent = [pool.submit(send, one) for one in range(threads)]
        for future in sent:
            future.result(60)
        got = [future.result(60) for future in received]
    assert sorted(pair for part in got for pair in part) == [(a, b) for a in range(threads) for b in range(each)]
    for part in got:  # each receiver gets what one sender sent in the order in which it was sent
        for sender in range(threads):
            numbers = [number for by, number in part if by == sender]
            assert numbers == sorted(numbers)
    assert left_behind(layer) == []


def test_threads_that_fill_a_channel_are_told_and_nothing_is_dropped() -> None:
    layer = Layer(capacity=50)
    barrier = threading.Barrier(8)

    def send(_: int) -> int:
        barrier.wait(10)
        sent = 0
        for _ in range(20):
            try:
                async_to_sync(layer.send)("a", {})
            except ChannelFull:
                pass
            else:
                sent += 1
        return sent

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(8))) == 50
    assert layer.dropped == 0
    assert layer._mailboxes["a"].waiting == 50


def test_joining_and_leaving_from_many_threads_loses_no_member() -> None:
    layer = Layer()

    def churn(who: int) -> None:
        async def often() -> None:
            for number in range(200):
                await layer.group_add("group", f"{who}")
                await layer.group_send("group", {"number": number})
                await layer.receive(f"{who}")
                await layer.group_discard("group", f"{who}")
                while layer._mailboxes.get(f"{who}") is not None:  # what the others sent
                    await layer.receive(f"{who}")

        asyncio.run(often())

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(churn, who) for who in range(4)]:
            future.result(60)
    assert left_behind(layer) == []


def test_a_loop_that_ended_while_somebody_waited_takes_no_message() -> None:
    layer = Layer()
    loop = asyncio.new_event_loop()
    task = loop.create_task(layer.receive("a"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    async_to_sync(layer.send)("a", {"number": 1})
    assert async_to_sync(layer.receive)("a") == {"number": 1}
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()
    assert left_behind(layer) == []


class Consumer(AsyncJsonWebsocketConsumer):
    groups = ["group"]

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json(event["text"])


async def test_a_consumer_hears_what_threads_without_a_loop_send() -> None:
    layer = Layer()
    register_channel_layer("default", layer)
    client = WebsocketCommunicator(Consumer.as_asgi(), "/")
    await client.connect()

    def send() -> None:
        for number in range(20):
            async_to_sync(layer.group_send)("group", {"type": "chat.message", "text": number})

    await anyio.to_thread.run_sync(send)
    assert [await client.receive_json_from() for _ in range(20)] == list(range(20))
    await client.disconnect()
    assert left_behind(layer) == []


async def test_a_consumer_stays_in_its_groups_as_long_as_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    clock.install(monkeypatch)
    layer = Layer(group_expiry=10)
    register_channel_layer("default", layer)
    client = WebsocketCommunicator(Consumer.as_asgi(), "/")
    await client.connect()
    clock.now += 100
    await layer.send("x", {})  # looks for what nobody would miss
    await layer.receive("x")
    await layer.group_send("group", {"type": "chat.message", "text": "a day later"})
    assert await client.receive_json_from() == "a day later"
    await client.disconnect()
    assert left_behind(layer) == []


async def test_the_channel_of_a_consumer_ends_with_it() -> None:
    def mailboxes() -> list[Mailbox]:
        return [one for one in gc.get_objects() if type(one) is Mailbox]  # a lazy object would be made by a look

    gc.collect()
    before = mailboxes()  # layers of other tests, which something may still hold
    layer = Layer()
    register_channel_layer("default", layer)
    client = WebsocketCommunicator(Consumer.as_asgi(), "/")
    await client.connect()
    await layer.group_send("group", {"type": "chat.message", "text": 1})
    await client.receive_json_from()
    gc.collect()
    gc.disable()
    try:
        assert any(one not in before for one in mailboxes())
        await client.disconnect()
        await anyio.wait_all_tasks_blocked()
        assert [one for one in mailboxes() if one not in before] == []
    finally:
        gc.enable()


def test_a_consumer_whose_loop_ended_is_forgotten_when_something_is_sent_to_it() -> None:
    layer = Layer()
    register_channel_layer("default", layer)
    loop = asyncio.new_event_loop()

    async def connect() -> WebsocketCommunicator:
        client = WebsocketCommunicator(Consumer.as_asgi(), "/")
        await client.connect()
        return client

    client = loop.run_until_complete(connect())
    loop.close()
    assert layer.group_layer.members.count("group") == 1
    async_to_sync(layer.group_send)("group", {"type": "chat.message", "text": 1})
    assert left_behind(layer) == []
    client.future._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_flush_leaves_consumers_their_channels() -> None:
    layer = Layer()
    register_channel_layer("default", layer)
    client = WebsocketCommunicator(Consumer.as_asgi(), "/")
    await client.connect()
    await layer.flush()
    await layer.group_send("group", {"type": "chat.message", "text": "to nobody"})
    (channel,) = layer._mailboxes
    await layer.send(channel, {"type": "chat.message", "text": "to it"})
    assert await client.receive_json_from() == "to it"
    await client.disconnect()
    assert left_behind(layer) == []


@pytest.mark.parametrize("count", [10, 100])
async def test_a_broadcast_is_written_once_however_many_hear_it(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from chanx.compat import content

    written: list[Any] = []
    write = content.write

    def counted(message: Any) -> str:
        written.append(message)
        return write(message)

    monkeypatch.setattr(content, "write", counted)
    layer = Layer()
    for number in range(count):
        await layer.group_add("group", f"c{number}")
    await layer.group_send("group", {"number": 1})
    assert len(written) == 1
    bodies = {id(publication) for mailbox in layer._mailboxes.values() for _, publication in mailbox.queue or ()}
    assert len(bodies) == 1


def test_it_serves_trio_as_well_and_asyncio_at_once() -> None:
    layer = Layer()
    got: list[Any] = []

    async def receive() -> None:
        await layer.group_add("group", "a")
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            for number in range(2):
                await anyio.to_thread.run_sync(async_to_sync(layer.group_send), "group", {"number": number})
        await layer.group_discard("group", "a")

    async def take() -> None:
        got.append((await layer.receive("a"))["number"])

    anyio.run(receive, backend="trio")
    assert sorted(got) == [0, 1]
    assert left_behind(layer) == []
