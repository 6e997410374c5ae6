"""A group layer that takes its time and fails: what the memory layer never does, and one with a broker will."""

from __future__ import annotations

from collections.abc import Awaitable

import anyio
import pytest

from chanx import Channel, ConnectionClosed, Context, MemoryLayer
from chanx.testing import connect
from tests.kernel.messages import Said, Say, Wait
from tests.kernel.wire import serve


class SlowLayer(MemoryLayer):
    """Confirms a subscription when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.confirmed = anyio.Event()
        self.error: Exception | None = None

    def subscribe(self, group: str) -> Awaitable[None]:  # type: ignore[override]
        self.asked += 1
        return self._confirm()

    async def _confirm(self) -> None:
        await self.confirmed.wait()
        if self.error is not None:
            raise self.error

    def unsubscribe(self, group: str) -> None:
        if group == "broken":
            raise LookupError("the broker's own trouble")


async def test_join_returns_when_the_layer_has_confirmed_also_for_the_second_who_asks() -> None:
    layer = SlowLayer()
    channel = Channel(groups=layer)
    joined: list[str] = []

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        async def join(name: str) -> None:
            await ctx.join("room")
            joined.append(name)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(join, "first")
            tasks.start_soon(join, "second")
            await anyio.wait_all_tasks_blocked()
            assert joined == []
            layer.confirmed.set()

    async with connect(channel) as client:
        assert (await client.request(Say(text="x")))["action"] == "ack"
        assert sorted(joined) == ["first", "second"]
        await channel.broadcast(Said(text="heard"), group="room")
        assert (await client.receive(Said)).text == "heard"


async def test_a_join_that_the_layer_refuses_leaves_no_member() -> None:
    layer = SlowLayer()
    layer.error = OSError("no broker")
    layer.confirmed.set()
    channel = Channel(groups=layer)

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> Said:
        with pytest.raises(OSError, match="no broker"):
            await ctx.join("room")
        return Said(text=str(len(ctx.groups)))

    async with connect(channel) as client:
        assert (await client.request(Say(text="x"), Said)).text == "0"
        assert layer.members.count("room") == 0


async def test_a_join_whose_client_leaves_meanwhile_says_so() -> None:
    layer = SlowLayer()
    channel = Channel(groups=layer)
    told: list[type[Exception]] = []

    @channel.on(Wait)
    async def wait(message: Wait, ctx: Context) -> None:
        try:
            await ctx.join("room")
        except ConnectionClosed as error:
            told.append(type(error))

    async with serve(channel) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        await wire.until(lambda: layer.asked)
        wire.leave()
        await wire.until(lambda: layer.members.count("room") == 0)
        layer.confirmed.set()
        await wire.end()
    assert told == [ConnectionClosed]
    assert layer.members.groups() == []


async def test_a_layer_that_fails_to_unsubscribe_keeps_no_member_of_any_group() -> None:
    layer = SlowLayer()
    layer.confirmed.set()
    channel = Channel(groups=layer)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("one", "broken", "two")

    async with serve(channel) as wire:
        await wire.accepted()
        wire.leave()
        await wire.end()
    assert wire.error is None
    assert layer.members.groups() == []
    assert channel.stats().handler_errors == 1
