"""A `ref` that is taken is refused; time limits, leaving and closing free it too."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import anyio
import pytest

from chanx import Channel, Context, Limits
from tests.kernel.desk import Desk, anyio_backend, job, jobs, opened, say, settled, streaming, told, wait
from tests.kernel.messages import Boom, Fired, Job, Said

__all__ = ["anyio_backend"]


# -- refs that are taken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"concurrency": 2}, {"latest": True}, {"on_leave": "cancel"}, {"timeout": 60}], ids=str
)
async def test_a_ref_of_a_handler_that_runs(options: dict[str, Any]) -> None:
    desk = Desk()
    channel = jobs(desk, **options)
    async with opened(channel) as wire:
        wire.say(job("a"), say("s", "a"), job("b"), say("s", "b"))
        await settled(wire)
        assert told(wire)[0] == "a duplicate_ref"
        desk.let("a", "b")
        await settled(wire)
        answers = sorted(told(wire))
        assert answers.count("a duplicate_ref") == answers.count("b duplicate_ref") == 1
        assert len(answers) == 4
        wire.say(say("s", "a"), say("s", "b"))  # they are free again
        await settled(wire)
        assert told(wire)[-2:] == ["a said", "b said"]
    assert channel.stats().bad_frames == 2  # a strike each


async def test_a_ref_of_a_stream_that_runs() -> None:
    desk = Desk()
    async with opened(streaming(desk)) as wire:
        wire.say(job("a"), say("s", "a"), job("a"))
        await settled(wire)
        desk.let("a")
        await settled(wire)
        assert told(wire) == ["a done", "a duplicate_ref", "a duplicate_ref", "a complete"]


async def test_a_ref_that_waits_in_a_lane() -> None:
    desk = Desk()
    async with opened(jobs(desk, concurrency=1)) as wire:
        wire.say(job("a"), job("b"), say("s", "b"))
        await settled(wire)
        assert told(wire) == ["b duplicate_ref"]
        desk.let("a", "b")
        await settled(wire)


async def test_a_ref_that_waits_in_the_queue() -> None:
    desk = Desk()
    async with opened(jobs(desk)) as wire:
        wire.say(wait(), say("s", "b"), say("t", "b"))
        await settled(wire)
        assert told(wire) == ["b duplicate_ref"]
        desk.let("w")
        await settled(wire)
        assert told(wire) == ["b duplicate_ref", "w ack", "b said"]
        assert wire.frames[-1]["text"] == "s"


async def test_a_ref_of_an_answer_that_is_being_written() -> None:
    desk = Desk()
    async with opened(jobs(desk)) as wire:
        wire.hold()
        wire.say(say("x"))
        await wire.until(lambda: told(wire) == ["x said"])
        wire.say(say("x"))
        await wire.until(lambda: wire.listening)
        wire.release()
        await settled(wire)
        assert told(wire) == ["x said", "x duplicate_ref"]


async def test_duplicates_strike_out() -> None:
    desk = Desk()
    async with opened(jobs(desk, Limits(strikes=2), concurrency=1)) as wire:
        wire.say(*[job("a")] * 5)
        await wire.until(lambda: wire.closed)
        assert wire.closed == (1008, "too many bad frames")
        assert told(wire) == ["a duplicate_ref", "a duplicate_ref"]


# -- time limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"concurrency": 2}, {"on_leave": "cancel"}, {"latest": True}], ids=str)
async def test_a_handler_that_takes_too_long(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    channel = jobs(desk, timeout=3, **options)
    async with opened(channel) as wire:
        start = anyio.current_time()
        wire.say(job("a"))
        await wire.reached(frames=1)
        assert anyio.current_time() - start == pytest.approx(3, abs=0.1)
        assert told(wire) == ["a timeout"]
        wire.say({"action": "job", "name": "b"})  # without a ref it is told all the same: the message is lost
        await wire.reached(frames=2)
        assert told(wire) == ["a timeout", "timeout"]
    assert desk.log == ["+a", "!a", "+b", "!b"]
    assert sum("time limit" in record.getMessage() for record in caplog.records) == 2
    assert channel.stats().handler_errors == 0


async def test_a_stream_that_takes_too_long() -> None:
    desk = Desk()
    async with opened(streaming(desk, timeout=3)) as wire:
        wire.say(job("a"))
        await wire.reached(frames=2)
        assert told(wire) == ["a done", "a timeout"]


async def test_the_time_in_a_lane_does_not_count() -> None:
    desk = Desk()
    async with opened(jobs(desk, concurrency=1, timeout=3)) as wire:
        wire.say(job("a"), job("b"))
        await anyio.sleep(2)
        desk.let("a")
        await anyio.sleep(2)
        assert desk.running == ["b"]
        desk.let("b")
        await settled(wire)
        assert told(wire) == ["a done", "b done"]


async def test_a_limit_for_all_handlers_of_a_channel() -> None:
    desk = Desk()
    channel = jobs(desk, Limits(handler_timeout=3), timeout=5)

    @channel.on(Boom, timeout=math.inf)
    async def boom(message: Boom) -> None:
        await desk.work("boom")

    @channel.on(Fired)
    async def fired(message: Fired) -> None:
        await desk.work("fired")

    async with opened(channel) as wire:
        for number, (frame, seconds) in enumerate([(job("a"), 5), ({"action": "fired", "ref": "f"}, 3)], 1):
            start = anyio.current_time()
            wire.say(frame)
            await wire.reached(frames=number)
            assert anyio.current_time() - start == pytest.approx(seconds, abs=0.1)
        assert told(wire) == ["a timeout", "f timeout"]
        wire.say({"action": "boom", "ref": "b"})
        await anyio.sleep(500)
        assert desk.running == ["boom"]
        desk.let("boom")
        await settled(wire)
        assert told(wire)[-1] == "b ack"


async def test_a_timeout_of_the_handlers_own_is_its_own_error() -> None:
    channel = Channel()

    @channel.on(Job, timeout=60)
    async def work(message: Job) -> None:
        with anyio.fail_after(1):
            await anyio.sleep_forever()

    @channel.on_error(TimeoutError)
    async def late(error: TimeoutError) -> Said:
        return Said(text="late")

    async with opened(channel) as wire:
        wire.say(job("a"))
        await wire.reached(frames=1)
        assert told(wire) == ["a said"]


@pytest.mark.parametrize("options", [{"on_leave": "cancel"}, {"concurrency": 1}], ids=str)
async def test_awaiting_something_that_was_cancelled_is_an_error(
    options: dict[str, Any], anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    """It is no cancellation of the handler: it is answered."""
    if anyio_backend[0] == "trio":
        return  # where nothing of the kind exists
    channel = Channel()

    @channel.on(Job, **options)
    async def work(message: Job) -> None:
        task = asyncio.ensure_future(asyncio.sleep(100))
        task.cancel()
        await task

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert told(wire) == ["a internal_error"]


# -- leaving and closing ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"on_leave": "cancel"}, {"on_leave": "cancel", "concurrency": 2}], ids=str)
async def test_on_leave(options: dict[str, Any]) -> None:
    desk = Desk()
    channel = jobs(desk, **options)
    async with opened(channel) as wire:
        wire.say(job("a"), job("b"))
        await settled(wire)
        start = anyio.current_time()
        wire.leave()
        await wire.end()
        assert anyio.current_time() - start <= 0.25
    assert "+a" in desk.log
    assert "!a" in desk.log
    assert "-a" not in desk.log
    assert told(wire) == []
    assert channel.stats().cancelled == 0


async def test_what_waits_in_a_lane_with_on_leave_is_not_begun() -> None:
    desk = Desk()
    async with opened(jobs(desk, on_leave="cancel", concurrency=1)) as wire:
        wire.say(job("a"), job("b"))
        await settled(wire)
        wire.leave()
        await wire.end()
    assert desk.log == ["+a", "!a"]


async def test_a_handler_that_closes_and_is_cancelled_on_leave() -> None:
    """Once the server has closed, nothing can be said any more: it ends at once."""
    desk = Desk()
    channel = jobs(desk)

    @channel.on(Boom, on_leave="cancel")
    async def boom(message: Boom, ctx: Context) -> None:
        await ctx.close(3000)
        await desk.work("boom")

    async with opened(channel) as wire:
        start = anyio.current_time()
        wire.say({"action": "boom", "ref": 1})
        await wire.end()
        assert anyio.current_time() - start <= 0.25
        assert wire.closed == (3000, "")
    assert desk.log == ["+boom", "!boom"]
    assert told(wire) == []
