"""Plain functions run in worker threads, of a limiter of the channel's own."""

from __future__ import annotations

import threading

import anyio
import anyio.from_thread

from chanx import Channel, Limits
from chanx.testing import connect
from tests.kernel.messages import Said, Say, Wait
from tests.kernel.wire import serve


async def test_a_plain_def_runs_in_a_thread_and_may_come_back() -> None:
    channel = Channel()
    threads: set[int] = set()

    @channel.on(Say)
    def say(message: Say) -> Said:
        threads.add(threading.get_ident())
        return Said(text=message.text.upper())

    async with connect(channel) as client:
        await client.send(Say(text="hello"))
        assert await client.receive(Said) == Said(text="HELLO")
    assert threading.get_ident() not in threads
    assert len(threads) == 1


async def test_at_most_so_many_at_once() -> None:
    channel = Channel(limits=Limits(threads=2))
    lock = threading.Lock()
    running, most = 0, 0
    entered = threading.Semaphore(0)
    release = threading.Event()

    @channel.on(Wait)
    def wait(message: Wait) -> Said:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        entered.release()
        release.wait(5)
        with lock:
            running -= 1
        return Said(text="done")

    async with serve(channel) as one, serve(channel) as two, serve(channel) as three:
        wires = (one, two, three)
        for wire in wires:
            await wire.accepted()
            wire.say({"action": "wait"})
        for _ in range(2):
            assert await anyio.to_thread.run_sync(entered.acquire, True, 5)
        await anyio.wait_all_tasks_blocked()
        assert not entered.acquire(blocking=False)
        assert running == 2
        release.set()
        for wire in wires:
            await wire.reached(frames=1)
    assert most == 2


async def test_one_channel_does_not_take_the_threads_of_another() -> None:
    busy, free = Channel(limits=Limits(threads=1)), Channel(limits=Limits(threads=1))
    entered, release = threading.Event(), threading.Event()

    @busy.on(Wait)
    def wait(message: Wait) -> None:
        entered.set()
        release.wait(5)

    @free.on(Say)
    def say(message: Say) -> Said:
        return Said(text=message.text)

    async with connect(busy) as one, connect(free) as two:
        await one.send(Wait())
        assert await anyio.to_thread.run_sync(entered.wait, 5)
        await two.send(Say(text="hello"))
        assert await two.receive(Said) == Said(text="hello")
        release.set()


async def test_a_thread_that_raises_is_a_handler_that_raises() -> None:
    channel = Channel()

    @channel.on(Say)
    def say(message: Say) -> None:
        raise ValueError("in a thread")

    async with connect(channel, raise_app_exceptions=False) as client:
        await client.send({"action": "say", "text": "", "ref": 1})
        answer = await client.receive()
        assert (answer["payload"]["code"], answer["ref"]) == ("internal_error", 1)
        assert [str(error) for error in client.errors] == ["in a thread"]
