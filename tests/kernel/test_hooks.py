"""Hooks in order and in reverse, generators, and the bound on cleaning up."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio
import pytest

from chanx import Channel, Context, Depends, Limits, Reject
from tests.kernel import clock
from tests.kernel.messages import Boom, Said, Say, Wait
from tests.kernel.wire import serve


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


def noting(name: str, log: list[str]) -> Channel:
    channel = Channel(name)

    @channel.on_connect
    async def enter() -> None:
        log.append(f"{name} in")

    @channel.on_connect
    async def both() -> AsyncGenerator[None, None]:
        log.append(f"{name} first half")
        yield
        log.append(f"{name} second half")

    @channel.on_disconnect
    async def leave() -> None:
        log.append(f"{name} out")

    return channel


async def test_in_order_of_inclusion_and_back() -> None:
    log: list[str] = []
    parent, a, b, c = (noting(name, log) for name in ("parent", "a", "b", "c"))
    a.include(b)
    parent.include(a)
    parent.include(c)
    async with serve(parent) as wire:
        await wire.accepted()
        entered = [f"{name} {what}" for name in ("parent", "a", "b", "c") for what in ("in", "first half")]
        assert log == entered
        log.clear()
        wire.leave()
        await wire.end()
    assert log == [f"{name} {what}" for name in ("c", "b", "a", "parent") for what in ("out", "second half")]


async def test_a_channel_included_twice_enters_and_leaves_once() -> None:
    log: list[str] = []
    parent, child = Channel("parent"), noting("child", log)
    parent.include(child, prefix="one.")
    parent.include(child, prefix="two.")
    async with serve(parent) as wire:
        await wire.accepted()
        wire.leave()
        await wire.end()
    assert log == ["child in", "child first half", "child out", "child second half"]


async def test_a_task_group_across_the_connection() -> None:
    channel = Channel()
    log: list[str] = []

    @channel.on_connect
    async def background(ctx: Context) -> AsyncGenerator[None, None]:
        async def tell() -> None:
            try:
                await ctx.send(Said(text="from the background"))
                await anyio.sleep_forever()
            finally:
                log.append("task ended")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell)
            yield
            tasks.cancel_scope.cancel()
        log.append("hook ended")

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    async with serve(channel) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.frames)
        wire.say({"action": "say", "text": "hello"})
        await wire.until(lambda: len(wire.frames) == 2)
        wire.leave()
        await wire.end()
    assert log == ["task ended", "hook ended"]
    assert [frame["text"] for frame in wire.frames] == ["from the background", "hello"]
    assert channel.stats().handler_errors == 0


async def test_a_task_group_when_the_server_cancels() -> None:
    channel = Channel()
    log: list[str] = []

    @channel.on_connect
    async def background() -> AsyncGenerator[None, None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            yield
            tasks.cancel_scope.cancel()
        log.append("hook ended")

    @channel.on_disconnect
    async def leave() -> None:
        await anyio.sleep(1)  # cancellation does not reach into this
        log.append("left")

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        wire.cancel()
        await wire.end()
    assert log == ["left", "hook ended"]
    assert channel.stats().handler_errors == 0


async def test_a_task_group_when_the_handshake_takes_too_long() -> None:
    """The first hook holds a task group, a later one is cancelled by `connect_timeout`."""
    first, second, parent = Channel("first"), Channel("second"), Channel("parent")
    log: list[str] = []

    @first.on_connect
    async def background() -> AsyncGenerator[None, None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            yield
            tasks.cancel_scope.cancel()
        log.append("hook ended")

    @second.on_connect
    async def stall() -> None:
        await anyio.sleep_forever()

    parent.include(first)
    parent.include(second)
    async with serve(parent, patience=1000) as wire:
        await wire.end()
    assert wire.sent[0]["status"] == 503
    assert log == ["hook ended"]
    assert parent.stats().handler_errors == 0


async def test_a_task_of_a_hook_that_fails_ends_only_its_own_connection(caplog: pytest.LogCaptureFixture) -> None:
    channel = Channel()
    fail = anyio.Event()

    @channel.on_connect
    async def background() -> AsyncGenerator[None, None]:
        async def task() -> None:
            await fail.wait()
            raise ValueError("the background task")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(task)
            yield

    left: list[str] = []

    @channel.on_disconnect
    async def leave() -> None:
        await anyio.sleep(1)  # the failed task group is cancelled, this hook is not
        left.append("left")

    with caplog.at_level(logging.ERROR, "chanx"):
        async with serve(channel, patience=1000) as wire:
            await wire.accepted()
            await wire.until(lambda: wire.listening)
            fail.set()
            await wire.end()
        assert wire.error is None
    assert left == ["left"]
    assert channel.stats().connections == 0
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("yields", [0, 2])
async def test_a_generator_that_does_not_yield_once(yields: int) -> None:
    channel = Channel()

    @channel.on_connect
    async def wrong() -> AsyncGenerator[None, None]:
        for _ in range(yields):
            yield

    async with serve(channel) as wire:
        if yields == 0:
            await wire.end()
            assert wire.sent[0]["status"] == 500
        else:
            await wire.accepted()
            wire.leave()
            await wire.end()
    assert channel.stats().handler_errors == 1


async def test_a_generator_that_refuses_has_no_second_half() -> None:
    channel = Channel()
    log: list[str] = []

    @channel.on_connect
    async def refuse() -> AsyncGenerator[None, None]:
        try:
            raise Reject(403, "no")
            yield
        finally:
            log.append("undone by itself")

    async with serve(channel) as wire:
        await wire.end()
    assert wire.sent[0]["status"] == 403
    assert log == ["undone by itself"]


class TestCleanup:
    """Hooks and dependencies end within `Limits.cleanup`, and each of them gets its turn."""

    def channel(self, log: list[str], limits: Limits | None = None) -> Channel:
        channel = Channel(limits=limits)

        async def resource() -> AsyncGenerator[str, None]:
            try:
                yield "r"
            finally:
                log.append("closed")

        @channel.on_connect
        async def enter(value: Annotated[str, Depends(resource, scope="connection")]) -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                log.append("second half")

        @channel.on_disconnect
        async def hangs() -> None:
            log.append("hangs")
            await anyio.sleep_forever()

        return channel

    async def test_is_bounded(self, caplog: pytest.LogCaptureFixture) -> None:
        log: list[str] = []
        channel = self.channel(log)
        async with serve(channel, patience=1000) as wire:
            await wire.accepted()
            wire.leave()
            watch = clock.Stopwatch()
            with caplog.at_level(logging.WARNING, "chanx"):
                await wire.end()
            assert watch.seconds == pytest.approx(Limits().cleanup, abs=0.1)
        assert log[0] == "hangs"
        assert "Limits.cleanup" in caplog.text
        assert channel.stats().connections == 0

    async def test_is_bounded_when_the_server_cancels(self) -> None:
        log: list[str] = []
        async with serve(self.channel(log), patience=1000) as wire:
            await wire.accepted()
            await wire.until(lambda: wire.listening)
            watch = clock.Stopwatch()
            wire.cancel()
            await wire.end()
            assert watch.seconds == pytest.approx(Limits().cleanup, abs=0.1)

    async def test_a_hook_that_hangs_keeps_nothing_open(self) -> None:
        log: list[str] = []
        async with serve(self.channel(log), patience=1000) as wire:
            await wire.accepted()
            wire.leave()
            await wire.end()
            assert log == ["hangs", "second half", "closed"]

    async def test_a_hook_within_the_bound_is_not_cut_short(self) -> None:
        channel = Channel()
        log: list[str] = []

        @channel.on_disconnect
        async def leave() -> None:
            await anyio.sleep(4.9)
            log.append("left")

        async with serve(channel, patience=1000) as wire:
            await wire.accepted()
            wire.leave()
            await wire.end()
        assert log == ["left"]


async def test_dependencies_of_the_connection_close_after_the_hooks_in_reverse() -> None:
    channel = Channel()
    log: list[str] = []

    async def outer() -> AsyncGenerator[str, None]:
        log.append("outer opens")
        yield "outer"
        log.append("outer closes")

    async def inner(value: Annotated[str, Depends(outer, scope="connection")]) -> AsyncGenerator[str, None]:
        log.append("inner opens")
        yield f"{value} inner"
        log.append("inner closes")

    @channel.on_connect
    async def enter(value: Annotated[str, Depends(inner, scope="connection")]) -> None:
        log.append(f"connect {value}")

    @channel.on(Say)
    async def say(message: Say, value: Annotated[str, Depends(inner, scope="connection")]) -> Said:
        return Said(text=value)

    @channel.on_disconnect
    async def leave(value: Annotated[str, Depends(inner, scope="connection")]) -> None:
        log.append(f"disconnect {value}")

    async with serve(channel) as wire:
        await wire.accepted()
        wire.say({"action": "say", "text": ""})
        await wire.until(lambda: wire.frames)
        wire.leave()
        await wire.end()
    assert wire.frames == [{"action": "said", "text": "outer inner"}]
    opens = ["outer opens", "inner opens", "connect outer inner"]
    assert log == [*opens, "disconnect outer inner", "inner closes", "outer closes"]


@pytest.mark.parametrize("message", [Boom(), Wait()], ids=["raises", "cancelled"])
async def test_dependencies_of_the_connection_close_after_a_handler_failed(message: Boom | Wait) -> None:
    channel = Channel()
    log: list[str] = []
    started = anyio.Event()

    async def resource() -> AsyncGenerator[str, None]:
        yield "r"
        log.append("closed")

    @channel.on(Boom)
    async def boom(message: Boom, value: Annotated[str, Depends(resource, scope="connection")]) -> None:
        started.set()
        raise ValueError("boom")

    @channel.on(Wait)
    async def wait(message: Wait, value: Annotated[str, Depends(resource, scope="connection")]) -> None:
        started.set()
        await anyio.sleep_forever()

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.say(message.model_dump())
        await started.wait()
        wire.cancel()
        await wire.end()
    assert log == ["closed"]
