"""A connection on which no frame has come yet: whatever ends it ends it in time, and once."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from chanx import Channel, Context, Limits
from tests.kernel import clock
from tests.kernel.messages import Fired, Hired, Said, Say
from tests.kernel.wire import serve, websocket_scope


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


class Hall:
    """A channel that can be told from outside to close."""

    def __init__(self) -> None:
        self.channel = channel = Channel(limits=Limits(linger=7.0))
        self.entered = anyio.Event()
        self.working = anyio.Event()
        self.ends: list[tuple[int | None, str]] = []

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("hall")
            self.entered.set()

        @channel.on_disconnect
        async def leave(ctx: Context) -> None:
            self.ends.append((ctx.close_code, ctx.close_reason))

        @channel.on(Say)
        async def say(message: Say) -> Said:
            return Said(text=message.text)

        @channel.event(Hired)
        async def hired(event: Hired, ctx: Context) -> None:
            await ctx.close(4001, "hired")

        @channel.event(Fired)
        async def fired(event: Fired) -> None:
            self.working.set()
            await anyio.sleep_forever()


@pytest.fixture
def hall(anyio_backend: object) -> Hall:
    return Hall()


async def test_a_close_ends_the_wait_for_a_client_that_does_not_answer_it(hall: Hall) -> None:
    async with serve(hall.channel, patience=30) as wire:
        await wire.until(lambda: wire.listening)
        watch = clock.Stopwatch()
        await hall.channel.emit(Hired(name="Ada"), group="hall")
        await wire.end()
        assert wire.closed == (4001, "hired")
        assert watch.seconds < 1
    assert hall.ends == [(4001, "hired")]


async def test_a_server_that_cannot_send_ends_the_wait(hall: Hall) -> None:
    async with serve(hall.channel, patience=30) as wire:
        await wire.until(lambda: wire.listening)
        wire.fails = OSError("broken")
        watch = clock.Stopwatch()
        await hall.channel.broadcast(Said(text="hello"), group="hall")
        await wire.end()
        assert watch.seconds == pytest.approx(7)
    assert hall.ends == [(1006, "")]


async def test_what_comes_after_a_close_is_not_handled(hall: Hall) -> None:
    async with serve(hall.channel) as wire:
        await wire.until(lambda: wire.listening)
        await hall.channel.emit(Hired(name="Ada"), group="hall")
        await wire.until(lambda: wire.closed)
        wire.say({"action": "say", "text": "late"})
        await wire.end()
        assert wire.frames == []
    assert hall.ends == [(4001, "hired")]


async def test_an_event_that_still_runs_has_its_time_after_the_client_has_left(hall: Hall) -> None:
    async with serve(hall.channel, patience=30) as wire:
        await wire.until(lambda: wire.listening)
        await hall.channel.emit(Fired(name="Ada"), group="hall")
        await hall.working.wait()
        watch = clock.Stopwatch()
        wire.leave(1001)
        await wire.end()
        assert watch.seconds == pytest.approx(7)
    assert hall.channel.stats().cancelled == 1
    assert hall.ends == [(1001, "")]


async def test_a_server_that_cancels_is_obeyed(hall: Hall) -> None:
    async with serve(hall.channel) as wire:
        await wire.until(lambda: wire.listening)
        wire.cancel()
        await wire.end()
    assert hall.ends == [(1006, "")]


@pytest.mark.parametrize("anyio_backend", [clock.backend("asyncio")], ids=["asyncio"])
@pytest.mark.parametrize("cancels", [0, 1])
async def test_a_task_that_is_cancelled_at_the_end_of_its_time_is_cancelled(hall: Hall, cancels: int) -> None:
    """asyncio counts who has cancelled a task: our own time being over must not hide a cancellation by the server."""
    inbound = iter([{"type": "websocket.connect"}])

    async def receive() -> Any:
        for event in inbound:
            return event
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            for _ in range(cancels):
                task.cancel()
            raise

    async def send(event: Any) -> None:
        pass

    task = asyncio.create_task(hall.channel(websocket_scope(), receive, send))
    await hall.entered.wait()
    await anyio.wait_all_tasks_blocked()
    await hall.channel.emit(Hired(name="Ada"), group="hall")
    await asyncio.wait([task])
    assert task.cancelled() == bool(cancels)
    assert hall.ends == [(4001, "hired")]


@pytest.mark.parametrize("anyio_backend", [clock.backend("asyncio")], ids=["asyncio"])
async def test_a_server_that_swallows_the_end_of_the_wait_leaves_no_cancellation_behind(hall: Hall) -> None:
    inbound = iter([{"type": "websocket.connect"}])

    async def receive() -> Any:
        for event in inbound:
            return event
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            return {"type": "websocket.disconnect", "code": 1005}

    async def send(event: Any) -> None:
        pass

    async def connection() -> int:
        await hall.channel(websocket_scope(), receive, send)
        own = asyncio.current_task()
        assert own is not None
        return own.cancelling()

    task = asyncio.create_task(connection())
    await hall.entered.wait()
    await anyio.wait_all_tasks_blocked()
    await hall.channel.emit(Hired(name="Ada"), group="hall")
    assert await task == 0
    assert hall.ends == [(4001, "hired")]
