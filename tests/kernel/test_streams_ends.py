"""A stream that fails, or whose connection ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from chanx import Channel, ConfigurationError, ConnectionClosed, Context, Limits
from tests.kernel.desk import Desk, anyio_backend, job, opened, say, settled, streaming, told
from tests.kernel.messages import Boom, Done, Hired, Job, Said
from tests.kernel.streaming import stream_of, three, with_resource

__all__ = ["anyio_backend"]


# -- errors ----------------------------------------------------------------------------------------


async def test_an_error_in_the_middle_is_the_end() -> None:
    async def breaks(message: Job) -> AsyncIterator[Done]:
        yield Done(name="0")
        raise ValueError("secret")

    channel = stream_of(breaks)
    async with opened(channel) as wire:
        wire.say(job("a"), say())
        await settled(wire)
        assert told(wire) == ["a done", "a internal_error", "x said"]
        assert "secret" not in str(wire.frames)
    assert channel.stats().handler_errors == 1


async def test_an_error_function_answers_in_place_of_the_end() -> None:
    async def breaks(message: Job) -> AsyncIterator[Done]:
        yield Done(name="0")
        raise ValueError("told")

    channel = stream_of(breaks)

    @channel.on_error(ValueError)
    async def failed(error: ValueError) -> list[Said]:
        return [Said(text="1"), Said(text=str(error))]

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert told(wire) == ["a done", "a said", "a said", "a complete"]


async def test_an_error_function_cannot_stream() -> None:
    channel = stream_of(three)

    @channel.on_error(ValueError)
    async def failed(error: ValueError) -> AsyncIterator[Said]:
        yield Said(text="")

    with pytest.raises(ConfigurationError, match="failed"):
        channel.compile()


async def test_an_item_that_is_no_message() -> None:
    log: list[str] = []

    async def wrong(message: Job) -> AsyncGenerator[Any, None]:
        yield Done(name="0")
        yield 3
        log.append("never")

    async with opened(with_resource(log, wrong)) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert told(wire) == ["a done", "said", "a internal_error"]
    assert log[-2:] == ["finally", "closed"]
    assert "never" not in log


async def test_a_middleware_around_a_stream() -> None:
    channel = stream_of(three)
    seen: list[Any] = []

    @channel.middleware
    async def around(call_next: Callable[[Any], Awaitable[Any]], message: Any, ctx: Context) -> Any:
        seen.append(ctx.is_open)
        await call_next(message)

    async with opened(channel) as wire:
        wire.say(job("a"), say())
        await settled(wire)
        assert told(wire) == ["a done", "a done", "a done", "a complete", "x ack"]
    assert seen == [True, True]


# -- how it ends -----------------------------------------------------------------------------------


async def test_the_client_leaves() -> None:
    desk = Desk()
    channel = streaming(desk)
    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        start = anyio.current_time()
        wire.leave()
        await wire.end()
        assert anyio.current_time() - start <= 0.25
    assert desk.log == ["+a", "!a"]
    assert channel.stats().handler_errors == channel.stats().cancelled == 0


async def test_the_client_has_left_before_it_began() -> None:
    desk = Desk()
    async with opened(streaming(desk)) as wire:
        wire.say({"action": "wait", "name": "w"}, job("a"))
        await settled(wire)
        wire.leave()
        await wire.until(lambda: wire.waiting == 0)
        desk.let("w")
        await wire.end()
    assert desk.log == ["+w", "-w"]


@pytest.mark.parametrize("options", [{}, {"concurrency": 1}], ids=["serial", "concurrent"])
async def test_the_server_closes(options: dict[str, Any]) -> None:
    desk = Desk()
    channel = streaming(desk, **options)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        await ctx.close(3000)

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        await channel.emit(Hired(name="x"), group="room")
        await wire.end()
        assert wire.closed == (3000, "")
        assert told(wire) == ["a done"]
    assert desk.log == ["+a", "!a"]


async def test_a_stream_that_closes_its_own_connection() -> None:
    log: list[str] = []
    channel = Channel()

    @channel.on(Boom)
    async def boom(message: Boom, ctx: Context) -> AsyncIterator[Done]:
        yield Done(name="0")
        await ctx.close(3000)
        try:
            yield Done(name="1")
        except (ConnectionClosed, GeneratorExit) as error:
            log.append(type(error).__name__)
            raise

    async with opened(channel) as wire:
        wire.say({"action": "boom", "ref": 1})
        await wire.end()
        assert wire.closed == (3000, "")
        assert told(wire) == ["1 done"]
    assert log == ["GeneratorExit"]


async def test_a_slow_client_slows_the_stream_down() -> None:
    made: list[int] = []

    async def many(message: Job) -> AsyncIterator[Done]:
        for number in range(50):
            made.append(number)
            yield Done(name=str(number))

    async with opened(stream_of(many, Limits(outbox=3))) as wire:
        wire.hold()
        wire.say(job("a"))
        await wire.until(lambda: wire.listening)
        await anyio.sleep(5)
        assert len(made) <= 5
        wire.release()
        await wire.until(lambda: "a complete" in told(wire))
        assert [frame.get("name") for frame in wire.frames[:-1]] == [str(number) for number in range(50)]


async def test_a_client_that_reads_nothing_is_closed() -> None:
    log: list[str] = []

    async def many(message: Job) -> AsyncIterator[Done]:
        try:
            while True:
                yield Done(name="x")
        finally:
            log.append("finally")

    channel = stream_of(many, Limits(outbox=3))
    async with opened(channel) as wire:
        wire.hold()
        wire.say(job("a"))
        await anyio.sleep(Limits().send_timeout + 2)
        assert channel.stats().slow_closed == 1
        assert log == ["finally"]
        wire.release()


async def test_a_send_that_fails_ends_the_stream() -> None:
    log: list[str] = []

    async def many(message: Job) -> AsyncIterator[Done]:
        try:
            while True:
                yield Done(name="x")
        finally:
            log.append("finally")

    channel = stream_of(many)
    async with opened(channel) as wire:
        await settled(wire)
        wire.fails = OSError("gone")
        wire.say(job("a"))
        await wire.until(lambda: bool(log))
        wire.leave()
        await wire.end()
    assert log == ["finally"]
    assert channel.stats().handler_errors == 0


async def test_an_event_handler_streams_without_a_ref() -> None:
    channel = Channel()

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired)
    async def hired(event: Hired) -> AsyncIterator[Said]:
        yield Said(text="1")
        yield Said(text="2")

    async with opened(channel) as wire:
        await channel.emit(Hired(name="x"), group="room")
        await settled(wire)
        assert wire.frames == [{"action": "said", "text": "1"}, {"action": "said", "text": "2"}]
