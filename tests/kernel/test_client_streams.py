"""What a client streams to a handler, in order; and frames that do not fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from chanx import Channel, Context
from tests.kernel.desk import anyio_backend, brief, opened, settled, told
from tests.kernel.messages import Hired, Job, Said, Say
from tests.kernel.uploads import BESIDE, Bit, Chunk, Note, Upload, Uploads, chunk, end, say, start

__all__ = ["anyio_backend"]


@BESIDE
async def test_a_stream_and_its_end(options: dict[str, Any]) -> None:
    uploads = Uploads(**options)
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1), chunk(2), chunk(4))
        await settled(wire)
        assert uploads.data() == [1, 2, 4]
        assert told(wire) == []
        wire.say(end())
        await settled(wire)
        assert wire.frames == [{"action": "said", "text": "7", "ref": "u"}]


@BESIDE
async def test_a_stream_without_chunks(options: dict[str, Any]) -> None:
    uploads = Uploads(**options)
    async with opened(uploads.channel) as wire:
        wire.say(start(), end(), start("v"), end("v"))
        await settled(wire)
        assert sorted(told(wire)) == ["u said", "v said"]
        assert {frame["text"] for frame in wire.frames} == {"0"}


async def test_messages_wait_for_a_serial_stream_and_not_for_a_concurrent_one() -> None:
    cases: list[tuple[dict[str, Any], list[str]]] = [({}, []), ({"concurrency": 1}, ["x said"])]
    for options, beside in cases:
        uploads = Uploads(**options)
        async with opened(uploads.channel) as wire:
            wire.say(start(), chunk(1), say(), chunk(2))
            await settled(wire)
            assert uploads.data() == [1, 2]
            assert told(wire) == beside
            wire.say(end())
            await settled(wire)
            assert sorted(told(wire)) == ["u said", "x said"]


async def test_chunks_that_come_while_their_message_waits() -> None:
    uploads = Uploads()
    async with opened(uploads.channel) as wire:
        wire.say({"action": "wait", "name": "w"}, start(), chunk(1), say(), chunk(2), end())
        await settled(wire)
        assert uploads.desk.log == ["+w"]
        uploads.desk.let("w")
        await settled(wire)
        assert told(wire) == ["u said", "x said"]
        assert uploads.data() == [1, 2]


async def test_two_streams_at_once() -> None:
    uploads = Uploads(concurrency=2)
    async with opened(uploads.channel) as wire:
        wire.say(start("u"), start(7, "v"), chunk(1, "u"), chunk(10, 7), chunk(2, "u"), chunk(20, 7), end("u"))
        await settled(wire)
        assert told(wire) == ["u said"]
        wire.say(chunk(30, 7), end(7))
        await settled(wire)
        assert told(wire) == ["u said", "7 said"]
        assert [frame["text"] for frame in wire.frames] == ["3", "60"]


async def test_a_second_stream_waits_for_the_first_with_its_chunks() -> None:
    uploads = Uploads(concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say(start("u"), start("v"), chunk(10, "v"), chunk(1, "u"), end("v"))
        await settled(wire)
        assert uploads.taken == [("u", 1)]
        wire.say(end("u"))
        await settled(wire)
        assert told(wire) == ["u said", "v said"]


async def test_serial_streams_are_handled_one_after_the_other() -> None:
    uploads = Uploads()
    async with opened(uploads.channel) as wire:
        wire.say(start("u"), start("v"), chunk(1, "v"), end("v"), chunk(2, "u"))
        await settled(wire)
        assert uploads.taken == [("u", 2)]
        wire.say(end("u"))
        await settled(wire)
        assert uploads.taken == [("u", 2), ("v", 1)]
        assert told(wire) == ["u said", "v said"]


async def test_several_classes_of_chunks_of_both_families() -> None:
    channel = Channel()
    taken: list[Any] = []

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk | Note]) -> None:
        taken.extend([one async for one in chunks])

    @channel.on(Job)
    async def bits(message: Job, chunks: AsyncIterator[Bit]) -> None:
        taken.extend([one async for one in chunks])

    async with opened(channel) as wire:
        wire.say(start(), chunk(1), {"action": "note", "ref": "u"}, end())
        wire.say({"action": "job", "ref": "j"}, {"action": "bit", "on": True, "ref": "j"}, end("j"))
        await settled(wire)
        assert told(wire) == ["u ack", "j ack"]
    assert taken == [Chunk(data=1), Note(), Bit(on=True)]


async def test_a_stream_into_a_stream() -> None:
    """Each item goes out as soon as its chunk has come."""
    channel = Channel()

    @channel.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Said]:
        async for one in chunks:
            yield Said(text=str(one.data))

    async with opened(channel) as wire:
        wire.say(start(), chunk(1))
        await settled(wire)
        assert told(wire) == ["u said"]
        wire.say(chunk(2), end())
        await settled(wire)
        assert told(wire) == ["u said", "u said", "u complete"]


async def test_a_stream_of_an_included_channel_with_a_prefix() -> None:
    uploads = Uploads()
    parent = Channel()
    parent.include(uploads.channel, prefix="files.")
    async with opened(parent) as wire:
        wire.say({**start(), "action": "files.upload"}, {**chunk(3), "action": "files.chunk"}, end())
        await settled(wire)
        assert told(wire) == ["u said"]
        assert uploads.data() == [3]


async def test_a_message_with_a_stream_needs_a_ref() -> None:
    uploads = Uploads()
    async with opened(uploads.channel) as wire:
        wire.say({"action": "upload"}, say())
        await settled(wire)
        assert told(wire) == ["invalid_message", "x said"]
        assert wire.frames[0]["payload"]["errors"][0]["loc"] == ["ref"]
    assert uploads.desk.log == []


async def test_a_chunk_without_a_ref_belongs_to_nothing() -> None:
    uploads = Uploads()
    async with opened(uploads.channel) as wire:
        wire.say({"action": "chunk", "data": 1}, {"action": "complete"}, say())
        await settled(wire)
        assert [brief(frame) for frame in wire.frames] == ["unknown_action", "unknown_action", "x said"]


async def test_a_ref_of_a_stream_that_is_under_way_is_refused() -> None:
    uploads = Uploads()
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1), start(), chunk(2), end())
        await settled(wire)
        assert told(wire) == ["u duplicate_ref", "u said"]
        assert uploads.data() == [1, 2]


async def test_where_there_are_no_streams_complete_is_unknown() -> None:
    channel = Channel()

    @channel.on(Say)
    async def answer(message: Say) -> Said:
        return Said(text=message.text)

    async with opened(channel) as wire:
        wire.say(end())
        await settled(wire)
        assert told(wire) == ["u unknown_action"]


async def test_serial_events_wait_for_a_stream_and_chunks_pass_them() -> None:
    uploads = Uploads()

    @uploads.channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @uploads.channel.event(Hired, serial=True)
    async def hired(event: Hired) -> Said:
        return Said(text=event.name)

    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1))
        await settled(wire)
        await uploads.channel.emit(Hired(name="e"), group="room")
        wire.say(chunk(2), end(), say())
        await settled(wire)
        assert [frame["text"] for frame in wire.frames] == ["3", "e", "x"]
