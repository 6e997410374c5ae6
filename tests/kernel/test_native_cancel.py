"""Tasks that a server cancels with `asyncio.Task.cancel`, from which no scope shields, however often it does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import anyio
import pytest

from chanx import Channel, Context
from tests.kernel import clock
from tests.kernel.messages import Hired, Job
from tests.kernel.wire import Wire, websocket_scope


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return clock.backend("asyncio")


@pytest.mark.parametrize("event", [False, True])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("hangs", [False, True])
async def test_the_hooks_run_where_it_comes_while_handlers_are_being_ended(
    event: bool, times: int, hangs: bool
) -> None:
    log: list[str] = []
    started, ending, may_end = anyio.Event(), anyio.Event(), anyio.Event()
    channel = Channel()

    async def work() -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ending.set()
            with anyio.CancelScope(shield=True):
                await may_end.wait()
            log.append("worked")

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.on_disconnect
    async def leave(ctx: Context) -> None:
        log.append("left")

    @channel.on(Job, concurrency=2)
    async def job(message: Job) -> None:
        await work()

    @channel.event(Hired)
    async def hired(event: Hired) -> None:
        await work()

    wire = Wire(channel, websocket_scope(), 5)
    task = asyncio.create_task(wire.run())
    await wire.accepted()
    if event:
        await channel.emit(Hired(name="Ada"), group="room")
    else:
        wire.say({"action": "job"})
    await started.wait()
    task.cancel()  # now the handler is ended
    await ending.wait()
    for _ in range(times):
        task.cancel()
        await anyio.wait_all_tasks_blocked()
    assert log == []
    watch = clock.Stopwatch()
    if not hangs:
        may_end.set()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()  # the server's wish is granted in the end
    assert log == (["left"] if hangs else ["worked", "left"])
    assert watch.seconds == pytest.approx(5 if hangs else 0, abs=0.1)
    assert channel.stats().connections == 0
    assert channel.layers()[0].members.groups() == []
    may_end.set()
    await anyio.wait_all_tasks_blocked()
    assert log.count("worked") == 1
