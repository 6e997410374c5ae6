"""Only the latest message of a handler, or of a key, is handled."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio

from chanx import Channel, Context, Depends
from tests.kernel.desk import Desk, anyio_backend, cancel, job, opened, settled, told
from tests.kernel.messages import Done, Hired, Job, Said, Say

__all__ = ["anyio_backend"]


def latest(desk: Desk, **options: Any) -> Channel:
    channel = Channel()

    async def resource() -> AsyncGenerator[None, None]:
        desk.log.append("opened")
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await desk.gate("close").wait()
            desk.log.append("closed")

    @channel.on(Job, latest=True, **options)
    async def work(message: Job, value: Annotated[None, Depends(resource)]) -> Done:
        await desk.work(message.name)
        return Done(name=message.name)

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    return channel


async def test_the_latest_begins_when_the_old_one_is_over() -> None:
    desk = Desk()
    async with opened(latest(desk)) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(job("b"), {"action": "say", "text": "x", "ref": 1})
        await settled(wire)
        assert desk.log == ["opened", "+a", "!a"]  # its dependency takes a while to close
        assert told(wire) == ["1 said"]
        wire.hold()
        desk.let("close")
        await wire.until(lambda: "a cancelled" in told(wire))
        await anyio.wait_all_tasks_blocked()
        assert desk.log == ["opened", "+a", "!a", "closed"]  # and its answer a while to be written
        wire.release()
        await settled(wire)
        assert desk.log == ["opened", "+a", "!a", "closed", "opened", "+b"]
        desk.let("b")
        await settled(wire)
        assert told(wire) == ["1 said", "a cancelled", "b done"]


async def test_of_those_that_wait_only_the_latest_is_handled() -> None:
    desk = Desk()
    async with opened(latest(desk)) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(job("b"), job("c"), job("d"))
        await settled(wire)
        assert told(wire) == ["b cancelled", "c cancelled"]
        desk.let("close", "d")
        await settled(wire)
        assert told(wire) == ["b cancelled", "c cancelled", "a cancelled", "d done"]
    assert [one for one in desk.log if one[0] == "+"] == ["+a", "+d"]


async def test_the_latest_of_each_key() -> None:
    desk = Desk()
    desk.let("close")
    async with opened(latest(desk, key="key")) as wire:
        wire.say(job("a1", "a"), job("b1", "b"))
        await settled(wire)
        assert desk.running == ["a1", "b1"]
        wire.say(job("a2", "a"))
        await settled(wire)
        assert desk.running == ["b1", "a2"]
        assert told(wire) == ["a1 cancelled"]
        desk.let("a2", "b1")
        await settled(wire)
        assert sorted(told(wire)[1:]) == ["a2 done", "b1 done"]


async def test_the_latest_of_each_key_with_a_bound_over_all() -> None:
    """What waits for its turn is replaced there, and what other keys wait for stays."""
    desk = Desk()
    desk.let("close")
    async with opened(latest(desk, key="key", concurrency=1)) as wire:
        wire.say(job("a1", "a"), job("b1", "b"), job("c1", "c"), job("b2", "b"))
        await settled(wire)
        assert desk.running == ["a1"]
        assert told(wire) == ["b1 cancelled"]
        desk.let("a1", "b2", "c1")
        await settled(wire)
        assert told(wire) == ["b1 cancelled", "a1 done", "c1 done", "b2 done"]


async def test_what_ended_it_first_is_told() -> None:
    desk = Desk()
    async with opened(latest(desk)) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(job("b"), cancel("a"))
        await settled(wire)
        desk.let("close", "b")
        await settled(wire)
        assert told(wire) == ["a cancelled", "b done"]
        assert wire.frames[0]["payload"]["detail"] == "a newer message took its place"


async def test_the_latest_does_not_wait_when_nothing_runs() -> None:
    desk = Desk()
    desk.let("close", "a", "b")
    async with opened(latest(desk)) as wire:
        for name in "ab":
            wire.say(job(name))
            await settled(wire)
        assert told(wire) == ["a done", "b done"]


async def test_a_handler_that_does_not_mind_being_cancelled_still_answers_once() -> None:
    """It catches the cancellation and returns: that is its answer."""
    desk = Desk()
    channel = Channel()

    @channel.on(Job, latest=True)
    async def work(message: Job) -> Done:
        with anyio.CancelScope(shield=True):
            await desk.work(message.name)
        return Done(name=message.name)

    async with opened(channel) as wire:
        wire.say(job("a"), job("b"))
        await settled(wire)
        assert desk.running == ["a"] or desk.running == ["b"]
        desk.let("a", "b")
        await settled(wire)
        assert sorted(told(wire)) in (["a done", "b done"], ["a cancelled", "b done"])


async def test_the_latest_is_not_begun_when_the_connection_closed_meanwhile() -> None:
    desk = Desk()
    channel = latest(desk)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        await ctx.close(3000)

    async with opened(channel) as wire:
        for name in "ab":
            wire.say(job(name))
            await settled(wire)
        wire.hold()
        wire.say(job("c"))
        await wire.until(lambda: "b cancelled" in told(wire))
        await channel.emit(Hired(name="x"), group="room")
        await anyio.wait_all_tasks_blocked()
        desk.let_all()
        desk.let("close")
        wire.release()
        await wire.end()
    assert "+c" not in desk.log
