"""Pushes are written in a task of their own: nothing that a `send` does, or suffers, reaches whoever published."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from chanx import Channel, Context, Limits, _runtime
from chanx._writers import ParkedWriter, Starts
from tests.kernel.messages import Said
from tests.kernel.wire import Wire, serve, websocket_scope

Send = Callable[[Any], Awaitable[None]]
Wrap = Callable[[Send], Send]

number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


def wrapped(channel: Channel, wrap: Wrap) -> Any:
    """The channel behind a middleware that gives it another `send` for text frames."""

    async def app(scope: Any, receive: Any, send: Send) -> None:
        inner = wrap(send)

        async def either(event: Any) -> None:
            await (inner if event["type"] == "websocket.send" else send)(event)

        await channel(scope, receive, either)

    return app


def room(limits: Limits | None = None) -> Channel:
    channel = Channel(limits=limits)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    return channel


@contextlib.asynccontextmanager
async def two(channel: Channel, wrap: Wrap) -> AsyncGenerator[tuple[Wire, Wire]]:
    """One member behind the middleware, and one without."""
    async with serve(wrapped(channel, wrap)) as odd, serve(channel) as even:
        await odd.accepted()
        await even.accepted()
        await odd.until(lambda: odd.listening)
        await even.until(lambda: even.listening)
        yield odd, even


async def say(channel: Channel, *texts: str) -> None:
    for text in texts:
        await channel.broadcast(Said(text=text), group="room")


def texts(wire: Wire) -> list[str]:
    return [frame["text"] for frame in wire.frames]


def at_once(send: Send) -> Send:
    """A `send` that does not suspend."""
    return send


def later(send: Send) -> Send:
    """A `send` that suspends, before and after."""

    async def suspending(event: Any) -> None:
        await anyio.lowlevel.checkpoint()
        await send(event)
        await anyio.lowlevel.checkpoint()

    return suspending


SPEEDS = pytest.mark.parametrize("speed", [at_once, later])


@SPEEDS
async def test_a_send_that_holds_a_token_of_a_context_variable(speed: Wrap) -> None:
    seen: list[int] = []

    def wrap(send: Send) -> Send:
        inner = speed(send)

        async def counted(event: Any) -> None:
            seen.append(number.get())
            token = number.set(number.get() + 1)
            try:
                await inner(event)
            finally:
                number.reset(token)

        return counted

    channel = room()
    async with two(channel, wrap) as (odd, even):
        token = number.set(100)  # the publisher's own, which no send sees
        await say(channel, "1", "2")
        assert number.get() == 100
        number.reset(token)
        await odd.reached(frames=2)
        await even.reached(frames=2)
        await say(channel, "3")
        await odd.reached(frames=3)
    assert texts(odd) == ["1", "2", "3"]
    assert seen == [0, 0, 0]


@SPEEDS
async def test_a_send_within_scopes_and_timeouts(speed: Wrap) -> None:
    def wrap(send: Send) -> Send:
        inner = speed(send)

        async def limited(event: Any) -> None:
            with anyio.fail_after(5), anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(anyio.lowlevel.checkpoint)
                    await inner(event)

        return limited

    channel = room()
    async with two(channel, wrap) as (odd, even):
        await say(channel, "1", "2", "3")
        await odd.reached(frames=3)
        await even.reached(frames=3)
    assert texts(odd) == texts(even) == ["1", "2", "3"]


async def test_a_timeout_that_fires_in_a_send_ends_that_connection_only() -> None:
    def wrap(send: Send) -> Send:
        async def impatient(event: Any) -> None:
            try:
                with anyio.fail_after(0.01):
                    await anyio.sleep_forever()
            finally:
                fired.set()

        return impatient

    channel, fired = room(), anyio.Event()
    async with two(channel, wrap) as (odd, even):
        with anyio.CancelScope() as scope:
            await say(channel, "1")
            with anyio.fail_after(5):
                await fired.wait()
            await anyio.wait_all_tasks_blocked()
            assert channel.layers()[0].members.count("room") == 1
            await say(channel, "2")
        assert not scope.cancelled_caught
        await even.reached(frames=2)
        assert odd.frames == []
        odd.leave()
        await odd.end()


async def test_a_scope_that_is_cancelled_in_a_send_does_not_cancel_the_publisher() -> None:
    def wrap(send: Send) -> Send:
        async def skipped(event: Any) -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anyio.lowlevel.checkpoint()
                await send(event)

        return skipped

    channel = room()
    async with two(channel, wrap) as (odd, even):
        await say(channel, "1", "2")
        await even.reached(frames=2)
        await anyio.wait_all_tasks_blocked()
        assert odd.frames == []
        assert channel.layers()[0].members.count("room") == 2  # a send that gives up quietly is no broken one


@SPEEDS
async def test_a_send_that_raises_takes_its_connection_out_and_no_other(speed: Wrap) -> None:
    def wrap(send: Send) -> Send:
        async def broken(event: Any) -> None:
            await speed(refused)(event)

        async def refused(event: Any) -> None:
            raise RuntimeError("no transport")

        return broken

    channel = room()
    async with two(channel, wrap) as (odd, even):
        await say(channel, "1")
        await anyio.wait_all_tasks_blocked()
        assert channel.layers()[0].members.count("room") == 1
        await say(channel, "2")
        await even.reached(frames=2)
        odd.leave()
        await odd.end()
    assert texts(even) == ["1", "2"]


@SPEEDS
async def test_a_send_that_publishes(speed: Wrap) -> None:
    """To the same group, and so to itself: what it is writing comes first, and nothing runs in circles."""
    channel = room()

    def wrap(send: Send) -> Send:
        inner = speed(send)

        async def echoing(event: Any) -> None:
            text: str = json.loads(event["text"])["text"]
            if len(text) < 4:
                await say(channel, f"{text}+")
            await inner(event)

        return echoing

    async with two(channel, wrap) as (odd, even):
        await say(channel, "1")
        await odd.reached(frames=4)
        await even.reached(frames=4)
        await anyio.wait_all_tasks_blocked()
    assert texts(odd) == ["1", "1+", "1++", "1+++"]
    assert sorted(texts(even)) == ["1", "1+", "1++", "1+++"]


async def test_order_is_kept_while_some_sends_suspend_and_others_do_not() -> None:
    count = 0

    def wrap(send: Send) -> Send:
        async def sometimes(event: Any) -> None:
            nonlocal count
            count += 1
            for _ in range(count % 3):
                await anyio.lowlevel.checkpoint()
            await send(event)

        return sometimes

    channel = room()
    wanted = [str(one) for one in range(60)]
    async with two(channel, wrap) as (odd, even):
        for text in wanted:
            await say(channel, text)
            if int(text) % 7 == 0:
                await anyio.lowlevel.checkpoint()
        await odd.reached(frames=60)
        await even.reached(frames=60)
    assert texts(odd) == texts(even) == wanted


async def test_no_task_is_left_when_the_connections_have_ended() -> None:
    before: set[object] = set() if _runtime.on_trio() else set(asyncio.all_tasks())
    channel = room()
    async with two(channel, later) as (odd, even):
        await say(channel, "1")
        await odd.reached(frames=1)
        await even.reached(frames=1)
        await say(channel, "2")
    await anyio.wait_all_tasks_blocked()
    assert _runtime.current().connections == set()
    if not _runtime.on_trio():
        assert asyncio.all_tasks() == before


# -- asyncio alone: where a task can be started at once, and be cancelled by anybody ----------------

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@ASYNCIO
@SPEEDS
async def test_the_task_and_the_context_of_a_send(speed: Wrap) -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    def wrap(send: Send) -> Send:
        inner = speed(send)

        async def noted(event: Any) -> None:
            async with asyncio.timeout(5):
                tasks.append(asyncio.current_task())
                assert asyncio.current_task() is anyio_task()
                await inner(event)
                assert asyncio.current_task() is tasks[-1]

        return noted

    def anyio_task() -> object:
        own = anyio.get_current_task()
        return next(task for task in asyncio.all_tasks() if id(task) == own.id)

    channel = room()
    async with two(channel, wrap) as (odd, _):
        publisher = asyncio.current_task()
        await say(channel, "1")
        assert asyncio.current_task() is publisher
        await odd.reached(frames=1)
    assert len(tasks) == 1
    assert tasks[0] is not None
    assert tasks[0] is not publisher


@ASYNCIO
@SPEEDS
async def test_a_cancellation_that_a_send_stumbled_over_is_a_broken_send(speed: Wrap) -> None:
    def wrap(send: Send) -> Send:
        async def stray(event: Any) -> None:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await speed(lambda _: gone)(event)

        return stray

    channel = room()
    async with two(channel, wrap) as (odd, even):
        await say(channel, "1")
        await even.reached(frames=1)
        await anyio.wait_all_tasks_blocked()
        assert channel.layers()[0].members.count("room") == 1
        odd.leave()
        await odd.end()


@ASYNCIO
@pytest.mark.parametrize("when", ["writing", "idle"])
async def test_a_writer_that_somebody_cancels(when: str, caplog: pytest.LogCaptureFixture) -> None:
    """While it writes, its frame is lost and so is the connection; while it has nothing to do, nothing is."""
    before: set[asyncio.Task[Any]] = set()
    channel = room()
    async with serve(channel) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        before |= asyncio.all_tasks()
        if when == "writing":
            wire.hold()
        await say(channel, "1")
        await wire.reached(frames=1)
        await anyio.wait_all_tasks_blocked()
        for task in asyncio.all_tasks() - before:
            task.cancel()
        if when == "idle":
            await say(channel, "2")
            await wire.reached(frames=2)
            await say(channel, "3")
            await wire.reached(frames=3)
        else:
            await anyio.wait_all_tasks_blocked()
            assert channel.layers()[0].members.count("room") == 0
            wire.release()
            wire.leave()
            await wire.end()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@ASYNCIO
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="what is pushed is written at once")
async def test_a_writer_that_somebody_cancels_before_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Its frame is lost, and so is the connection."""
    channel = room()
    async with serve(channel) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        before = asyncio.all_tasks()
        await say(channel, "1")
        await wire.reached(written=2)
        await anyio.wait_all_tasks_blocked()
        await say(channel, "2")
        for task in asyncio.all_tasks() - before:
            task.cancel()
        with anyio.fail_after(5):
            while channel.layers()[0].members.count("room"):
                await anyio.lowlevel.checkpoint()
        assert len(wire.frames) == 1
        wire.leave()
        await wire.end()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@ASYNCIO
@pytest.mark.parametrize("first", ["the piece of work", "the cancellation"])
async def test_a_parked_writer_goes_on_once_whoever_comes_first(first: str) -> None:
    """What was to be done by the one that is cancelled is lost; what is asked for after that is not."""
    loop, tasks, told = asyncio.get_running_loop(), set[asyncio.Task[None]](), list[str]()

    async def work() -> None:
        told.append("done")

    context = contextvars.copy_context()
    writer = ParkedWriter(
        Starts(loop), loop, tasks, work, lambda: told.append("lost"), context, lambda: told.append("late")
    )
    assert writer.begin()
    await anyio.wait_all_tasks_blocked()
    assert not writer.begin()
    await anyio.wait_all_tasks_blocked()
    assert told == ["done", "done"]  # by the same task, and none of them late
    (task,) = tasks
    if first == "the cancellation":
        task.cancel()
        assert writer.begin()  # by another task
    else:
        assert not writer.begin()
        task.cancel()
    task.cancel()
    await asyncio.wait([task])
    await anyio.wait_all_tasks_blocked()
    if first == "the cancellation":
        assert told == ["done", "done", "done"]
    else:
        assert told == ["done", "done", "late", "lost"]
    assert task.cancelled()
    writer.cancel()
    if tasks:
        await asyncio.wait(tasks)
    assert tasks == set()


async def test_a_thousand_members_and_a_close_in_between() -> None:
    """Those that leave while they are written to are no burden for the others."""
    channel = room()
    over = anyio.Event()
    got = [0] * 1000

    def member(index: int) -> tuple[Any, Any]:
        connected = False

        async def receive() -> Any:
            nonlocal connected
            if not connected:
                connected = True
                return {"type": "websocket.connect"}
            await over.wait()
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(event: Any) -> None:
            if event["type"] == "websocket.send":
                if index % 10 == 0 and got[index] == 3:
                    raise OSError("gone")
                got[index] += 1

        return receive, send

    async with anyio.create_task_group() as tasks:
        for index in range(1000):
            tasks.start_soon(channel, websocket_scope(), *member(index))
        while channel.layers()[0].members.count("room") < 1000:
            await anyio.wait_all_tasks_blocked()
        for text in range(10):
            await say(channel, str(text))
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert got == [3 if index % 10 == 0 else 10 for index in range(1000)]
        assert channel.layers()[0].members.count("room") == 900
        over.set()
    assert channel.stats().connections == 0
