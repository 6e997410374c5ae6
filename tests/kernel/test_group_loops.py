"""Groups over threads and event loops of one process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest

from chanx import Channel, Context, MemoryLayer
from chanx.testing import connect
from tests.kernel.messages import Hired, Said
from tests.kernel.wire import Wire, serve, websocket_scope


def office() -> Channel:
    channel = Channel("office", groups=MemoryLayer())

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired)
    async def hired(event: Hired) -> Said:
        return Said(text=f"welcome {event.name}")

    return channel


async def test_publishing_from_a_thread_keeps_the_threads_order() -> None:
    channel = office()

    def publish(thread: int) -> None:
        for number in range(100):
            channel.broadcast_sync(Said(text=f"{thread}-{number}"), group="room")

    async with serve(channel) as wire:
        await wire.accepted()
        async with anyio.create_task_group() as tasks:
            for thread in range(3):
                tasks.start_soon(anyio.to_thread.run_sync, publish, thread)
        await wire.until(lambda: len(wire.frames) == 300)
        told = [frame["text"] for frame in wire.frames]
    for thread in range(3):
        assert [text for text in told if text.startswith(f"{thread}-")] == [f"{thread}-{n}" for n in range(100)]


async def test_emitting_from_a_thread() -> None:
    channel = office()

    def publish() -> None:
        for number in range(20):
            channel.emit_sync(Hired(name=str(number)), group="room")

    async with connect(channel) as client:
        await anyio.to_thread.run_sync(publish)
        told = [(await client.receive(Said)).text for _ in range(20)]
    assert told == [f"welcome {number}" for number in range(20)]


@pytest.mark.parametrize("kind", ["broadcast", "emit"])
async def test_on_a_thread_with_a_loop_it_raises_and_names_the_async_form(kind: str) -> None:
    channel = office()
    async with connect(channel) as client:
        with pytest.raises(RuntimeError, match=rf"await channel\.{kind}\("):
            getattr(channel, f"{kind}_sync")(Hired(name="x"), group="room")
        await client.settled()
        assert client.pending == []


def on_thread(backend: str, function: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: anyio.run(function, backend=backend), daemon=True)
    thread.start()
    return thread


class Guest:
    """A member on an event loop of its own, in a thread of its own."""

    def __init__(self, channel: Channel, backend: str) -> None:
        self.frames: list[str] = []
        self.ready, self.leave, self.full = threading.Event(), threading.Event(), threading.Event()
        self._channel = channel
        self.thread = on_thread(backend, self._run)
        assert self.ready.wait(5)

    async def _run(self) -> None:
        async with serve(self._channel) as wire:
            await wire.accepted()
            self.ready.set()
            await wire.until(lambda: len(wire.frames) == 3)
            self.frames = [frame["text"] for frame in wire.frames]
            self.full.set()
            await anyio.to_thread.run_sync(self.leave.wait)


async def test_members_on_two_loops_in_two_threads() -> None:
    channel = office()
    guests = [Guest(channel, "asyncio"), Guest(channel, "trio")]
    async with connect(channel) as client:
        assert channel.layers()[0].members.count("room") == 3
        await channel.broadcast(Said(text="one"), group="room")
        await anyio.to_thread.run_sync(lambda: channel.broadcast_sync(Said(text="two"), group="room"))
        await channel.emit(Hired(name="three"), group="room")
        assert [(await client.receive(Said)).text for _ in range(3)] == ["one", "two", "welcome three"]
        for guest in guests:
            assert await anyio.to_thread.run_sync(guest.full.wait, 5)
            assert guest.frames == ["one", "two", "welcome three"]
            guest.leave.set()
        for guest in guests:
            await anyio.to_thread.run_sync(guest.thread.join, 5)
        assert channel.layers()[0].members.count("room") == 1
    assert channel.layers()[0].members.groups() == []


def abandon(channel: Channel) -> None:
    """Run a connection on an asyncio loop that ends without letting it leave."""

    async def until_joined() -> None:
        wire = Wire(channel, websocket_scope(), 5)
        _kept_alive.append(asyncio.ensure_future(wire.run()))
        await wire.accepted()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(until_joined())
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        _kept_alive.append(task)
    loop.close()


#: Tasks of dead loops; collecting them would run their `finally` blocks, which is what a killed loop does not do.
_kept_alive: list[Any] = []


async def test_a_member_whose_loop_died_is_forgotten() -> None:
    channel = office()
    thread = threading.Thread(target=abandon, args=(channel,))
    thread.start()
    await anyio.to_thread.run_sync(thread.join, 5)
    members = channel.layers()[0].members
    assert members.count("room") == 1
    async with connect(channel) as client:
        assert members.count("room") == 2
        await channel.broadcast(Said(text="hello"), group="room")
        assert await client.receive(Said) == Said(text="hello")
        assert members.count("room") == 1
        await channel.broadcast(Said(text="again"), group="room")
        assert await client.receive(Said) == Said(text="again")
    assert members.groups() == []
