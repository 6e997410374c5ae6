"""Clients that say nothing: heartbeats, how a dead one is found, and connections that are idle."""

from __future__ import annotations

from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel

from chanx import Channel, ConfigurationError, Context, Limits, _runtime
from tests.kernel import clock
from tests.kernel.messages import Hired, Said, Say, Wait
from tests.kernel.wire import Wire, serve, websocket_scope

BEAT = {"action": "heartbeat", "ask": "h1"}
SILENT = (1011, "no heartbeat")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


class Room:
    """A channel whose handlers wait for the test."""

    def __init__(self, **limits: Any) -> None:
        self.channel = channel = Channel("room", limits=Limits(**limits))
        self.started, self.go = anyio.Event(), anyio.Event()
        self.left: list[int | None] = []

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room")

        @channel.on_disconnect
        async def leave(ctx: Context) -> None:
            self.left.append(ctx.close_code)

        @channel.on(Say)
        async def say(message: Say) -> Said:
            return Said(text=message.text)

        @channel.on(Wait)
        async def wait(message: Wait) -> Said:
            self.started.set()
            await self.go.wait()
            return Said(text="waited")

        @channel.event(Hired)
        async def hired(event: Hired) -> None:
            self.started.set()
            await self.go.wait()

    @property
    def members(self) -> int:
        return self.channel.layers()[0].members.count("room")


def beats(wire: Wire) -> int:
    return len([frame for frame in wire.frames if frame["action"] == "heartbeat"])


async def test_a_client_that_is_gone_without_a_word_is_found() -> None:
    room = Room(heartbeat=30, heartbeat_timeout=10)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        watch = clock.Stopwatch()
        await wire.reached(frames=1)
        assert watch.seconds == pytest.approx(30, abs=0.1)
        assert wire.frames == [BEAT]
        await wire.until(lambda: wire.closed)
        assert watch.seconds == pytest.approx(40, abs=0.1)
        assert wire.closed == SILENT
        assert room.members == 0
        await wire.end()  # though the client never says that it has left
    assert room.left == [1011]
    assert room.channel.stats().timed_out == 1
    assert room.channel.stats().bad_frames == 0


async def test_a_client_that_does_not_even_take_the_frame_is_found_as_soon() -> None:
    room = Room(heartbeat=30, heartbeat_timeout=10)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        for text in ("one", "two", "three"):
            await room.channel.broadcast(Said(text=text), group="room")
        await anyio.sleep(15)  # less than a frame may take to be written
        await room.channel.broadcast(Said(text="four"), group="room")
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds <= 25
    assert len(room.left) == 1


async def test_what_waits_for_a_dead_client_is_dropped_and_counted() -> None:
    room = Room(heartbeat=5, heartbeat_timeout=5)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        for text in ("one", "two", "three"):
            await room.channel.broadcast(Said(text=text), group="room")
        await wire.end()
        assert len(wire.sent) == 2  # the accept, and the frame that stuck
    stats = room.channel.stats()
    assert (stats.timed_out, stats.slow_closed) == (1, 0)
    assert stats.frames_dropped == 3  # two of them, and the heartbeat


async def test_one_that_answers_stays() -> None:
    room = Room(heartbeat=30, heartbeat_timeout=10)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        for number in range(1, 6):
            await wire.reached(frames=number)
            assert wire.frames[-1] == {"action": "heartbeat", "ask": f"h{number}"}
            await anyio.sleep(9)
            wire.say(wire.frames[-1])
        await wire.until(lambda: wire.listening)
        assert wire.closed is None
        wire.say({"action": "say", "text": "x", "ref": 1})
        await wire.reached(frames=6)
        assert wire.frames[-1] == {"action": "said", "text": "x", "ref": 1}  # no heartbeat had an answer
    assert room.channel.stats().timed_out == room.channel.stats().bad_frames == 0


async def test_any_frame_is_a_sign_of_life() -> None:
    room = Room(heartbeat=30, heartbeat_timeout=10)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        for _ in range(10):
            await anyio.sleep(29)
            wire.say({"action": "say", "text": "x"})
        await wire.reached(frames=10)
        assert beats(wire) == 0
        watch = clock.Stopwatch()
        await wire.reached(frames=11)
        assert beats(wire) == 1
        assert watch.seconds == pytest.approx(30, abs=0.1)
        await anyio.sleep(9)
        wire.say("not even JSON")  # in place of the answer
        await wire.reached(frames=13)
        assert (beats(wire), wire.closed) == (2, None)


@pytest.mark.parametrize("queued", [False, True])
async def test_a_long_handler_does_not_look_like_a_dead_client(queued: bool) -> None:
    room = Room(heartbeat=5, heartbeat_timeout=5)
    if queued:

        @room.channel.event(Said, serial=True)
        async def said(event: Said) -> None: ...

    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        await room.started.wait()
        for number in range(1, 10):
            await wire.reached(frames=number)
            wire.say(wire.frames[-1])
        assert beats(wire) == 9
        room.go.set()
        await wire.until(lambda: wire.frames[-1] == {"action": "said", "text": "waited"})
        assert wire.closed is None


async def test_a_client_that_dies_under_a_handler_is_found() -> None:
    room = Room(heartbeat=5, heartbeat_timeout=5)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        await room.started.wait()
        watch = clock.Stopwatch()
        await wire.until(lambda: wire.closed)
        assert watch.seconds <= 10.1
        assert wire.closed == SILENT
        assert room.members == 0
        room.go.set()


async def test_a_reader_that_has_stopped_does_not_make_the_client_silent() -> None:
    room = Room(heartbeat=5, heartbeat_timeout=5, read_ahead=2)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "wait"}, *[{"action": "say", "text": str(number)} for number in range(5)])
        await room.started.wait()
        await anyio.sleep(100)
        assert wire.waiting == 3
        assert wire.closed is None
        room.go.set()
        await wire.until(lambda: len([one for one in wire.frames if one["action"] == "said"]) == 6)
        assert wire.closed is None


async def test_an_answer_that_nobody_asked_for_does_no_harm() -> None:
    for room in (Room(), Room(heartbeat=30), Room(idle=30)):
        async with serve(room.channel) as wire:
            await wire.accepted()
            wire.say({"action": "heartbeat", "ask": "h7"}, {"action": "heartbeat", "ask": 3})
            wire.say({"action": "say", "text": "x"})
            await wire.reached(frames=1)
            assert wire.frames == [{"action": "said", "text": "x"}]
        assert room.channel.stats().bad_frames == 0


async def test_a_heartbeat_without_an_ask_is_no_message() -> None:
    room = Room(heartbeat=30)
    async with serve(room.channel) as wire:
        await wire.accepted()
        wire.say({"action": "heartbeat"}, {"action": "heartbeat", "ref": 1})
        await wire.reached(frames=2)
        assert [frame["payload"]["code"] for frame in wire.frames] == ["unknown_action"] * 2


async def test_the_answer_of_a_question_is_still_one() -> None:
    room = Room(heartbeat=30)
    answers: list[Any] = []

    @room.channel.event(Said)
    async def said(event: Said, ctx: Context) -> None:
        answers.append(await ctx.ask(Said(text="really?"), Say))

    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        await room.channel.emit(Said(text="x"), group="room")
        await wire.reached(frames=2)
        assert wire.frames[1] == BEAT
        wire.say(BEAT, {"action": "say", "text": "yes", "ask": "q1"}, {"action": "say", "text": "no", "ask": "h1"})
        await wire.reached(frames=3)
        await anyio.wait_all_tasks_blocked()
        assert answers == [Say(text="yes")]
        assert wire.frames[2]["payload"]["code"] == "invalid_message"


async def test_the_frame_uses_the_channels_own_discriminator() -> None:
    channel = Channel(discriminator="type", limits=Limits(heartbeat=1))
    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        await wire.reached(frames=1)
        assert wire.frames == [{"type": "heartbeat", "ask": "h1"}]
        wire.say(wire.frames[0])
        await wire.reached(frames=2)
        assert wire.closed is None


async def test_heartbeats_with_idle_limit_do_not_keep_a_connection() -> None:
    room = Room(heartbeat=10, idle=60)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        watch = clock.Stopwatch()
        for number in range(1, 6):
            await wire.reached(frames=number)
            wire.say(wire.frames[-1])
        await wire.until(lambda: wire.closed)
        assert wire.closed == (1000, "idle")
        assert watch.seconds == pytest.approx(60, abs=0.1)
        assert beats(wire) == 5
        await wire.end()
    assert room.left == [1000]
    assert room.channel.stats().timed_out == 0


async def test_messages_keep_a_connection_and_what_it_gets_does_not() -> None:
    room = Room(idle=60)
    async with serve(room.channel, patience=1000) as wire:
        await wire.accepted()
        for _ in range(5):
            await anyio.sleep(59)
            wire.say({"action": "say", "text": "x"})
        await wire.reached(frames=5)
        watch = clock.Stopwatch()
        await anyio.sleep(59)
        await room.channel.broadcast(Said(text="news"), group="room")
        await wire.until(lambda: wire.closed)
        assert watch.seconds == pytest.approx(60, abs=0.1)
        assert wire.closed == (1000, "idle")


@pytest.mark.parametrize("event", [False, True])
async def test_a_handler_that_runs_keeps_a_connection(event: bool) -> None:
    room = Room(idle=60)
    async with serve(room.channel, patience=10_000) as wire:
        await wire.accepted()
        if event:
            await room.channel.emit(Hired(name="Ada"), group="room")
        else:
            wire.say({"action": "wait"})
        await room.started.wait()
        await anyio.sleep(1000)
        assert wire.closed is None
        room.go.set()
        watch = clock.Stopwatch()
        await wire.until(lambda: wire.closed)
        assert 60 * 7 / 8 <= watch.seconds <= 60 * 9 / 8


async def test_they_begin_when_the_socket_is_open() -> None:
    channel = Channel(limits=Limits(idle=5))

    @channel.on_connect
    async def enter() -> None:
        await anyio.sleep(9)

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        watch = clock.Stopwatch()
        await wire.until(lambda: wire.closed)
        assert watch.seconds == pytest.approx(5, abs=0.1)


async def test_one_timer_for_many_connections_and_none_when_they_have_left() -> None:
    room = Room(heartbeat=10, idle=1000)
    timers: list[float] = []
    runtime = _runtime.current()
    later = runtime.later

    def counted(delay: float, function: Any) -> Any:
        if getattr(function, "__name__", "") == "_ring":
            timers.append(delay)
        return later(delay, function)

    runtime.later = counted  # type: ignore[method-assign]
    wires: list[Wire] = []
    async with anyio.create_task_group() as tasks:

        async def one() -> None:
            async with serve(room.channel, patience=1000) as wire:
                wires.append(wire)
                await wire.until(lambda: beats(wire))

        for _ in range(50):
            tasks.start_soon(one)
    assert len(wires) == 50
    assert len(timers) <= 6
    assert runtime.silences is not None
    assert runtime.silences.idle


async def test_who_has_left_is_not_kept_until_its_time_would_have_come() -> None:
    room = Room(idle=86_400)
    async with serve(room.channel, patience=1e6) as stays:
        await stays.accepted()
        for _ in range(300):
            async with serve(room.channel, patience=1000) as wire:
                await wire.accepted()
                await anyio.sleep(1)  # they are looked at
        silences = _runtime.current().silences
        assert silences is not None
        assert len(silences._due) < 150
        watch = clock.Stopwatch()
        await stays.until(lambda: stays.closed)
        assert watch.seconds == pytest.approx(86_400 - 300, abs=1)  # the one that stays is still looked at
    assert len(room.left) == 301


async def test_a_heartbeat_that_the_server_never_takes_is_not_left_behind() -> None:
    room = Room(heartbeat=30)
    wire = Wire(room.channel, websocket_scope(), 1000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run)
        await wire.accepted()
        wire.hold()
        await wire.end()
        await anyio.wait_all_tasks_blocked()
        assert beats(wire) == 1
        assert wire.sending == 0


@pytest.mark.parametrize("limits", [Limits(heartbeat=30), Limits(heartbeat=0.1, idle=3)], ids=repr)
def test_heartbeats_need_the_envelope(limits: Limits) -> None:
    with pytest.raises(ConfigurationError, match=r"heartbeat=…\) asks clients with a frame of the envelope"):
        Channel(envelope=False, limits=limits)
    Channel(envelope=False, limits=Limits(idle=3))


def test_its_tag_belongs_to_the_envelope() -> None:
    class Beat(BaseModel):
        action: Literal["heartbeat"] = "heartbeat"

    channel = Channel()

    @channel.on(Beat)
    async def beat(message: Beat) -> None: ...

    with pytest.raises(ConfigurationError, match="'heartbeat' is a control action"):
        channel.compile()
