"""A stream of the client is over when either side is."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

import anyio
from pydantic import BaseModel

from chanx import Channel, ConnectionClosed, Context, Limits
from chanx.exceptions import ChanxError
from tests.kernel.desk import Desk, anyio_backend, cancel, opened, settled, told
from tests.kernel.messages import Boom, Said, Say
from tests.kernel.uploads import BESIDE, Chunk, Upload, Uploads, chunk, end, say, start

__all__ = ["anyio_backend"]


@BESIDE
async def test_cancelled_by_the_client(options: dict[str, Any]) -> None:
    uploads = Uploads(**options)
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1), cancel("u"), chunk(2), end(), say())
        await settled(wire)
        assert sorted(told(wire)) == ["u cancelled", "x said"]
        assert uploads.desk.log in (["+u", "!u"], [])
        assert uploads.data() in ([1], [])
        wire.say(start(), chunk(5), end())  # the ref is free again, and nothing is left of the first stream
        await settled(wire)
        assert wire.frames[-1] == {"action": "said", "text": str(5 + sum(uploads.data()[:-1])), "ref": "u"}


async def test_cancelled_while_it_waits_with_its_chunks() -> None:
    uploads = Uploads()
    async with opened(uploads.channel) as wire:
        wire.say({"action": "wait", "name": "w"}, start(), chunk(1), end(), cancel("u"), start(), chunk(2), end())
        await settled(wire)
        assert told(wire) == ["u cancelled"]
        uploads.desk.let("w")
        await settled(wire)
        assert told(wire) == ["u cancelled", "u said"]
        assert uploads.data() == [2]


async def test_cancelled_while_it_waits_in_its_lane() -> None:
    uploads = Uploads(concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say(start("u"), start("v"), chunk(1, "v"), end("v"), cancel("v"))
        await settled(wire)
        assert told(wire) == ["v cancelled"]
        wire.say(end("u"))
        await settled(wire)
        assert told(wire) == ["v cancelled", "u said"]
        assert uploads.data("v") == []


@BESIDE
async def test_a_bad_chunk_ends_the_stream_with_its_error(options: dict[str, Any]) -> None:
    uploads = Uploads(**options)
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1))
        await settled(wire)
        wire.say(chunk("two"), chunk(3), end(), say())
        await settled(wire)
        assert sorted(told(wire)) == ["u invalid_message", "x said"]
        error = next(frame for frame in wire.frames if frame["action"] == "error")
        assert error["payload"]["errors"][0]["loc"] == ["data"]
        assert uploads.data() == [1]
    assert uploads.channel.stats().bad_frames == 1
    assert uploads.channel.stats().handler_errors == 0


async def test_a_bad_chunk_may_be_caught_and_the_stream_goes_on() -> None:
    channel = Channel()
    taken: list[int] = []

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> Said:
        bad = 0
        while True:
            try:
                taken.append((await anext(chunks)).data)
            except StopAsyncIteration:
                return Said(text=f"{bad} bad")
            except ChanxError:
                bad += 1

    async with opened(channel) as wire:
        wire.say(start(), chunk(1), chunk("two"), chunk(3), end())
        await settled(wire)
        assert wire.frames == [{"action": "said", "text": "1 bad", "ref": "u"}]
    assert taken == [1, 3]
    assert channel.stats().bad_frames == 1


async def test_bad_chunks_strike_out() -> None:
    channel = Channel(limits=Limits(strikes=2))

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        for _ in range(4):
            with contextlib.suppress(ChanxError):
                await anext(chunks)

    async with opened(channel) as wire:
        wire.say(start(), chunk("a"), chunk("b"), chunk("c"), chunk("d"))
        await wire.until(lambda: wire.closed)
        assert wire.closed == (1008, "too many bad frames")


async def test_a_validator_of_chunks_that_is_broken_is_the_servers_fault() -> None:
    from pydantic import field_validator

    class Broken(BaseModel):
        action: Literal["chunk"] = "chunk"
        data: int

        @field_validator("data")
        @classmethod
        def check(cls, value: int) -> int:
            raise RuntimeError("secret")

    channel = Channel()

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Broken]) -> None:
        async for _ in chunks:
            pass

    async with opened(channel) as wire:
        wire.say(start(), chunk(1))
        await settled(wire)
        assert told(wire) == ["u internal_error"]
        assert "secret" not in str(wire.frames)
    assert channel.stats().bad_frames == 0
    assert channel.stats().handler_errors == 1


@BESIDE
async def test_the_client_leaves_in_the_middle(options: dict[str, Any]) -> None:
    uploads = Uploads(**options)
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1), chunk(2))
        await settled(wire)
        begin = anyio.current_time()
        wire.leave()
        await wire.end()
        assert anyio.current_time() - begin <= 0.25
    assert uploads.data() == [1, 2]
    assert uploads.desk.log == ["+u", "!u"]
    assert uploads.channel.stats().handler_errors == 0


@BESIDE
async def test_the_client_leaves_after_the_end_of_its_stream(options: dict[str, Any]) -> None:
    """What it had sent before is still handled."""
    uploads = Uploads(paced=True, **options)
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1), chunk(2), end())
        await settled(wire)
        wire.leave()
        await wire.until(lambda: wire.waiting == 0)
        uploads.desk.let("u1", "u2")
        await wire.end()
    assert uploads.desk.log == ["+u", "-u"]


async def test_the_handler_sees_that_the_client_left() -> None:
    channel = Channel()
    seen: list[int | None] = []

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        try:
            await anext(chunks)
        except ConnectionClosed as closed:
            seen.append(closed.code)
            raise

    async with opened(channel) as wire:
        wire.say(start())
        await settled(wire)
        wire.leave(4001)
        await wire.end()
    assert seen == [4001]


async def test_the_server_closes_in_the_middle() -> None:
    uploads = Uploads(concurrency=1)

    @uploads.channel.on(Boom)
    async def boom(message: Boom, ctx: Context) -> None:
        await ctx.close(3000)

    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1))
        await settled(wire)
        wire.say({"action": "boom"})
        await wire.end()
    assert uploads.desk.log == ["+u", "!u"]
    assert told(wire) == []


@BESIDE
async def test_a_handler_that_returns_early(options: dict[str, Any]) -> None:
    channel = Channel(limits=Limits(read_ahead=3))

    @channel.on(Upload, **options)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> Said:
        return Said(text=str((await anext(chunks)).data))

    @channel.on(Say)
    async def answer(message: Say) -> Said:
        return Said(text=message.text)

    async with opened(channel) as wire:
        wire.say(start(), *(chunk(number) for number in range(10)), end(), say())
        await settled(wire)
        assert told(wire) == ["u said", "x said"]
        assert wire.frames[0]["text"] == "0"
        wire.say(start(), chunk(7), end())  # nothing is left of the first stream
        await settled(wire)
        assert wire.frames[-1]["text"] == "7"


@BESIDE
async def test_a_handler_that_reads_nothing(options: dict[str, Any]) -> None:
    channel = Channel(limits=Limits(read_ahead=3))
    desk = Desk()

    @channel.on(Upload, **options)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        await desk.work(message.name)

    async with opened(channel) as wire:
        wire.say(start(), *(chunk(number) for number in range(10)), end())
        await anyio.sleep(5)
        assert wire.waiting == 11 - 3
        desk.let("u")
        await settled(wire)
        assert told(wire) == ["u ack"]


async def test_a_handler_that_raises_in_the_middle() -> None:
    channel = Channel(limits=Limits(read_ahead=3))

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        async for one in chunks:
            raise ValueError(one.data)

    async with opened(channel) as wire:
        wire.say(start(), *(chunk(number) for number in range(10)), end(), start("v"), end("v"))
        await settled(wire)
        assert told(wire) == ["u internal_error", "v ack"]


async def test_past_the_end_there_is_nothing() -> None:
    channel = Channel()
    seen: list[Any] = []

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        seen.extend([one.data async for one in chunks])
        seen.append(await anext(chunks, None))

    async with opened(channel) as wire:
        wire.say(start(), chunk(1), end(), chunk(2), end())
        await settled(wire)
        assert told(wire) == ["u ack"]
    assert seen == [1, None]


async def test_a_stream_that_is_kept_after_its_handler_ended_is_over() -> None:
    channel = Channel()
    kept: list[AsyncIterator[Chunk]] = []

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        kept.append(chunks)

    async with opened(channel) as wire:
        wire.say(start(), chunk(1))
        await settled(wire)
        assert await anext(kept[0], None) is None


async def test_a_time_limit() -> None:
    uploads = Uploads(timeout=3)
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1))
        await wire.reached(frames=1)
        assert told(wire) == ["u timeout"]
        assert uploads.desk.log == ["+u", "!u"]


async def test_a_handler_that_closes_reads_no_more() -> None:
    channel = Channel()
    seen: list[int | None] = []

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk], ctx: Context) -> None:
        await ctx.close(3000)
        try:
            await anext(chunks)
        except ConnectionClosed as closed:
            seen.append(closed.code)

    async with opened(channel) as wire:
        begin = anyio.current_time()
        wire.say(start())
        await wire.end()
        assert anyio.current_time() - begin <= 0.25
    assert seen == [3000]


async def test_a_handler_that_outlives_its_connection_reads_nothing_more() -> None:
    may_end = anyio.Event()
    channel = Channel(limits=Limits(read_ahead=4))

    @channel.on(Upload, concurrency=2)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        with anyio.CancelScope(shield=True):
            await may_end.wait()

    async with opened(channel) as wire:
        wire.say(start(), *(chunk(number) for number in range(10)))
        await anyio.wait_all_tasks_blocked()
        taken = wire.taken
        wire.cancel()
        await wire.end()  # when its time for cleaning up is over
        assert wire.taken == taken
        may_end.set()
        await anyio.wait_all_tasks_blocked()
        assert wire.taken == taken
        assert wire.waiting > 0
        assert not wire.listening
