"""What a client streams is bounded, and what waits for it always has a way out."""

from __future__ import annotations

import json
from typing import Any

import anyio

from chanx import Limits
from tests.kernel.desk import anyio_backend, opened, settled, told
from tests.kernel.uploads import BESIDE, Uploads, chunk, end, say, settled_or_stuck, start

__all__ = ["anyio_backend"]


@BESIDE
async def test_a_slow_handler_stops_the_reader(options: dict[str, Any]) -> None:
    uploads = Uploads(Limits(read_ahead=4), paced=True, **options)
    async with opened(uploads.channel) as wire:
        wire.say(start(), *(chunk(number) for number in range(20)), end())
        await anyio.sleep(5)
        assert uploads.data() == [0]
        assert wire.waiting == 21 - 1 - 4
        uploads.desk.let("u0", "u1")
        await anyio.sleep(5)
        assert uploads.data() == [0, 1, 2]
        assert wire.waiting == 21 - 3 - 4
        uploads.desk.let(*(f"u{number}" for number in range(20)))
        await settled(wire)
        assert uploads.data() == list(range(20))
        assert told(wire) == ["u said"]


async def test_the_bound_in_bytes() -> None:
    uploads = Uploads(Limits(read_ahead_bytes=300), paced=True)
    async with opened(uploads.channel) as wire:
        wire.say(start(), *({**chunk(number), "more": "x" * 100} for number in range(10)))
        await anyio.sleep(5)
        assert uploads.data() == [0]
        assert wire.waiting == 10 - 1 - 3 or wire.waiting == 10 - 1 - 2
        uploads.desk.let(*(f"u{number}" for number in range(10)))
        await settled(wire)
        assert uploads.data() == list(range(10))


async def test_a_serial_stream_behind_too_much_else_fails() -> None:
    """Its handler would wait for chunks that nobody reads, behind messages that wait for the handler."""
    uploads = Uploads(Limits(read_ahead=3))
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1), say("x"), say("y"), say("z"), chunk(2), end(), say("w"))
        await settled(wire)
        assert told(wire) == ["u overloaded", "x said", "y said", "z said", "w said"]
        assert uploads.data() == [1]


async def test_a_concurrent_stream_behind_a_full_lane_fails_too() -> None:
    """The messages in front of its chunks wait for room in the lane, and so for the stream itself."""
    uploads = Uploads(Limits(read_ahead=2), concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say(*(start(ref) for ref in "abcdef"), chunk(1, "a"), end("a"))
        await settled(wire)
        assert told(wire)[0] == "a overloaded"
        wire.say(*(end(ref) for ref in "bcdef"))
        await settled(wire)
        assert {one.split()[0] for one in told(wire)} == set("abcdef")
        assert len(told(wire)) == 6
        wire.leave()
        await wire.end()


async def test_a_concurrent_stream_waits_while_a_serial_message_holds_up_the_queue() -> None:
    uploads = Uploads(Limits(read_ahead=2), concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say(start(), chunk(1), {"action": "wait", "name": "w"}, say("x"), say("y"), chunk(2), end())
        await settled_or_stuck()
        assert uploads.data() == [1]
        assert told(wire) == []
        uploads.desk.let("w")
        await settled(wire)
        assert sorted(told(wire)) == ["u said", "x said", "y said"]
        assert uploads.data() == [1, 2]


async def test_chunks_of_a_stream_that_waits_do_not_hold_up_the_one_that_runs() -> None:
    """They fill the queue, and wait for the one whose own chunks cannot be read any more."""
    uploads = Uploads(Limits(read_ahead=2), concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say(start("a"), start("b"), chunk(1, "b"), chunk(2, "b"), end("b"), chunk(1, "a"), end("a"), say())
        await settled(wire)
        assert sorted(told(wire)) == ["a overloaded", "b said", "x said"]
        assert uploads.data("b") == [1, 2]


async def test_a_stream_waits_for_another_that_is_only_slow() -> None:
    uploads = Uploads(Limits(read_ahead=2), paced=True, concurrency=2)
    async with opened(uploads.channel) as wire:
        uploads.desk.let("a1", "b2")
        wire.say(start("a"), start("b"), chunk(1, "b"), chunk(2, "b"), end("b"), chunk(1, "a"), end("a"), say())
        await settled_or_stuck()
        assert told(wire) == []
        assert uploads.taken == [("b", 1)]
        uploads.desk.let("b1")
        await settled(wire)
        assert sorted(told(wire)) == ["a said", "b said", "x said"]


async def test_a_stream_ends_when_the_last_other_handler_does_that_could_have_made_room() -> None:
    uploads = Uploads(Limits(read_ahead=2), concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say({"action": "job", "name": "j", "ref": "j"}, start("a"), start("b"))
        wire.say(chunk(1, "b"), chunk(2, "b"), end("b"), end("a"))
        await settled_or_stuck()
        assert told(wire) == []
        uploads.desk.let("j")
        await settled(wire)
        assert sorted(told(wire)) == ["a overloaded", "b said", "j done"]


async def test_a_stream_ends_when_the_serial_message_does_that_could_have_made_room() -> None:
    uploads = Uploads(Limits(read_ahead=2), concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say(start("a"), start("b"), {"action": "wait", "name": "w", "ref": "w"})
        wire.say(chunk(1, "b"), chunk(2, "b"), end("b"), end("a"))
        await settled_or_stuck()
        assert told(wire) == []
        uploads.desk.let("w")
        await settled(wire)
        assert sorted(told(wire)) == ["a overloaded", "b said", "w ack"]


async def test_a_queue_that_is_full_for_a_moment_only_ends_no_stream() -> None:
    """Whoever takes the frame out has been woken, and comes after the stream that looks."""
    uploads = Uploads(Limits(read_ahead=1), concurrency=2)
    async with opened(uploads.channel) as wire:
        wire.say(start("a"), start("b"))
        for number in range(5):
            await settled(wire)
            wire.say(chunk(number, "a"))
            await settled(wire)
            wire.say(say(f"x{number}"))
            await settled(wire)
            wire.say(chunk(number, "b"))
        wire.say(end("a"), end("b"))
        await settled(wire)
        assert sorted(told(wire)) == ["a said", "b said", *(f"x{number} said" for number in range(5))]


async def test_a_stream_ends_when_its_lane_fills_in_front_of_a_full_queue() -> None:
    """Full in bytes: the queue stays so when the message in front of the chunks is taken out."""
    uploads = Uploads(Limits(read_ahead_bytes=1000), concurrency=1)
    async with opened(uploads.channel) as wire:
        wire.say(start("a"), start("b", more="x" * 600), {"action": "wait", "name": "w", "ref": "w"})
        wire.say(start("c", more="x" * 600), {**chunk(1, "c"), "more": "x" * 1200}, end("a"))
        await settled_or_stuck()
        assert told(wire) == []
        uploads.desk.let("w")
        wire.say(end("c"))
        await settled(wire)
        assert sorted(told(wire)) == ["a overloaded", "b overloaded", "c said", "w ack"]


async def test_chunks_for_a_message_that_takes_none_do_not_hold_up_the_others() -> None:
    uploads = Uploads(Limits(read_ahead=3))
    async with opened(uploads.channel) as wire:
        wire.say({"action": "job", "name": "a", "ref": "a"}, *(chunk(number, "a") for number in range(10)), end("a"))
        wire.say(say())
        await settled(wire)
        assert told(wire) == ["x said"]
        uploads.desk.let("a")
        wire.say(say("y"))
        await settled(wire)
        assert sorted(told(wire)) == ["a done", "x said", "y said"]


async def test_chunks_for_a_serial_message_that_takes_none() -> None:
    uploads = Uploads(Limits(read_ahead=3))
    async with opened(uploads.channel) as wire:
        wire.say({"action": "wait", "name": "w", "ref": "w"}, chunk(1, "w"), chunk(2, "w"), end("w"), say())
        uploads.desk.let("w")
        await settled(wire)
        assert told(wire) == ["w ack", "x said"]


async def test_many_chunks_for_no_message_are_dropped() -> None:
    uploads = Uploads(Limits(read_ahead=3))
    async with opened(uploads.channel) as wire:
        wire.say(*(chunk(number, "nobody") for number in range(10)), end("nobody"), say())
        await settled(wire)
        assert told(wire) == ["x said"]
    assert uploads.channel.stats().bad_frames == 0


async def test_the_size_of_a_chunk_is_that_of_its_bytes() -> None:
    uploads = Uploads(Limits(max_size=1000))
    async with opened(uploads.channel) as wire:
        wire.say(start(), json.dumps({**chunk(1), "more": "\N{EURO SIGN}" * 800}, ensure_ascii=False), end())
        await wire.end()
        assert wire.closed is not None
        assert wire.closed[0] == 1009
    assert uploads.data() == []
