"""What becomes of broadcasts and events for which a slow client has no room."""

from __future__ import annotations

import logging
import threading
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest

from chanx import Channel, ConfigurationError, Context, Limits, _runtime
from tests.kernel import clock
from tests.kernel.messages import Fired, Hired, Said, Say, Wait
from tests.kernel.wire import Wire, serve

Overflow = Literal["close", "drop_oldest", "coalesce"]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


def room(overflow: Overflow, limits: Limits | None = None, **options: Any) -> Channel:
    channel = Channel(overflow=overflow, limits=limits, **options)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    return channel


async def say(channel: Channel, *texts: str | int, key: str | None = None) -> None:
    for text in texts:
        await channel.broadcast(Said(text=str(text)), group="room", key=key)


async def stall(channel: Channel, wire: Wire, text: str = "first") -> None:
    """From now on a frame is being written, and what comes waits."""
    await wire.accepted()
    await wire.until(lambda: wire.listening)
    wire.hold()
    before = len(wire.frames)
    await say(channel, text)
    await wire.reached(frames=before + 1)


def texts(wire: Wire) -> list[str]:
    return [frame["text"] for frame in wire.frames]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# -- drop_oldest ------------------------------------------------------------------------------------


async def test_the_oldest_is_dropped_and_the_client_stays(caplog: pytest.LogCaptureFixture) -> None:
    channel = room("drop_oldest", Limits(outbox=3))
    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, *range(8))
        assert channel.stats().frames_dropped == 5
        slow.release()
        await slow.until(lambda: len(slow.frames) == 4)
        assert slow.closed is None
    assert texts(slow) == ["first", "5", "6", "7"]
    assert channel.stats().slow_closed == channel.stats().coalesced == 0


async def test_one_warning_for_each_time_of_dropping(caplog: pytest.LogCaptureFixture) -> None:
    channel = room("drop_oldest", Limits(outbox=2))
    async with serve(channel, patience=1000) as slow:
        for episode in (1, 2):
            await stall(channel, slow)
            await say(channel, *range(10))
            (*_, told) = warnings(caplog)
            assert len(warnings(caplog)) == episode
            assert "outbox is full" in told
            assert "(groups room)" in told
            (own,) = _runtime.current().connections
            assert own.id in told
            slow.release()
            await slow.until(lambda: texts(slow)[-1] == "9" and slow.written == len(slow.sent))
    assert channel.stats().frames_dropped == 16


async def test_answers_are_never_dropped() -> None:
    channel = room("drop_oldest", Limits(outbox=3))

    @channel.on(Say)
    async def answer(message: Say, ctx: Context) -> None:
        await ctx.send(Said(text=message.text))

    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, "push 1")
        slow.say({"action": "say", "text": "answer 1"}, {"action": "say", "text": "answer 2"})
        await slow.until(lambda: slow.listening)
        await say(channel, "push 2")  # takes the room of the other push, from behind which it came
        slow.say({"action": "say", "text": "answer 3"})  # waits for room
        await anyio.wait_all_tasks_blocked()
        await say(channel, "push 3")
        assert channel.stats().frames_dropped == 2
        slow.release()
        await slow.until(lambda: len(slow.frames) == 5)
    assert texts(slow) == ["first", "answer 1", "answer 2", "push 3", "answer 3"]


async def test_where_answers_take_all_the_room_the_new_one_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    channel = room("drop_oldest", Limits(outbox=2))

    @channel.on(Wait)
    async def answer(message: Wait, ctx: Context) -> None:
        await ctx.send(Said(text="answer 1"))
        await ctx.send(Said(text="answer 2"))

    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        slow.say({"action": "wait"})
        await slow.until(lambda: slow.listening)
        await say(channel, "push 1", "push 2")
        assert channel.stats().frames_dropped == 2
        assert len(warnings(caplog)) == 1
        slow.release()
        await slow.until(lambda: len(slow.frames) == 3)
        await say(channel, "push 3")
        await slow.until(lambda: len(slow.frames) == 4)
    assert texts(slow) == ["first", "answer 1", "answer 2", "push 3"]


async def test_pushes_do_not_take_the_room_that_an_answer_waits_for() -> None:
    """The client reads slower than is pushed, for ever; its answers come through all the same."""
    channel = room("drop_oldest", Limits(outbox=5))
    pushed = 0
    over = 0

    @channel.on(Say)
    async def answer(message: Say, ctx: Context) -> None:
        for number in range(10):
            await ctx.send(Said(text=f"answer {number}"))

    async def push() -> None:
        nonlocal pushed, over
        while not any(text == "answer 9" for text in texts(slow)) and pushed < 3000:
            await say(channel, "push")
            pushed += 1
            await anyio.lowlevel.checkpoint()
        over += 1

    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, *range(5))
        slow.say({"action": "say", "text": "x"})
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(push)
            slow.release()
        assert pushed < 3000
    assert channel.stats().slow_closed == 0


async def test_the_bound_in_bytes() -> None:
    channel = room("drop_oldest", Limits(outbox_bytes=1000))
    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, "a" * 380, "b" * 380)  # some 400 bytes each
        assert channel.stats().frames_dropped == 0
        await say(channel, "c" * 380)
        assert channel.stats().frames_dropped == 1
        await say(channel, "d" * 700)  # two have to go for it
        assert channel.stats().frames_dropped == 3
        await say(channel, "é" * 600)  # bytes, not characters; alone it goes, however large it is
        assert channel.stats().frames_dropped == 4
        slow.release()
        await slow.until(lambda: len(slow.frames) == 2)
    assert texts(slow) == ["first", "é" * 600]


async def test_nothing_is_dropped_for_what_has_no_room_all_the_same() -> None:
    channel = room("drop_oldest", Limits(outbox_bytes=1000))

    @channel.on(Say)
    async def answer(message: Say) -> Said:
        return Said(text=message.text)

    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        slow.say({"action": "say", "text": "answer"})
        await slow.until(lambda: slow.listening)
        await say(channel, "small", "x" * 2000)
        assert channel.stats().frames_dropped == 1
        slow.release()
        await slow.until(lambda: len(slow.frames) == 3)
    assert texts(slow) == ["first", "answer", "small"]


async def test_what_comes_before_the_accept_follows_the_policy_too() -> None:
    channel = Channel(overflow="drop_oldest", limits=Limits(outbox=2))

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")
        for number in range(5):
            await ctx.broadcast(Said(text=str(number)), group="room")

    async with serve(channel, patience=1000) as wire:
        await wire.reached(frames=2)
    assert texts(wire) == ["3", "4"]


# -- coalesce ---------------------------------------------------------------------------------------


async def test_the_latest_of_a_key_takes_the_place_of_the_one_that_waits(caplog: pytest.LogCaptureFixture) -> None:
    channel = room("coalesce")
    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, "ada 1", key="ada")
        await say(channel, "bob 1", key="bob")
        await say(channel, "plain 1")
        await say(channel, "ada 2", "ada 3", key="ada")
        await say(channel, "plain 2")
        await say(channel, "bob 2", key="bob")
        assert channel.stats().coalesced == 3
        slow.release()
        await slow.until(lambda: len(slow.frames) == 5 and slow.written == len(slow.sent))
        await say(channel, "ada 4", key="ada")
        await slow.until(lambda: len(slow.frames) == 6)
    assert texts(slow) == ["first", "ada 3", "bob 2", "plain 1", "plain 2", "ada 4"]
    assert channel.stats().frames_dropped == 0
    assert warnings(caplog) == []


async def test_what_is_being_written_is_not_replaced() -> None:
    channel = room("coalesce")
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        await say(channel, "1", key="ada")
        await slow.reached(frames=1)
        await say(channel, "2", "3", key="ada")
        slow.release()
        await slow.reached(frames=2)
    assert texts(slow) == ["1", "3"]
    assert channel.stats().coalesced == 1


@pytest.mark.parametrize("key", [None, "new"])
async def test_what_replaces_nothing_and_has_no_room_closes(key: str | None) -> None:
    channel = room("coalesce", Limits(outbox=2))
    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, "1", key="ada")
        await say(channel, "1", key="bob")
        await say(channel, "2", key="ada")  # full, but this takes no room
        assert channel.stats().slow_closed == 0
        await say(channel, "too many", key=key)
        slow.release()
        await slow.end()
    assert slow.closed == (1013, "too slow")
    assert channel.stats().frames_dropped == 3
    assert channel.stats().coalesced == 1


async def test_a_latest_that_is_too_large_for_the_place_closes() -> None:
    channel = room("coalesce", Limits(outbox_bytes=1000))
    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, "a" * 400, key="ada")
        await say(channel, "a" * 2000, key="ada")  # alone it may
        await say(channel, "a" * 400, key="ada")
        await say(channel, "b" * 400, key="bob")
        assert channel.stats().slow_closed == 0
        await say(channel, "b" * 700, key="bob")
        assert channel.stats().slow_closed == 1
        slow.release()


@pytest.mark.parametrize("overflow", ["close", "drop_oldest"])
async def test_elsewhere_a_key_means_nothing(overflow: Overflow) -> None:
    channel = room(overflow)
    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await say(channel, "1", "2", key="ada")
        slow.release()
        await slow.reached(frames=3)
    assert texts(slow) == ["first", "1", "2"]
    assert channel.stats().coalesced == 0


# -- events -----------------------------------------------------------------------------------------


def handled_by(channel: Channel, gate: anyio.Event, *, serial: bool = False) -> list[str]:
    handled: list[str] = []

    @channel.event(Hired, serial=serial)
    async def hired(event: Hired) -> None:
        handled.append(event.name)
        await gate.wait()

    @channel.event(Fired, serial=serial)
    async def fired(event: Fired) -> None:
        handled.append(f"not {event.name}")

    @channel.on(Say)
    async def say_(message: Say) -> None:
        handled.append(message.text)

    return handled


async def hire(channel: Channel, *names: str, key: str | None = None) -> None:
    for name in names:
        await channel.emit(Hired(name=name), group="room", key=key)
        await anyio.wait_all_tasks_blocked()


@pytest.mark.parametrize("serial", [False, True])
async def test_the_oldest_event_is_dropped(serial: bool, caplog: pytest.LogCaptureFixture) -> None:
    channel = room("drop_oldest", Limits(inbox=2))
    gate = anyio.Event()
    handled = handled_by(channel, gate, serial=serial)
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        await hire(channel, "a", "b", "c", "d", "e")
        assert handled == ["a"]
        assert channel.stats().frames_dropped == 2
        (told,) = warnings(caplog)
        assert "inbox of events is full" in told
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert handled == ["a", "d", "e"]


async def test_serial_events_keep_their_turn_among_the_messages_when_one_is_dropped() -> None:
    channel = room("drop_oldest", Limits(inbox=2))
    gate = anyio.Event()
    handled = handled_by(channel, gate, serial=True)
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        await hire(channel, "a")
        await slow.until(lambda: slow.listening)  # its handler is suspended, so frames are read ahead
        for number in range(1, 4):
            await hire(channel, f"event {number}")
            slow.say({"action": "say", "text": f"message {number}"})
            await anyio.wait_all_tasks_blocked()
        gate.set()
        await anyio.wait_all_tasks_blocked()
    assert handled == ["a", "message 1", "event 2", "message 2", "event 3", "message 3"]


@pytest.mark.parametrize("serial", [False, True])
async def test_the_latest_event_of_a_type_and_key_is_handled(serial: bool) -> None:
    channel = room("coalesce", Limits(inbox=3))
    gate = anyio.Event()
    handled = handled_by(channel, gate, serial=serial)
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        await hire(channel, "first")
        await hire(channel, "a", key="one")
        await hire(channel, "b")
        await channel.emit(Fired(name="a"), group="room", key="one")  # another type
        await hire(channel, "c", "d", key="one")
        assert channel.stats().coalesced == 2
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert handled == ["first", "d", "b", "not a"]


# -- set-up -----------------------------------------------------------------------------------------


async def test_the_channel_that_is_served_decides() -> None:
    child, parent = room("close", Limits(outbox=1)), Channel(overflow="drop_oldest", limits=Limits(outbox=1))
    parent.include(child)
    async with serve(parent, patience=1000) as slow:
        await stall(child, slow)
        await say(child, "1", "2", "3")
        assert parent.stats().slow_closed == 0
        assert parent.stats().frames_dropped == 2
        slow.release()


async def test_every_way_to_publish_takes_a_key() -> None:
    channel = room("coalesce")
    gate = anyio.Event()
    handled = handled_by(channel, gate)

    @channel.on(Wait)
    async def publish(message: Wait, ctx: Context) -> None:
        await ctx.broadcast(Said(text="1"), group="room", key="one")
        await ctx.emit(Hired(name="1"), group="room", key="one")

    async with serve(channel, patience=1000) as slow:
        await stall(channel, slow)
        await hire(channel, "first")
        slow.say({"action": "wait"})
        await anyio.wait_all_tasks_blocked()
        await channel.broadcast(Said(text="2"), group="room", key="one")
        await channel.emit(Hired(name="2"), group="room", key="one")

        def publish_sync() -> None:
            channel.broadcast_sync(Said(text="3"), group="room", key="one")
            channel.emit_sync(Hired(name="3"), group="room", key="one")

        thread = threading.Thread(target=publish_sync)
        thread.start()
        thread.join()  # it waits for nothing that this loop would have to do
        await anyio.wait_all_tasks_blocked()
        assert channel.stats().coalesced == 4
        gate.set()
        slow.release()
        await slow.reached(frames=2)
    assert texts(slow) == ["first", "3"]
    assert handled == ["first", "3"]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r'Channel at .*overflow=\'drop\'; it is "close", "drop_oldest" or'):
        Channel(overflow="drop")  # type: ignore[arg-type]


async def test_a_key_that_is_no_string_is_refused() -> None:
    channel = Channel()
    with pytest.raises(TypeError, match="key=7; it is a string"):
        await channel.broadcast(Said(text="x"), group="room", key=7)  # type: ignore[arg-type]
