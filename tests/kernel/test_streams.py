"""Streamed answers: each item as it comes, one end, and what was opened is closed before it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

from chanx import Channel, Depends, Limits
from tests.kernel.desk import Desk, anyio_backend, cancel, job, opened, say, settled, streaming, told
from tests.kernel.messages import Done, Job
from tests.kernel.streaming import stream_of, three, with_resource

__all__ = ["anyio_backend"]


async def test_every_frame_carries_the_ref_and_complete_is_the_end() -> None:
    async with opened(stream_of(three)) as wire:
        wire.say(job("a"), say())
        await settled(wire)
        assert wire.frames == [
            *({"action": "done", "name": str(number), "ref": "a"} for number in range(3)),
            {"action": "complete", "ref": "a"},
            {"action": "said", "text": "x", "ref": "x"},
        ]


async def test_without_a_ref_there_is_no_end() -> None:
    async with opened(stream_of(three)) as wire:
        wire.say({"action": "job"}, say())
        await settled(wire)
        assert wire.frames == [
            *({"action": "done", "name": str(number)} for number in range(3)),
            {"action": "said", "text": "x", "ref": "x"},
        ]


async def test_an_empty_stream() -> None:
    async def nothing(message: Job) -> AsyncIterator[Done]:
        return
        yield

    async with opened(stream_of(nothing)) as wire:
        wire.say(job("a"), {"action": "job"})
        await settled(wire)
        assert told(wire) == ["a complete"]


async def test_an_item_goes_out_before_the_next_is_made() -> None:
    desk = Desk()

    async def paced(message: Job) -> AsyncIterator[Done]:
        yield Done(name="0")
        await desk.work("1")
        yield Done(name="1")

    async with opened(stream_of(paced)) as wire:
        wire.say(job("a"), say())
        await settled(wire)
        assert told(wire) == ["a done"]
        desk.let("1")
        await settled(wire)
        assert told(wire) == ["a done", "a done", "a complete", "x said"]


async def test_messages_do_not_wait_for_a_concurrent_stream() -> None:
    desk = Desk()
    async with opened(streaming(desk, concurrency=2)) as wire:
        wire.say(job("a"), say(), job("b"), job("c"))
        await settled(wire)
        assert sorted(told(wire)) == ["a done", "b done", "x said"]
        desk.let("b", "c")
        await settled(wire)
        assert sorted(told(wire)[3:]) == ["b complete", "c complete", "c done"]
        desk.let("a")
        await settled(wire)
        assert told(wire)[-1] == "a complete"


async def test_only_the_latest_stream_goes_on() -> None:
    desk = Desk()
    async with opened(streaming(desk, latest=True)) as wire:
        for name in "abc":
            wire.say(job(name))
            await settled(wire)
        desk.let("c")
        await settled(wire)
        assert told(wire) == ["a done", "a cancelled", "b done", "b cancelled", "c done", "c complete"]


async def test_a_stream_that_never_waits_lets_others_run() -> None:
    """Its sends may never wait; a cancel must be read all the same."""
    begun = anyio.Event()

    async def endless(message: Job) -> AsyncIterator[Done]:
        while True:
            begun.set()
            yield Done(name="x")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def at_once(event: Any) -> None:  # as of a server that buffers
            if event["type"] != "websocket.send" or '"done"' not in event["text"]:
                await send(event)

        await channel(scope, receive, at_once)

    channel = stream_of(endless, concurrency=1)
    async with opened(app) as wire:
        wire.say(job("a"))
        await begun.wait()
        wire.say(cancel("a"))
        await wire.reached(frames=1)
        assert told(wire) == ["a cancelled"]


# -- what is opened is closed ----------------------------------------------------------------------
async def test_dependencies_are_closed_after_the_last_item_and_before_the_end() -> None:
    log: list[str] = []
    async with opened(with_resource(log, three)) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert told(wire) == ["a done", "a done", "a done", "said", "a complete"]
    assert log == ["finally", "closed"]


async def test_dependencies_are_closed_before_the_answer_to_a_cancel() -> None:
    log: list[str] = []

    async def waits(message: Job) -> AsyncGenerator[Done, None]:
        yield Done(name="0")
        await anyio.sleep_forever()

    async with opened(with_resource(log, waits)) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(cancel("a"))
        await settled(wire)
        assert told(wire) == ["a done", "said", "a cancelled"]
    assert log == ["finally", "closed"]


async def test_a_dependency_that_fails_to_close_is_the_answer() -> None:
    channel = Channel()

    async def failing() -> AsyncGenerator[None, None]:
        yield
        raise ValueError("closing")

    @channel.on(Job)
    async def work(message: Job, value: Annotated[None, Depends(failing)]) -> AsyncIterator[Done]:
        yield Done(name="0")

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert told(wire) == ["a done", "a internal_error"]


async def test_the_finally_of_a_stream_that_is_cancelled_at_its_yield_may_wait() -> None:
    """It is closed like a resource: shielded, for as long as other cleaning up."""
    log: list[str] = []

    async def items(message: Job) -> AsyncIterator[Done]:
        try:
            while True:
                yield Done(name="x" * 1000)
        finally:
            await anyio.sleep(3)
            log.append("finally")

    async with opened(stream_of(items)) as wire:
        wire.hold()
        wire.say(job("a"))
        await wire.until(lambda: len(wire.frames) == 1 and wire.listening)
        start = anyio.current_time()
        wire.say(cancel("a"))
        await wire.until(lambda: wire.listening and not wire.waiting)
        wire.release()
        await wire.until(lambda: "a cancelled" in told(wire))
        assert anyio.current_time() - start >= 3
    assert log == ["finally"]


async def test_a_finally_that_never_ends_is_cut_after_a_while() -> None:
    log: list[str] = []

    async def items(message: Job) -> AsyncIterator[Done]:
        try:
            while True:
                yield Done(name="x" * 1000)
        finally:
            try:
                await anyio.sleep_forever()
            finally:
                log.append("cut")

    async with opened(stream_of(items)) as wire:
        wire.hold()
        wire.say(job("a"))
        await wire.until(lambda: len(wire.frames) == 1 and wire.listening)
        start = anyio.current_time()
        wire.say(cancel("a"))
        await wire.until(lambda: wire.listening and not wire.waiting)
        wire.release()
        await wire.until(lambda: "a cancelled" in told(wire))
        assert anyio.current_time() - start == pytest.approx(Limits().cleanup, abs=0.5)
    assert log == ["cut"]


async def test_the_finally_of_a_stream_that_is_cancelled_where_it_waits_needs_a_shield() -> None:
    log: list[str] = []

    async def items(message: Job) -> AsyncIterator[Done]:
        try:
            yield Done(name="0")
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)
            log.append("shielded")
            await anyio.sleep(3)
            log.append("never")

    async with opened(stream_of(items)) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(cancel("a"))
        await wire.reached(frames=2)
        assert told(wire) == ["a done", "a cancelled"]
    assert log == ["shielded"]


async def test_a_stream_that_goes_on_although_it_was_closed_is_an_error() -> None:
    async def stubborn(message: Job) -> AsyncIterator[Any]:
        try:
            yield "no message"
        finally:
            yield Done(name="late")

    channel = stream_of(stubborn)
    async with opened(channel) as wire:
        wire.say(job("a"), say())
        await settled(wire)
        assert told(wire) == ["a internal_error", "x said"]
    assert channel.stats().handler_errors == 1
