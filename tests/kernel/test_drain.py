"""Draining: nobody comes in, everybody is closed in batches, and it is done in time whatever hangs."""

from __future__ import annotations

import contextlib
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any, Literal

import anyio
import pytest

from chanx import AskFailed, Channel, ConnectionClosed, Context, Drained, Limits, Reject
from chanx.testing import Refused, connect
from tests.kernel import clock
from tests.kernel.messages import Boom, Hired, Said, Say, Wait
from tests.kernel.wire import Wire, serve, websocket_scope

RESTARTING = (1012, "restarting")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


class House:
    """A channel whose handlers and hooks wait for the test."""

    def __init__(self, limits: Limits | None = None, refuse: Literal["http", "close"] = "http") -> None:
        self.channel = channel = Channel("house", limits=limits, refuse=refuse)
        self.started, self.go = anyio.Event(), anyio.Event()
        self.hook_started, self.hook_goes = anyio.Event(), anyio.Event()
        self.enters = anyio.Event()
        self.left: list[float] = []
        self.log: list[str] = []

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room")
            if ctx.connection.query_params.get("slow"):
                self.started.set()
                await self.enters.wait()

        @channel.on_disconnect
        async def leave(ctx: Context) -> None:
            if ctx.connection.query_params.get("hook"):
                self.hook_started.set()
                await self.hook_goes.wait()
            self.left.append(anyio.current_time())

        @channel.on(Say)
        async def say(message: Say) -> Said:
            return Said(text=message.text)

        @channel.on(Wait)
        async def wait(message: Wait) -> Said:
            self.started.set()
            await self.go.wait()
            self.log.append("handled")
            return Said(text="waited")

        @channel.on(Boom)
        async def stream(message: Boom) -> AsyncGenerator[Said, None]:
            try:
                yield Said(text="first")
                await anyio.sleep_forever()
            finally:
                self.log.append("stream over")

    @property
    def members(self) -> int:
        return self.channel.layers()[0].members.count("room")


@contextlib.asynccontextmanager
async def crowd(channel: Channel, count: int) -> AsyncGenerator[list[Wire], None]:
    """Many connections whose clients leave as soon as they are closed."""
    wires = [Wire(channel, websocket_scope(extra={"query_string": b""}), 1000) for _ in range(count)]

    async def polite(wire: Wire) -> None:
        await wire.until(lambda: wire.closed)
        wire.leave(1012)

    async with anyio.create_task_group() as tasks:
        for wire in wires:
            tasks.start_soon(wire.run)
        for wire in wires:
            await wire.accepted()
            tasks.start_soon(polite, wire)
        yield wires
        tasks.cancel_scope.cancel()


async def test_a_thousand_connections_are_closed_in_batches() -> None:
    house = House()
    async with crowd(house.channel, 1000) as wires:
        watch, start = clock.Stopwatch(), anyio.current_time()
        assert await house.channel.drain(batch=100, interval=0.5) == Drained(closed=1000, cut=0)
        assert watch.seconds == pytest.approx(4.5)
        assert {wire.closed for wire in wires} == {RESTARTING}
        batches = Counter(round(one - start, 3) for one in house.left)
        assert batches == {0.5 * number: 100 for number in range(10)}
    assert house.members == house.channel.stats().connections == 0


async def test_batches_grow_where_they_would_take_too_long() -> None:
    house = House()
    async with crowd(house.channel, 100):
        watch, start = clock.Stopwatch(), anyio.current_time()
        assert await house.channel.drain(batch=1, interval=1, timeout=20) == Drained(closed=100)
        assert watch.seconds == pytest.approx(9)  # ten at a time
        assert set(Counter(round(one - start) for one in house.left).values()) == {10}


async def test_it_ends_as_soon_as_everybody_has_left() -> None:
    house = House()
    async with crowd(house.channel, 3) as wires:

        async def all_leave() -> None:
            await anyio.sleep(1)  # the drain has begun by then, and knows of all three
            for wire in wires:
                wire.leave()

        async with anyio.create_task_group() as tasks:
            watch = clock.Stopwatch()
            tasks.start_soon(all_leave)
            assert await house.channel.drain(batch=1, interval=3) == Drained(closed=3)
            assert watch.seconds <= 3


async def test_nobody_is_there() -> None:
    assert await Channel().drain() == Drained(closed=0, cut=0)


async def test_code_and_reason() -> None:
    house = House()
    async with crowd(house.channel, 1) as [wire]:
        await house.channel.drain(code=4000, reason="moved")
        assert wire.closed == (4000, "moved")


async def test_new_connections_are_refused_with_when_to_come_back() -> None:
    house = House()
    await house.channel.drain()
    with pytest.raises(Refused) as refused:
        async with connect(house.channel):
            pass
    assert (refused.value.status, refused.value.detail) == (503, "restarting")
    assert refused.value.headers["retry-after"] == "1"
    assert house.channel.stats().refused == 1
    assert house.left == []


async def test_new_connections_are_refused_in_the_form_of_the_channel() -> None:
    house = House(refuse="close")
    await house.channel.drain()
    async with serve(house.channel) as wire:
        await wire.end()
        assert wire.kinds == ["accept", "close"]
        assert wire.closed == (4503, "restarting")


async def test_a_handshake_under_way_is_refused() -> None:
    house = House()
    async with serve(house.channel, extra={"query_string": b"slow=1"}) as wire:
        await house.started.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.channel.drain)
            await anyio.wait_all_tasks_blocked()
            assert house.members == 0  # it got in no group on its way out
            house.enters.set()
        await wire.end()
        assert wire.sent[0]["status"] == 503
        assert house.left != []  # its on_connect has finished
    assert house.channel.stats().accepted == 0


async def test_a_handshake_that_stumbles_over_the_drain_is_refused_as_well(caplog: pytest.LogCaptureFixture) -> None:
    channel = Channel()
    inside, go = anyio.Event(), anyio.Event()

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        inside.set()
        await go.wait()
        await ctx.join("room")

    async with serve(channel) as wire:
        await inside.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(channel.drain)
            await anyio.wait_all_tasks_blocked()
            go.set()
        await wire.end()
        assert wire.sent[0]["status"] == 503
    assert channel.stats().handler_errors == 0


async def test_a_handshake_that_is_being_accepted_is_closed() -> None:
    house = House()
    async with serve(house.channel) as wire:
        wire.hold("websocket.accept")
        await wire.until(lambda: wire.sent)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.channel.drain)
            await anyio.wait_all_tasks_blocked()
            wire.release()
            await wire.until(lambda: wire.closed)
            wire.leave()
        assert wire.kinds == ["accept", "close"]
        assert wire.closed == RESTARTING


async def test_a_running_handler_finishes_and_is_answered() -> None:
    house = House()
    async with serve(house.channel) as wire:
        await wire.accepted()
        wire.say({"action": "wait", "ref": 1}, {"action": "say", "text": "never handled"})
        await house.started.wait()
        async with anyio.create_task_group() as tasks:

            async def drain() -> None:
                assert await house.channel.drain() == Drained(closed=1)
                assert house.log == ["handled"]
                assert len(house.left) == 1

            tasks.start_soon(drain)
            await wire.until(lambda: wire.closed)
            assert house.left == []
            house.go.set()
    assert house.log == ["handled"]
    assert [frame.get("text") for frame in wire.frames] == []  # the close was the last word, as for any close


async def test_what_waits_is_sent_before_the_close() -> None:
    house = House()
    async with serve(house.channel) as wire:
        await wire.accepted()
        wire.hold()
        for number in range(3):
            await house.channel.broadcast(Said(text=str(number)), group="room")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.channel.drain)
            await anyio.wait_all_tasks_blocked()
            wire.release()
            await wire.until(lambda: wire.closed)
            wire.leave()
        assert [frame["text"] for frame in wire.frames] == ["0", "1", "2"]


async def test_streams_end_and_questions_fail() -> None:
    house = House()
    failed: list[Exception] = []

    @house.channel.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        try:
            await ctx.ask(Said(text="really?"), Say)
        except (ConnectionClosed, AskFailed) as error:
            failed.append(error)

    async with serve(house.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "boom", "ref": 1})
        await wire.reached(frames=1)
        await house.channel.emit(Hired(name="Ada"), group="room")
        await wire.reached(frames=2)
        watch = clock.Stopwatch()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.channel.drain)
            await wire.until(lambda: wire.closed)
            wire.leave()
        assert watch.seconds < 1
    assert house.log == ["stream over"]
    assert isinstance(failed[0], ConnectionClosed)
    assert failed[0].code == 1012


async def test_a_handler_that_hangs_is_cut_after_linger(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    async with serve(house.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        await house.started.wait()
        watch = clock.Stopwatch()
        assert await house.channel.drain() == Drained(closed=0, cut=1)
        assert watch.seconds == pytest.approx(Limits().linger)
        assert len(house.left) == 1
    assert house.channel.stats().cancelled == 1
    assert "1 cut" in caplog.text


async def test_what_lingers_longer_than_there_is_time_is_cut_before_the_end() -> None:
    house = House(Limits(linger=1000))
    async with serve(house.channel, patience=10_000) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        await house.started.wait()
        watch = clock.Stopwatch()
        assert await house.channel.drain(timeout=20) == Drained(cut=1)
        assert watch.seconds == pytest.approx(15, abs=0.2)  # its hooks could have had another five
        assert len(house.left) == 1


async def test_a_hook_that_hangs_is_cut_after_cleanup() -> None:
    house = House()
    async with serve(house.channel, extra={"query_string": b"hook=1"}, patience=1000) as wire:
        await wire.accepted()
        watch = clock.Stopwatch()
        async with anyio.create_task_group() as tasks:

            async def drain() -> None:
                assert await house.channel.drain() == Drained(cut=1)

            tasks.start_soon(drain)
            await wire.until(lambda: wire.closed)
            wire.leave()
        assert watch.seconds == pytest.approx(Limits().cleanup)
        assert house.hook_started.is_set()


async def test_what_cannot_be_cut_is_left_behind_at_the_end() -> None:
    house = House(Limits(cleanup=1000))
    async with serve(house.channel, extra={"query_string": b"hook=1"}, patience=10_000) as wire:
        await wire.accepted()
        watch = clock.Stopwatch()
        assert await house.channel.drain(timeout=20) == Drained(cut=1)
        assert watch.seconds == pytest.approx(20)
        assert house.channel.stats().connections == 1
        house.hook_goes.set()
        await wire.end()


async def test_a_client_that_does_not_read_is_cut() -> None:
    house = House()
    async with serve(house.channel, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        await house.channel.broadcast(Said(text="x"), group="room")
        await wire.until(lambda: wire.frames)
        watch = clock.Stopwatch()
        assert await house.channel.drain() == Drained(cut=1)
        assert watch.seconds == pytest.approx(Limits().linger)


async def test_a_client_that_does_not_answer_the_close_is_not_waited_for_longer_than_linger() -> None:
    house = House()
    async with serve(house.channel, patience=1000) as wire:
        await wire.accepted()
        watch = clock.Stopwatch()
        assert await house.channel.drain() == Drained(closed=1)  # nothing was lost
        assert watch.seconds <= Limits().linger


async def test_a_second_call_joins_the_first_and_a_third_returns_at_once() -> None:
    house = House()
    async with crowd(house.channel, 2) as wires:
        results: list[Drained] = []

        async def drain(code: int) -> None:
            results.append(await house.channel.drain(batch=1, interval=5, code=code))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drain, 1012)
            await anyio.sleep(1)
            tasks.start_soon(drain, 4000)
        assert results == [Drained(closed=2)] * 2
        assert [wire.closed for wire in wires] == [RESTARTING] * 2
        watch = clock.Stopwatch()
        assert await house.channel.drain() == Drained(closed=2)
        assert watch.seconds == 0


async def test_it_goes_on_where_the_caller_is_cancelled() -> None:
    house = House()
    async with crowd(house.channel, 2) as wires:
        with anyio.move_on_after(1):
            await house.channel.drain(batch=1, interval=5)
        assert {wire.closed for wire in wires} == {RESTARTING, None}
        assert await house.channel.drain() == Drained(closed=2)


async def test_only_the_connections_of_this_channel_end() -> None:
    one, other = House(), House()
    async with crowd(one.channel, 2), crowd(other.channel, 2) as stays:
        assert await one.channel.drain() == Drained(closed=2)
        assert [wire.closed for wire in stays] == [None, None]


async def test_an_included_channel_closes_only_what_it_serves_itself(caplog: pytest.LogCaptureFixture) -> None:
    part, whole = Channel("part"), Channel("whole")
    whole.include(part)
    async with crowd(whole, 1) as [wire]:
        assert await part.drain() == Drained()
        assert wire.closed is None
        assert "those of whole, which it is included in, stay open" in caplog.text
        assert await whole.drain() == Drained(closed=1)


async def test_a_channel_with_overridden_dependencies_is_drained_as_a_whole() -> None:
    house = House()
    async with crowd(house.channel, 1) as before:
        with house.channel.override({}):
            async with crowd(house.channel, 1) as inside:
                assert await house.channel.drain() == Drained(closed=2)
                assert before[0].closed == inside[0].closed == RESTARTING


async def test_it_opens_again_with_the_next_lifespan() -> None:
    house = House()
    async with house.channel.lifespan():
        await house.channel.drain()
    async with house.channel.lifespan(), crowd(house.channel, 1):
        assert await house.channel.drain() == Drained(closed=1)


async def test_a_handler_that_drains_its_own_channel_is_answered_by_the_time_limit() -> None:
    """It waits for itself; that ends as for every handler that runs on."""
    channel = Channel()

    @channel.on(Wait)
    async def wait(message: Wait) -> None:
        await channel.drain()

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds == pytest.approx(Limits().linger)
    assert await channel.drain() == Drained(cut=1)


WRONG: list[dict[str, Any]] = [
    {"batch": 0},
    {"batch": True},
    {"batch": 1.5},
    {"interval": -1},
    {"interval": math.nan},
    {"interval": math.inf},
    {"interval": "1"},
    {"timeout": 0},
    {"timeout": None},
    {"code": 1005},
    {"code": 2000},
    {"code": "1012"},
    {"reason": None},
]


@pytest.mark.parametrize("options", WRONG, ids=str)
async def test_wrong_arguments(options: dict[str, Any]) -> None:
    channel = Channel()
    with pytest.raises(ValueError, match=f"{next(iter(options))}="):
        await channel.drain(**options)
    async with serve(channel) as wire:  # and it is as open as before
        await wire.accepted()


@pytest.mark.parametrize("denial", [True, False])
async def test_a_refusal_that_the_server_does_not_take_is_given_up(denial: bool) -> None:
    channel = Channel()

    @channel.on_connect
    async def enter() -> None:
        raise Reject(401)

    async with serve(channel, denial=denial, patience=1000) as wire:
        wire.hold("websocket.http.response.start" if denial else "websocket.close")
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds == pytest.approx(Limits().send_timeout)
        assert wire.written == 0


async def test_an_accept_that_the_server_does_not_take_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    house = House()
    async with serve(house.channel, patience=1000) as wire:
        wire.hold("websocket.accept")
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds == pytest.approx(Limits().send_timeout + Limits().cleanup, abs=0.1)
        assert wire.kinds == ["accept"]
        assert len(house.left) == 1
    assert house.members == house.channel.stats().connections == 0
    assert "could not be written in time" in caplog.text
