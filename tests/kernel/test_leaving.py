"""A client that leaves: how soon it is noticed, what is still handled, and for how long."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from chanx import Channel, ConnectionClosed, Context, Limits
from tests.kernel import clock
from tests.kernel.messages import Fired, Hired, Said, Say, Wait
from tests.kernel.wire import Wire, serve

WAIT = {"action": "wait"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


class Room:
    """A channel whose handlers wait for the test."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.channel = channel = Channel(limits=limits)
        self.gate = anyio.Event()
        self.started = anyio.Event()
        self.log: list[str] = []
        self.left: list[Context] = []
        self.cancelled: list[str] = []

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room")

        @channel.on(Say)
        async def say(message: Say) -> Said:
            self.log.append(message.text)
            return Said(text=message.text)

        @channel.on(Wait)
        async def wait(message: Wait) -> None:
            self.log.append("waiting")
            self.started.set()
            try:
                await self.gate.wait()
            except anyio.get_cancelled_exc_class():
                self.cancelled.append(message.name)
                raise
            self.log.append("waited")

        @channel.on_disconnect
        async def leave(ctx: Context) -> None:
            self.log.append("left")
            self.left.append(ctx)

    @property
    def members(self) -> int:
        return self.channel.layers()[0].members.count("room")

    async def enter(self, wire: Wire, *frames: Any) -> None:
        """Accept, and get the first handler suspended."""
        await wire.accepted()
        wire.say(WAIT, *frames)
        await self.started.wait()
        assert self.members == 1


def said(*texts: str) -> list[dict[str, str]]:
    return [{"action": "say", "text": text} for text in texts]


async def test_a_client_that_leaves_under_a_suspended_handler_is_noticed_within_250_ms() -> None:
    room = Room()
    async with serve(room.channel, patience=1000) as wire:
        await room.enter(wire)
        wire.leave(1001)
        watch = clock.Stopwatch()
        await wire.until(lambda: room.members == 0)
        assert watch.seconds <= 0.25
        assert room.log == ["waiting"]  # noticed while the handler is still at it
        room.gate.set()
        await wire.end()
    assert room.log == ["waiting", "waited", "left"]
    assert (room.left[0].close_code, room.left[0].left_groups) == (1001, frozenset({"room"}))


async def test_a_client_that_leaves_long_after_is_noticed_as_soon() -> None:
    room = Room()
    async with serve(room.channel, patience=1000) as wire:
        await room.enter(wire, *said("one", "two"))
        await anyio.sleep(30)
        wire.leave()
        watch = clock.Stopwatch()
        await wire.until(lambda: room.members == 0)
        assert watch.seconds <= 0.25
        room.gate.set()


async def test_the_reader_is_handed_back_and_taken_again() -> None:
    """The second suspended handler of a connection is looked after as the first was."""
    room = Room()
    async with serve(room.channel, patience=1000) as wire:
        await room.enter(wire)
        await wire.until(lambda: wire.listening)  # the background reader
        room.gate.set()
        wire.say(*said("between"))
        await wire.until(lambda: wire.frames)
        room.gate, room.started = anyio.Event(), anyio.Event()
        wire.say(WAIT)
        await room.started.wait()
        wire.leave()
        await wire.until(lambda: room.members == 0)
        assert room.log == ["waiting", "waited", "between", "waiting"]
        room.gate.set()


async def test_what_was_sent_before_leaving_is_handled_in_order() -> None:
    room = Room()
    async with serve(room.channel, patience=1000) as wire:
        await room.enter(wire, *said("one", "two", "three"))
        wire.leave()
        await wire.until(lambda: room.members == 0)
        room.gate.set()
        await wire.end()
    assert room.log == ["waiting", "waited", "one", "two", "three", "left"]
    assert wire.frames == []  # nothing is sent to a client that has left


async def test_send_and_close_the_tab_loses_nothing() -> None:
    room = Room()
    async with serve(room.channel, patience=1000) as wire:
        wire.say(*said("one", "two"))
        wire.leave()
        await wire.end()
    assert room.log == ["one", "two", "left"]


async def test_lingering_has_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()  # with the default of ten seconds
    async with serve(room.channel, patience=1000) as wire:
        await room.enter(wire, *said("never"))
        wire.leave()
        await wire.until(lambda: room.members == 0)
        watch = clock.Stopwatch()
        with caplog.at_level(logging.WARNING, "chanx"):
            await wire.end()
        assert watch.seconds == pytest.approx(Limits().linger, abs=0.05)
    assert room.log == ["waiting", "left"]
    assert room.cancelled == [""]
    assert room.channel.stats().cancelled == 1
    assert any(room.left[0].id in record.getMessage() for record in caplog.records)


async def test_the_bound_is_for_all_that_waits_together() -> None:
    channel = Channel(limits=Limits(linger=10))
    handled: list[str] = []

    @channel.on(Say)
    async def slow(message: Say) -> None:
        await anyio.sleep(4)
        handled.append(message.text)

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.say(*said("one", "two", "three", "four"))
        wire.leave()
        watch = clock.Stopwatch()
        await wire.end()
    assert handled == ["one", "two"]
    assert watch.seconds == pytest.approx(10, abs=0.3)


async def test_on_leave_cancel_is_cancelled_at_once_and_the_rest_is_handled() -> None:
    room = Room()

    @room.channel.on(Fired, on_leave="cancel")
    async def stream(message: Fired) -> None:
        room.log.append("streaming")
        room.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            room.log.append("stopped")

    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "fired"}, *said("after"))
        await room.started.wait()
        wire.leave()
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds <= 0.25
    assert room.log == ["streaming", "stopped", "after", "left"]
    assert room.channel.stats().cancelled == 0  # that is for those who outlived `linger`


async def test_on_leave_cancel_that_begins_after_the_client_left_does_not_wait() -> None:
    room = Room()

    @room.channel.on(Fired, on_leave="cancel")
    async def stream(message: Fired) -> None:
        room.log.append("streaming")
        try:
            await anyio.sleep_forever()
        finally:
            room.log.append("stopped")

    async with serve(room.channel, patience=1000) as wire:
        await room.enter(wire, {"action": "fired"}, *said("after"))
        wire.leave()
        await wire.until(lambda: room.members == 0)
        room.gate.set()
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds <= 0.25
    assert room.log[-2:] == ["after", "left"]


async def test_a_handler_that_sends_to_a_client_that_left_gets_the_documented_exception() -> None:
    channel = Channel()
    left, raised = anyio.Event(), list[ConnectionClosed]()

    @channel.on(Wait)
    async def wait(message: Wait, ctx: Context) -> None:
        await left.wait()
        assert not ctx.is_open
        for _ in range(2):
            try:
                await ctx.send(Said(text="too late"))
            except ConnectionClosed as closed:
                raised.append(closed)
        try:
            await ctx.join("room")
        except ConnectionClosed as closed:
            raised.append(closed)
        await ctx.send(Said(text="this one is not caught, and is no error of the handler"))

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.say(WAIT)
        await wire.until(lambda: wire.listening)
        wire.leave(4000, "bye")
        await wire.until(lambda: wire.taken == 3)
        left.set()
        await wire.end()
    assert [(closed.code, closed.reason) for closed in raised] == [(4000, "bye")] * 3
    assert channel.stats().handler_errors == 0
    assert wire.kinds == ["accept"]


async def test_an_answer_that_was_being_written_does_not_let_later_ones_through() -> None:
    room = Room()
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        wire.say(*said("one", "two"))
        await wire.until(lambda: wire.frames)
        wire.leave()
        await wire.until(lambda: room.members == 0)
        wire.release()
        await wire.end()
    assert room.log == ["one", "two", "left"]
    assert wire.frames == [{"action": "said", "text": "one"}]


async def test_a_send_that_waits_for_room_ends_when_the_client_leaves() -> None:
    channel = Channel(limits=Limits(outbox=1))
    ends: list[str] = []
    waiting = anyio.Event()

    @channel.on(Wait)
    async def flood(message: Wait, ctx: Context) -> None:
        async def one() -> None:
            try:
                await ctx.send(Said(text="x"))
            except ConnectionClosed:
                ends.append("closed")

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(one)
            waiting.set()

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        wire.say(WAIT)
        await waiting.wait()
        await wire.until(lambda: wire.listening)
        wire.leave()
        watch = clock.Stopwatch()
        await wire.until(lambda: wire.taken == 3)
        await anyio.wait_all_tasks_blocked()
        assert len(ends) >= 2  # those that waited for room; the one being written is the server's
        assert watch.seconds < 1
    assert channel.stats().slow_closed == 0


async def test_event_handlers_linger_too_but_queued_events_are_forgotten() -> None:
    room = Room()

    @room.channel.event(Hired)
    async def hired(event: Hired) -> None:
        room.log.append(f"hired {event.name}")
        room.started.set()
        await room.gate.wait()
        room.log.append("done")

    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        await room.channel.emit(Hired(name="Ada"), group="room")
        await room.channel.emit(Hired(name="Bob"), group="room")
        await room.started.wait()
        wire.leave()
        await wire.until(lambda: room.members == 0)
        assert room.log == ["hired Ada"]
        room.gate.set()
        await wire.end()
    assert room.log == ["hired Ada", "done", "left"]


async def test_an_event_handler_that_outlives_linger_is_cancelled() -> None:
    room = Room()

    @room.channel.event(Hired)
    async def hired(event: Hired) -> None:
        room.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            room.log.append("cancelled")

    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        await room.channel.emit(Hired(name="Ada"), group="room")
        await room.started.wait()
        wire.leave()
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds == pytest.approx(Limits().linger, abs=0.3)
    assert room.log == ["cancelled", "left"]
    assert room.channel.stats().cancelled == 1
