"""Background work of one event loop: whose tasks, whose errors, and what is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import subprocess
import sys
from typing import Any

import anyio
import pytest

from chanx import Channel, Context, _runtime
from chanx.testing import connect
from tests.kernel.messages import Hired, Said, Say


class Stuck:
    """A connection whose look fails."""

    def tick(self) -> bool:
        raise LookupError("broken")


class Counted:
    """A connection that wants to be looked at twice."""

    def __init__(self) -> None:
        self.looks = 0
        self.done = anyio.Event()

    def tick(self) -> bool:
        self.looks += 1
        if self.looks == 2:
            self.done.set()
        return self.looks < 2


async def test_an_error_of_background_work_is_logged_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    ran = anyio.Event()

    async def work() -> None:
        ran.set()
        raise LookupError("broken work")

    _runtime.current().spawn(work, context=contextvars.copy_context())
    with anyio.fail_after(2):
        await ran.wait()
    await anyio.wait_all_tasks_blocked()
    assert "broken work" in caplog.text


async def test_one_failing_look_does_not_end_the_looking(caplog: pytest.LogCaptureFixture) -> None:
    runtime = _runtime.current()
    counted = Counted()
    with caplog.at_level(logging.ERROR):
        runtime.watch(Stuck())
        runtime.watch(counted)
        with anyio.fail_after(2):
            await counted.done.wait()
    assert "looking at" in caplog.text
    assert counted.looks == 2


async def test_a_cancelled_timer_does_not_fire() -> None:
    runtime = _runtime.current()
    fired: list[str] = []
    done = anyio.Event()
    cancel = runtime.later(0.01, lambda: fired.append("cancelled"))
    cancel()
    runtime.later(0.02, done.set)
    with anyio.fail_after(2):
        await done.wait()
    assert fired == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_factory_of_the_application_is_not_used_for_background_work() -> None:
    """An eager one would write to a member's socket inside the publisher's task."""
    loop = asyncio.get_running_loop()
    channel = Channel("chat")

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.broadcast(Said(text=message.text), group="room")

    @channel.event(Hired)
    async def hired(event: Hired) -> Said:
        return Said(text=event.name)

    made: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    async with connect(channel) as client:
        await client.settled()
        loop.set_task_factory(factory)
        try:
            await client.send(Say(text="one"))
            assert (await client.receive(Said)).text == "one"
            await channel.emit(Hired(name="Ada"), group="room")
            assert (await client.receive(Said)).text == "Ada"
            await client.settled()
        finally:
            loop.set_task_factory(None)
    assert made == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    """As under a server that loads the application before it forks its workers."""
    program = (
        "import os, sys\n"
        "from chanx import _process\n"
        "os.fork() or print(_process.identity, flush=True) or os._exit(0)\n"
        "os.wait()\n"
        "print(_process.identity)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    child, parent = told.stdout.split()
    assert child != parent
