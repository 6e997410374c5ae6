"""A message that is cancelled by its client is answered so, once, and its `ref` is free again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio
import pytest

from chanx import Channel, Depends
from tests.kernel.desk import Desk, anyio_backend, cancel, job, jobs, opened, say, settled, streaming, told, wait
from tests.kernel.messages import Done, Job, Said

__all__ = ["anyio_backend"]


# -- what waits ------------------------------------------------------------------------------------


async def test_a_message_that_waits_behind_a_serial_one() -> None:
    desk = Desk()
    async with opened(jobs(desk)) as wire:
        wire.say(wait(), say("x"), say("y"), cancel("x"))
        await settled(wire)
        assert told(wire) == ["x cancelled"]
        desk.let("w")
        await settled(wire)
        assert told(wire) == ["x cancelled", "w ack", "y said"]
    assert desk.log == ["+w", "-w", "y"]


async def test_a_cancel_whose_keys_are_escaped() -> None:
    desk = Desk()
    async with opened(jobs(desk)) as wire:
        wire.say(wait(), say("x"), '{"action":"cancel","\\u0072ef":"x"}')
        await settled(wire)
        assert told(wire) == ["x cancelled"]
        desk.let("w")


async def test_a_message_that_waits_in_a_lane() -> None:
    desk = Desk()
    async with opened(jobs(desk, concurrency=1)) as wire:
        wire.say(job("a"), job("b"), job("c"), cancel("b"))
        await settled(wire)
        assert told(wire) == ["b cancelled"]
        desk.let("a", "c")
        await settled(wire)
        assert told(wire) == ["b cancelled", "a done", "c done"]


async def test_a_message_that_waits_without_a_ref_cannot_be_told() -> None:
    desk = Desk()
    async with opened(jobs(desk)) as wire:
        wire.say(wait(), {"action": "say", "text": "x"}, cancel("x"))
        await settled(wire)
        desk.let("w")
        await settled(wire)
        assert told(wire) == ["w ack", "said"]


async def test_a_cancel_comes_before_messages_that_were_sent_earlier() -> None:
    """Control frames act at once: what the cancel ends, waits no more, and its ref is free."""
    desk = Desk()
    async with opened(jobs(desk)) as wire:
        wire.say(wait(), say("x"), cancel("x"), say("again", "x"))
        await settled(wire)
        desk.let("w")
        await settled(wire)
        assert told(wire) == ["x cancelled", "w ack", "x said"]
        assert wire.frames[-1]["text"] == "again"


# -- what runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "cancellable"),
    [
        ({}, False),
        ({"concurrency": 2}, False),
        ({"key": "key"}, False),
        ({"timeout": 60}, False),
        ({"on_leave": "cancel"}, True),
        ({"on_leave": "cancel", "concurrency": 2}, True),
        ({"latest": True}, True),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, dict) else None,
)
async def test_a_handler_that_runs(options: dict[str, Any], cancellable: bool) -> None:
    desk = Desk()
    async with opened(jobs(desk, **options)) as wire:
        wire.say(job("a"), cancel("b"))
        await settled(wire)
        assert desk.running == ["a"]
        wire.say(cancel("a"), cancel("a"))
        await settled(wire)
        assert told(wire) == (["a cancelled"] if cancellable else [])
        assert desk.log == (["+a", "!a"] if cancellable else ["+a"])
        desk.let("a")
        wire.say(say())
        await settled(wire)
        assert sorted(told(wire)) == [("a cancelled" if cancellable else "a done"), "x said"]
        wire.say(job("a"))  # its ref is free
        await settled(wire)
        assert told(wire)[-1] == "a done"


@pytest.mark.parametrize("options", [{}, {"concurrency": 2}, {"on_leave": "finish"}], ids=str)
async def test_a_stream_that_runs(options: dict[str, Any]) -> None:
    desk = Desk()
    async with opened(streaming(desk, **options)) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert told(wire) == ["a done"]
        wire.say(cancel("a"), say())
        await settled(wire)
        assert sorted(told(wire)[1:]) == ["a cancelled", "x said"]
    assert desk.log == ["+a", "!a"]


async def test_dependencies_are_closed_before_the_answer() -> None:
    desk = Desk()
    channel = Channel()

    async def resource() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await desk.gate("close").wait()

    @channel.on(Job, on_leave="cancel")
    async def work(message: Job, value: Annotated[None, Depends(resource)]) -> None:
        await desk.work(message.name)

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(cancel("a"))
        await settled(wire)
        assert desk.log == ["+a", "!a"]
        assert told(wire) == []
        wire.say(job("a"), cancel("a"))  # the ref is still taken, and it is cancelled already
        await settled(wire)
        assert told(wire) == ["a duplicate_ref"]
        desk.let("close")
        await settled(wire)
        assert told(wire) == ["a duplicate_ref", "a cancelled"]


async def test_a_handler_that_returns_all_the_same_gives_its_answer() -> None:
    desk = Desk()
    channel = Channel()

    @channel.on(Job, on_leave="cancel")
    async def work(message: Job) -> Done:
        with anyio.CancelScope(shield=True):
            await desk.work(message.name)
        return Done(name=message.name)

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(cancel("a"))
        await settled(wire)
        desk.let("a")
        await settled(wire)
        assert told(wire) == ["a done"]


async def test_a_handler_that_raises_when_it_is_cancelled() -> None:
    channel = Channel()
    desk = Desk()

    @channel.on(Job, on_leave="cancel")
    async def work(message: Job) -> None:
        try:
            await desk.work(message.name)
        finally:
            raise ValueError("closing")

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(cancel("a"))
        await settled(wire)
        assert told(wire) == ["a internal_error"]
    assert channel.stats().handler_errors == 1


async def test_no_error_function_nor_the_log_hears_of_a_cancel(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    channel = jobs(desk, on_leave="cancel")

    @channel.on_error(Exception)
    async def failed(error: Exception) -> Said:
        raise AssertionError

    async with opened(channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(cancel("a"))
        await settled(wire)
        assert told(wire) == ["a cancelled"]
    assert channel.stats().handler_errors == 0
    assert not caplog.records


# -- what is over, or never was --------------------------------------------------------------------


async def test_what_is_over_or_never_was() -> None:
    desk = Desk()
    channel = jobs(desk, concurrency=2)
    async with opened(channel) as wire:
        desk.let("a")
        wire.say(job("a"), say("x"))
        await settled(wire)
        wire.say(cancel("a"), cancel("x"), cancel("never"), cancel(5), say("y"))
        await settled(wire)
        assert sorted(told(wire)) == ["a done", "x said", "y said"]
    assert channel.stats().bad_frames == 0


async def test_a_cancel_when_nothing_was_ever_special() -> None:
    async with opened(jobs(Desk())) as wire:
        wire.say(cancel("a"), say())
        await settled(wire)
        assert told(wire) == ["x said"]


async def test_a_cancel_says_what_it_ends() -> None:
    desk = Desk()
    channel = jobs(desk)
    async with opened(channel) as wire:
        wire.say(
            {"action": "cancel"},
            {"action": "cancel", "ref": ""},
            {"action": "cancel", "ref": None},
            {"action": "cancel", "ref": [1]},
        )
        await settled(wire)
        assert told(wire) == ["invalid_message"] * 4
        assert all(frame["payload"]["errors"][0]["loc"] == ["ref"] for frame in wire.frames)
    assert channel.stats().bad_frames == 4


async def test_a_cancel_while_another_message_is_handled_that_says_not_what_it_ends() -> None:
    desk = Desk()
    async with opened(jobs(desk)) as wire:
        wire.say(wait(), {"action": "cancel"}, {"action": "cancel", "ref": ""})
        await settled(wire)
        assert told(wire) == []
        desk.let("w")
        await settled(wire)
        assert told(wire) == ["w ack", "invalid_message", "invalid_message"]


async def test_a_number_and_its_text_are_two_refs() -> None:
    desk = Desk()
    async with opened(jobs(desk, on_leave="cancel", concurrency=2)) as wire:
        wire.say(job("a", ref=1), job("b", ref="1"))
        await settled(wire)
        wire.say(cancel("1"))
        await settled(wire)
        assert desk.running == ["a"]
        assert wire.frames[0]["ref"] == "1"
        wire.say('{"action":"cancel","ref":01}', '{"action":"cancel","ref":"\\u0031"}', '{"action":"cancel","ref": 1 }')
        await settled(wire)
        assert desk.running == []
        assert [frame.get("ref") for frame in wire.frames] == ["1", None, 1]


async def test_without_an_envelope_cancel_is_a_tag_like_any_other() -> None:
    desk = Desk()
    channel = Channel(envelope=False)

    @channel.on(Job)
    async def work(message: Job) -> Done:
        await desk.work(message.name)
        return Done(name=message.name)

    async with opened(channel) as wire:
        wire.say(job("a"), cancel("a"))
        await settled(wire)
        desk.let("a")
        await settled(wire)
        assert told(wire) == ["done", "unknown_action"]
