"""Messages beside each other: how many at once, what waits, one per key."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from chanx import Channel, Context, Limits
from tests.kernel.desk import Desk, anyio_backend, cancel, job, jobs, opened, settled, told
from tests.kernel.messages import Boom, Done, Fired, Job, Said
from tests.kernel.mistakes import refused

__all__ = ["anyio_backend"]


# -- concurrency -----------------------------------------------------------------------------------


async def test_never_more_than_so_many_at_once_and_in_order(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    async with opened(jobs(desk, concurrency=2)) as wire:
        wire.say(*(job(name) for name in "abcde"))
        await settled(wire)
        assert desk.running == ["a", "b"]
        desk.let("b")
        await settled(wire)
        assert desk.running == ["a", "c"]
        desk.let("a", "c", "d", "e")
        await settled(wire)
    assert not caplog.records
    assert desk.most == 2
    assert [one for one in desk.log if one[0] == "+"] == ["+a", "+b", "+c", "+d", "+e"]
    assert sorted(told(wire)) == [f"{name} done" for name in "abcde"]


async def test_serial_messages_do_not_wait_for_concurrent_ones() -> None:
    desk = Desk()
    async with opened(jobs(desk, concurrency=1)) as wire:
        wire.say(job("a"), job("b"), {"action": "say", "text": "x", "ref": 1}, {"action": "say", "text": "y"})
        await settled(wire)
        assert told(wire) == ["1 said", "said"]
        assert desk.log == ["+a", "x", "y"] or desk.log == ["x", "y", "+a"]
        desk.let("a", "b")
        await settled(wire)
        assert told(wire)[2:] == ["a done", "b done"]


async def test_concurrent_messages_do_not_wait_for_serial_ones_that_came_first() -> None:
    """Once begun, they go on beside them; what comes behind a serial message begins after it."""
    desk = Desk()
    async with opened(jobs(desk, concurrency=2)) as wire:
        wire.say(job("a"), {"action": "wait", "name": "w"}, job("b"))
        await settled(wire)
        assert sorted(desk.running) == ["a", "w"]
        desk.let("a")
        await settled(wire)
        assert told(wire) == ["a done"]
        assert desk.running == ["w"]
        desk.let("w")
        await settled(wire)
        assert desk.running == ["b"]
        desk.let("b")


async def test_a_handler_without_a_ref_is_not_answered_but_runs() -> None:
    desk = Desk()
    async with opened(jobs(desk, concurrency=2)) as wire:
        wire.say({"action": "job", "name": "a"}, {"action": "job", "name": "b"})
        await settled(wire)
        assert desk.running == ["a", "b"]
        desk.let("b", "a")
        await settled(wire)
        assert sorted(frame["name"] for frame in wire.frames) == ["a", "b"]
        assert all("ref" not in frame for frame in wire.frames)


async def test_each_handler_has_a_lane_of_its_own() -> None:
    desk = Desk()
    channel = jobs(desk, concurrency=1)

    @channel.on(Boom, Fired, concurrency=2)
    async def others(message: Boom | Fired) -> None:
        await desk.work(message.action)

    async with opened(channel) as wire:
        wire.say(job("a"), job("b"), {"action": "boom", "ref": 1}, {"action": "fired"}, {"action": "boom", "ref": 2})
        await settled(wire)
        assert desk.running == ["a", "boom", "fired"]
        desk.let("boom")  # both of them
        await settled(wire)
        assert desk.running == ["a", "fired"]
        assert told(wire) == ["1 ack", "2 ack"]
        desk.let("a", "b", "fired")
        await settled(wire)


async def test_the_bound_over_all_lanes() -> None:
    desk = Desk()
    channel = jobs(desk, Limits(handlers=2), key="key")

    @channel.on(Fired, concurrency=5)
    async def fired(message: Fired) -> None:
        await desk.work(message.name)

    async with opened(channel) as wire:
        wire.say(job("a", "1"), {"action": "fired", "name": "f"}, job("b", "2"), {"action": "fired", "name": "g"})
        await settled(wire)
        assert desk.running == ["a", "f"]
        desk.let("f")
        await settled(wire)
        assert len(desk.running) == 2
        desk.let("a", "b", "g")
        await settled(wire)
        assert desk.most == 2
        assert desk.running == []
        assert sorted(told(wire)) == ["a done", "b done"]


async def test_room_that_one_lane_leaves_is_for_the_others_too() -> None:
    desk = Desk()
    channel = jobs(desk, Limits(handlers=1), concurrency=1)

    @channel.on(Fired, concurrency=1)
    async def fired(message: Fired) -> None:
        await desk.work(message.name)

    async with opened(channel) as wire:
        wire.say(job("a"), {"action": "fired", "name": "f", "ref": "f"})
        await settled(wire)
        assert desk.running == ["a"]
        desk.let("a", "f")
        await settled(wire)
        assert told(wire) == ["a done", "f ack"]


async def test_what_raises_makes_room_for_the_next() -> None:
    desk = Desk()
    channel = Channel()

    @channel.on(Job, concurrency=1)
    async def work(message: Job) -> Done:
        await desk.work(message.name)
        raise ValueError(message.name)

    async with opened(channel) as wire:
        wire.say(job("a"), job("b"))
        await settled(wire)
        desk.let("a", "b")
        await settled(wire)
        assert told(wire) == ["a internal_error", "b internal_error"]
    assert channel.stats().handler_errors == 2


async def test_an_error_function_answers_for_a_concurrent_handler() -> None:
    channel = Channel()

    @channel.on(Job, concurrency=2)
    async def work(message: Job) -> Done:
        raise ValueError(message.name)

    @channel.on_error(ValueError)
    async def failed(error: ValueError) -> Said:
        return Said(text=str(error))

    async with opened(channel) as wire:
        wire.say(job("a"), job("b"))
        await settled(wire)
        assert sorted(told(wire)) == ["a said", "b said"]


async def test_a_plain_function_runs_beside_others_in_threads() -> None:
    both = threading.Barrier(2, timeout=5)
    channel = Channel()

    @channel.on(Job, concurrency=2)
    def work(message: Job) -> Done:
        both.wait()
        return Done(name=message.name)

    async with opened(channel, patience=math.inf) as wire:  # threads do not know of virtual time
        wire.say(job("a"), job("b"))
        await wire.reached(frames=2)
        assert sorted(told(wire)) == ["a done", "b done"]


# -- what waits ------------------------------------------------------------------------------------


async def test_past_the_bound_the_client_has_to_wait() -> None:
    """Messages that wait in a lane count like frames read ahead; then the connection's own task waits too."""
    desk = Desk()
    async with opened(jobs(desk, Limits(read_ahead=3), concurrency=1)) as wire:
        names = [f"{number:02}" for number in range(20)]
        wire.say(*(job(name) for name in names))
        await anyio.sleep(5)
        assert desk.running == ["00"]
        assert wire.waiting == 20 - 1 - 3 - 3  # one runs, three wait in the lane, three are read ahead
        desk.let(*names)
        await settled(wire)
        assert told(wire) == [f"{name} done" for name in names]


async def test_the_bound_in_bytes() -> None:
    desk = Desk()
    async with opened(jobs(desk, Limits(read_ahead_bytes=1000), concurrency=1)) as wire:
        names = [f"{number:02}" for number in range(20)]
        wire.say(*(job(name, "x" * 350) for name in names))  # some 400 bytes each
        await anyio.sleep(5)
        assert desk.running == ["00"]
        assert wire.waiting == 20 - 1 - 3 - 3
        desk.let(*names)
        await settled(wire)
        assert told(wire) == [f"{name} done" for name in names]


async def test_serial_messages_wait_too_when_a_lane_is_full() -> None:
    desk = Desk()
    async with opened(jobs(desk, Limits(read_ahead=2), concurrency=1)) as wire:
        wire.say(job("a"), job("b"), job("c"), {"action": "say", "text": "x", "ref": 1})
        await settled(wire)
        assert told(wire) == []
        desk.let("a")
        await settled(wire)
        assert told(wire) == ["a done", "1 said"]
        desk.let("b", "c")
        await settled(wire)


async def test_a_full_lane_still_lets_a_cancel_through() -> None:
    desk = Desk()
    async with opened(jobs(desk, Limits(read_ahead=2), concurrency=1)) as wire:
        wire.say(job("a"), job("b"), job("c"), cancel("b"), {"action": "say", "text": "x", "ref": 1})
        await settled(wire)
        assert told(wire) == ["b cancelled", "1 said"]
        desk.let("a", "c")
        await settled(wire)
        assert told(wire)[2:] == ["a done", "c done"]


async def test_a_client_that_left_has_what_waits_handled() -> None:
    desk = Desk()
    desk.let("b", "c")
    async with opened(jobs(desk, concurrency=1)) as wire:
        wire.say(job("a"), job("b"), job("c"))
        await settled(wire)
        wire.leave()
        await anyio.sleep(1)
        assert not wire.ended
        desk.let("a")
        await wire.end()
    assert desk.log == ["+a", "-a", "+b", "-b", "+c", "-c"]
    assert told(wire) == []


async def test_a_client_that_left_past_the_bound_of_a_lane() -> None:
    """The lane is full, and so is the queue in front of it."""
    desk = Desk()
    async with opened(jobs(desk, Limits(read_ahead=2), concurrency=1)) as wire:
        names = "abcdef"
        wire.say(*(job(name) for name in names))
        wire.leave()
        await anyio.sleep(1)
        desk.let(*names)
        await wire.end()
    assert [one for one in desk.log if one[0] == "-"] == [f"-{name}" for name in names]


async def test_what_waits_is_cut_after_a_while_when_the_client_has_left() -> None:
    desk = Desk()
    channel = jobs(desk, concurrency=1)
    async with opened(channel) as wire:
        wire.say(job("a"), job("b"))
        await settled(wire)
        start = anyio.current_time()
        wire.leave()
        await wire.end()
        assert anyio.current_time() - start == pytest.approx(Limits().linger, abs=0.5)
    assert desk.log == ["+a", "!a"]
    assert channel.stats().cancelled == 1


async def test_a_close_by_the_server_drops_what_waits() -> None:
    desk = Desk()
    channel = jobs(desk, concurrency=1)

    @channel.on(Boom)
    async def boom(message: Boom, ctx: Context) -> None:
        await ctx.close(3000)

    async with opened(channel) as wire:
        wire.say(job("a"), job("b"), {"action": "boom"}, {"action": "say", "text": "x"})
        await wire.until(lambda: wire.closed)
        desk.let("a", "b")
        await wire.end()
    assert desk.log == ["+a", "-a"]
    assert told(wire) == []


# -- key -------------------------------------------------------------------------------------------


async def test_one_at_a_time_where_the_key_is_equal() -> None:
    desk = Desk()
    async with opened(jobs(desk, key="key")) as wire:
        wire.say(job("a1", "a"), job("a2", "a"), job("b1", "b"), job("a3", "a"), job("b2", "b"), job("c1", "c"))
        await settled(wire)
        assert desk.running == ["a1", "b1", "c1"]
        desk.let("b1")
        await settled(wire)
        assert desk.running == ["a1", "c1", "b2"]
        desk.let("a1", "a2", "a3", "b2", "c1")
        await settled(wire)
    assert [one for one in desk.log if one[1] == "a"] == ["+a1", "-a1", "+a2", "-a2", "+a3", "-a3"]
    assert sorted(told(wire)) == [f"{name} done" for name in ("a1", "a2", "a3", "b1", "b2", "c1")]


async def test_a_key_with_a_bound() -> None:
    desk = Desk()
    async with opened(jobs(desk, key="key", concurrency=2)) as wire:
        wire.say(*(job(f"{key}{number}", key) for number in (1, 2) for key in "abc"))
        await settled(wire)
        assert desk.running == ["a1", "b1"]
        desk.let("a1")
        await settled(wire)
        assert desk.running == ["b1", "c1"] or desk.running == ["b1", "a2"]
        desk.let("a2", "b1", "b2", "c1", "c2")
        await settled(wire)
    assert desk.most == 2
    assert len(told(wire)) == 6


async def test_a_key_that_is_a_function() -> None:
    desk = Desk()

    def initial(message: Job) -> str:
        return message.name[0]

    async with opened(jobs(desk, key=initial)) as wire:
        wire.say(job("a1"), job("a2"), job("b1"))
        await settled(wire)
        assert desk.running == ["a1", "b1"]
        desk.let("a1", "a2", "b1")
        await settled(wire)
    assert len(told(wire)) == 3


@pytest.mark.parametrize("key", [lambda message: 1 // 0, lambda message: [message.name]], ids=["raises", "unhashable"])
async def test_a_key_that_raises_or_is_no_key_fails_its_message(key: Callable[[Any], Any]) -> None:
    desk = Desk()
    channel = jobs(desk, key=key)
    async with opened(channel) as wire:
        wire.say(job("a"), {"action": "say", "text": "x", "ref": 1}, job("a"))
        await settled(wire)
        assert told(wire) == ["a internal_error", "1 said", "a internal_error"]  # its ref is free again
    assert channel.stats().handler_errors == 2
    assert desk.log == ["x"]


async def test_an_error_function_answers_for_a_key_that_raises() -> None:
    desk = Desk()
    channel = jobs(desk, key=lambda message: {}[message.name])

    @channel.on_error(KeyError)
    async def no_key(error: KeyError) -> Said:
        return Said(text=str(error))

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert wire.frames == [{"action": "said", "text": "'a'", "ref": "a"}]


def test_a_key_that_is_a_method_would_never_be_equal() -> None:
    refused(jobs(Desk(), key="model_dump"), says=("key='model_dump'", "method", "name a field"))
