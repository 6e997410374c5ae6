"""Draining connections that live on other event loops and threads of the process."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import anyio.to_thread

from chanx import Channel, Context, Drained, MemoryLayer
from tests.kernel.test_group_loops import abandon, on_thread
from tests.kernel.wire import serve


class Guest:
    """A connection on an event loop of its own, in a thread of its own; it leaves when it is closed."""

    def __init__(self, channel: Channel, backend: str, *, stays: bool = False) -> None:
        self.closed: tuple[int, str] | None = None
        self.ready, self.ended, self.go = threading.Event(), threading.Event(), threading.Event()
        self._channel = channel
        self._stays = stays
        self.thread = on_thread(backend, self._run)
        assert self.ready.wait(5)

    async def _run(self) -> None:
        async with serve(self._channel) as wire:
            await wire.accepted()
            self.ready.set()
            if self._stays:
                self.go.wait(10)  # the loop of this thread is stuck
            await wire.until(lambda: wire.closed)
            self.closed = wire.closed
        self.ended.set()


def house(ended: list[int]) -> Channel:
    channel = Channel("house", groups=MemoryLayer())

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.on_disconnect
    async def leave() -> None:
        ended.append(threading.get_ident())

    return channel


async def test_connections_of_two_other_loops_are_closed_on_their_own() -> None:
    ended: list[int] = []
    channel = house(ended)
    guests = [Guest(channel, "asyncio"), Guest(channel, "trio")]
    assert await channel.drain(batch=1, interval=0.01) == Drained(closed=2)
    assert sorted(ended) == sorted(one.thread.ident or 0 for one in guests)  # before the drain was over
    for guest in guests:
        assert await anyio.to_thread.run_sync(guest.ended.wait, 5)
        assert guest.closed == (1012, "restarting")
    assert channel.layers()[0].members.groups() == []


async def test_calls_from_two_loops_join() -> None:
    channel = house([])
    guest = Guest(channel, "asyncio")
    results: list[Any] = []

    def elsewhere() -> None:
        results.append(asyncio.run(channel.drain()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, elsewhere)
        results.append(await channel.drain())
    assert results == [Drained(closed=1)] * 2
    assert await anyio.to_thread.run_sync(guest.ended.wait, 5)


async def test_a_loop_that_has_ended_is_not_waited_for() -> None:
    channel = house([])
    thread = threading.Thread(target=abandon, args=(channel,))
    thread.start()
    await anyio.to_thread.run_sync(thread.join, 5)
    with anyio.fail_after(10):
        assert await channel.drain(timeout=1000) == Drained(cut=1)


async def test_a_loop_that_is_stuck_does_not_hold_the_drain() -> None:
    channel = house([])
    guest = Guest(channel, "asyncio", stays=True)
    assert await channel.drain(timeout=0.2) == Drained(cut=1)
    assert guest.closed is None
    guest.go.set()
    assert await anyio.to_thread.run_sync(guest.ended.wait, 5)
    assert guest.closed == (1012, "restarting")
    assert await channel.drain() == Drained(closed=1)


async def test_the_loop_that_drains_may_end_first() -> None:
    """Who has joined from another loop gets an answer all the same."""
    channel = house([])
    guest = Guest(channel, "asyncio", stays=True)

    async def begin() -> None:
        with anyio.move_on_after(0.01):
            await channel.drain(timeout=0.2)

    thread = on_thread("asyncio", begin)
    await anyio.to_thread.run_sync(thread.join, 5)
    assert await channel.drain() == Drained(cut=1)
    guest.go.set()
    assert await anyio.to_thread.run_sync(guest.ended.wait, 5)
