"""Events beside the messages of their connection, or among them."""

from __future__ import annotations

import anyio
import pytest

from chanx import Channel, Context, Limits
from tests.kernel.desk import Desk, anyio_backend, job, jobs, opened, settled, told
from tests.kernel.messages import Fired, Hired, Said

__all__ = ["anyio_backend"]


def with_events(desk: Desk, *, serial: bool) -> Channel:
    channel = jobs(desk, concurrency=1)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired, serial=serial)
    async def hired(event: Hired) -> Said:
        await desk.work(event.name)
        return Said(text=event.name)

    return channel


async def test_events_do_not_wait_for_messages_nor_messages_for_events() -> None:
    desk = Desk()
    channel = with_events(desk, serial=False)
    async with opened(channel) as wire:
        wire.say({"action": "wait", "name": "w"})
        await settled(wire)
        for name in ("e1", "e2"):
            await channel.emit(Hired(name=name), group="room")
        await settled(wire)
        assert desk.running == ["w", "e1"]  # events one at a time
        desk.let("w")
        wire.say({"action": "say", "text": "x", "ref": 1})
        await settled(wire)
        assert told(wire) == ["1 said"]
        desk.let("e2", "e1")
        await settled(wire)
        assert [frame["text"] for frame in wire.frames[1:]] == ["e1", "e2"]


async def test_serial_events_wait_among_the_messages() -> None:
    desk = Desk()
    channel = with_events(desk, serial=True)
    async with opened(channel) as wire:
        wire.say({"action": "wait", "name": "w"}, {"action": "wait", "name": "v"})
        await settled(wire)
        await channel.emit(Hired(name="e1"), group="room")
        await channel.emit(Hired(name="e2"), group="room")
        wire.say({"action": "say", "text": "x", "ref": 1})
        await settled(wire)
        assert desk.running == ["w"]
        desk.let("e1", "e2")
        assert told(wire) == []
        desk.let("w")
        await settled(wire)
        assert desk.running == ["v"]
        assert told(wire) == []
        desk.let("v")
        await settled(wire)
        assert [frame["text"] for frame in wire.frames] == ["e1", "e2", "x"]
    assert desk.log == ["+w", "-w", "+v", "-v", "+e1", "-e1", "+e2", "-e2", "x"]


async def test_messages_wait_for_a_serial_event() -> None:
    desk = Desk()
    channel = with_events(desk, serial=True)
    async with opened(channel) as wire:
        await channel.emit(Hired(name="e"), group="room")
        await settled(wire)
        assert desk.running == ["e"]
        wire.say({"action": "say", "text": "x", "ref": 1}, job("a"))
        await settled(wire)
        assert told(wire) == []
        desk.let("e", "a")
        await settled(wire)
        assert told(wire) == ["said", "1 said", "a done"]


async def test_serial_and_other_events_of_one_connection() -> None:
    desk = Desk()
    channel = with_events(desk, serial=True)

    @channel.event(Fired)
    async def fired(event: Fired) -> Said:
        return Said(text="fired")

    async with opened(channel) as wire:
        await channel.emit(Hired(name="e"), group="room")
        await channel.emit(Fired(), group="room")
        await settled(wire)
        assert [frame["text"] for frame in wire.frames] == ["fired"]
        desk.let("e")
        await settled(wire)
        assert [frame["text"] for frame in wire.frames] == ["fired", "e"]


async def test_serial_events_of_the_handshake_come_first() -> None:
    desk = Desk()
    desk.let("e")
    channel = with_events(desk, serial=True)

    @channel.on_connect
    async def emit(ctx: Context) -> None:
        await ctx.emit(Hired(name="e"), group="room")

    async with opened(channel) as wire:
        wire.say({"action": "say", "text": "x"})
        await settled(wire)
        assert [frame["text"] for frame in wire.frames] == ["e", "x"]


async def test_serial_events_that_wait_are_dropped_when_the_client_leaves() -> None:
    desk = Desk()
    channel = with_events(desk, serial=True)
    async with opened(channel) as wire:
        wire.say({"action": "wait", "name": "w"}, {"action": "say", "text": "x"})
        await settled(wire)
        await channel.emit(Hired(name="e"), group="room")
        wire.leave()
        await wire.until(lambda: wire.waiting == 0)
        desk.let("w")
        await wire.end()
    assert desk.log == ["+w", "-w", "x"]


async def test_a_flood_of_serial_events_is_bounded() -> None:
    desk = Desk()
    channel = with_events(desk, serial=True)
    channel.limits = Limits(inbox=5)
    async with opened(channel) as wire:
        wire.say({"action": "wait", "name": "w"})
        await settled(wire)
        for number in range(6):
            await channel.emit(Hired(name=str(number)), group="room")
        assert channel.stats().slow_closed == 1
        desk.let("w")
        await wire.end()
        assert wire.closed is not None
        assert wire.closed[0] == 1013
    assert desk.log == ["+w", "-w"]


async def test_an_event_handler_with_a_time_limit() -> None:
    channel = Channel()
    desk = Desk()

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired, timeout=3)
    async def hired(event: Hired) -> Said:
        await desk.work(event.name)
        return Said(text=event.name)

    async with opened(channel) as wire:
        desk.let("b")
        for name in "ab":
            await channel.emit(Hired(name=name), group="room")
        await anyio.sleep(2.9)
        assert desk.running == ["a"]
        await wire.reached(frames=1)
        assert wire.frames == [{"action": "said", "text": "b"}]
    assert desk.log == ["+a", "!a", "+b", "-b"]
    assert channel.stats().handler_errors == 0


async def test_a_handler_that_stumbles_over_another_closed_connection_has_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    channel = Channel()
    others: list[Context] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        others.append(ctx)
        await ctx.join(f"room {len(others)}")

    @channel.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        await others[0].send(Said(text="welcome"))

    async with opened(channel):
        pass
    async with opened(channel) as wire:
        await channel.emit(Hired(name="Ada"), group="room 2")
        await settled(wire)
        assert channel.stats().handler_errors == 1
    assert "hired" in caplog.text
