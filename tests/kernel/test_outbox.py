"""A client that reads slowly or not at all."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import anyio
import pytest

from chanx import Channel, ConnectionClosed, Context, Limits
from tests.kernel import clock
from tests.kernel.messages import Hired, Said, Say, Wait
from tests.kernel.wire import serve


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


def room(limits: Limits, codes: list[int | None] | None = None) -> Channel:
    channel = Channel(limits=limits)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @channel.on_disconnect
    async def leave(ctx: Context) -> None:
        if codes is not None:
            codes.append(ctx.close_code)

    return channel


async def test_a_full_outbox_closes_with_1013_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    codes: list[int | None] = []
    channel = room(Limits(outbox=10), codes)
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        await slow.until(lambda: slow.listening)
        slow.hold()
        with caplog.at_level(logging.WARNING, "chanx"):
            # one is being written, ten wait, the twelfth has no room
            for number in range(11):
                await channel.broadcast(Said(text=str(number)), group="room")
                if number == 0:
                    await slow.until(lambda: slow.frames)
            assert channel.stats().slow_closed == 0
            await channel.broadcast(Said(text="one too many"), group="room")
        assert channel.stats().slow_closed == 1
        assert channel.stats().frames_dropped == 11
        assert channel.layers()[0].members.count("room") == 0
        slow.release()
        slow.leave()
        await slow.end()
    assert slow.closed == (1013, "too slow")
    assert [frame["text"] for frame in slow.frames] == ["0"]
    assert codes == [1013]
    (told,) = [record.getMessage() for record in caplog.records]
    assert "room" in told
    assert "11" in told


async def test_the_bound_in_bytes() -> None:
    channel = room(Limits(outbox_bytes=1000))
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        for number in range(4):
            await channel.broadcast(Said(text="x" * 380), group="room")  # some 400 bytes each
            if number == 0:
                await slow.until(lambda: slow.frames)
            assert channel.stats().slow_closed == (1 if number == 3 else 0)
        slow.release()


async def test_others_get_everything_while_one_is_slow() -> None:
    channel = room(Limits(outbox=10))
    async with serve(channel, patience=1000) as slow, serve(channel, patience=1000) as quick:
        await slow.accepted()
        await quick.accepted()
        slow.hold()
        watch = clock.Stopwatch()
        for number in range(100):
            await channel.broadcast(Said(text=str(number)), group="room")
            await quick.reached(frames=number + 1)
        assert [frame["text"] for frame in quick.frames] == [str(number) for number in range(100)]
        assert watch.seconds < 0.1
        assert quick.closed is None
        slow.release()
    assert channel.stats().slow_closed == 1


async def test_a_reply_and_ctx_send_wait_for_room() -> None:
    channel = room(Limits(outbox=2))
    sent: list[int] = []

    @channel.on(Wait)
    async def flood(message: Wait, ctx: Context) -> Said:
        for number in range(20):
            await ctx.send(Said(text=str(number)))
            sent.append(number)
        return Said(text="done")

    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        await channel.broadcast(Said(text="first"), group="room")
        await slow.until(lambda: slow.frames)
        slow.say({"action": "wait"})
        await anyio.sleep(15)  # less than send_timeout
        assert sent == [0, 1]
        slow.release()
        await slow.until(lambda: len(slow.frames) == 22)
        assert [frame["text"] for frame in slow.frames] == ["first", *map(str, range(20)), "done"]
    assert channel.stats().slow_closed == 0


@pytest.mark.parametrize("how", ["reply", "broadcast", "second broadcast"])
async def test_a_stuck_send_ends_after_send_timeout(how: str) -> None:
    codes: list[int | None] = []
    channel = room(Limits(), codes)  # with the default of 20 seconds
    async with serve(channel, patience=1000) as stuck:
        await stuck.accepted()
        await stuck.until(lambda: stuck.listening)
        frames = 1
        if how == "second broadcast":  # which a task writes that is there already, where tasks are kept
            await channel.broadcast(Said(text="w"), group="room")
            await stuck.reached(written=2)
            await anyio.sleep(1)  # nobody looks at the connection any more
            frames = 2
        stuck.hold()
        if how == "reply":
            stuck.say({"action": "say", "text": "x"})
        else:
            await channel.broadcast(Said(text="x"), group="room")
        await stuck.reached(frames=frames)
        watch = clock.Stopwatch()
        await stuck.until(lambda: channel.layers()[0].members.count("room") == 0 or stuck.ended)
        await stuck.end()
        assert Limits().send_timeout <= watch.seconds <= Limits().send_timeout + Limits().cleanup + 0.5
    assert codes == [1013]
    assert channel.stats().slow_closed == 1
    assert channel.stats().connections == 0


async def test_a_send_that_is_only_slow_is_not_stuck() -> None:
    channel = room(Limits(send_timeout=20))
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        for number in range(5):
            slow.hold()
            slow.say({"action": "say", "text": str(number)})
            await slow.reached(frames=number + 1)
            await anyio.sleep(15)
            slow.release()
            await slow.reached(written=number + 2)
        assert slow.closed is None
    assert channel.stats().slow_closed == 0


async def test_equal_frames_one_after_the_other_are_not_one_stuck_frame() -> None:
    """A steady stream of the same text: each is written in time."""
    channel = room(Limits(send_timeout=1))
    body = Said(text="tick")
    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        for _ in range(30):
            await channel.broadcast(body, group="room")
        for _ in range(30):
            await anyio.sleep(0.5)
            slow.release()
            slow.hold()
        assert slow.closed is None
        slow.release()
        await slow.until(lambda: len(slow.frames) == 30)
    assert channel.stats().slow_closed == 0


async def test_no_room_within_send_timeout_closes_and_raises() -> None:
    channel = room(Limits(outbox=1, send_timeout=5))
    raised: list[tuple[int | None, str]] = []
    ended = anyio.Event()

    @channel.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        try:
            for _ in range(5):
                await ctx.send(Said(text=event.name))
        except ConnectionClosed as closed:
            raised.append((closed.code, closed.reason))
            ended.set()

    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        await channel.broadcast(Said(text="first"), group="room")
        await slow.until(lambda: slow.frames)
        await channel.emit(Hired(name="Ada"), group="room")
        watch = clock.Stopwatch()
        await ended.wait()
        assert watch.seconds == pytest.approx(5, abs=0.02)  # before the frame in front of it counts as stuck
        slow.release()
        slow.leave()
        await slow.end()
    assert raised == [(1013, "too slow")]
    assert slow.closed == (1013, "too slow")
    assert channel.stats().slow_closed == 1


async def test_a_full_inbox_of_events_closes_with_1013() -> None:
    channel = room(Limits(inbox=3))
    gate = anyio.Event()
    handled: list[str] = []

    @channel.event(Hired)
    async def hired(event: Hired) -> None:
        handled.append(event.name)
        await gate.wait()

    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        await channel.emit(Hired(name="0"), group="room")
        await anyio.wait_all_tasks_blocked()
        for number in range(1, 4):
            await channel.emit(Hired(name=str(number)), group="room")
        assert channel.stats().slow_closed == 0
        await channel.emit(Hired(name="one too many"), group="room")
        assert channel.stats().slow_closed == 1
        assert channel.stats().frames_dropped == 4
        gate.set()
        slow.leave()
        await slow.end()
    assert handled == ["0"]
    assert slow.closed == (1013, "too slow")


async def test_before_accept_pushes_are_bounded_too() -> None:
    channel = Channel(limits=Limits(outbox=2))

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")
        for number in range(3):
            await ctx.broadcast(Said(text=str(number)), group="room")

    async with serve(channel, patience=1000) as wire:
        await wire.end()
    assert wire.kinds == ["accept", "close"]
    assert wire.closed == (1013, "too slow")


class Picky:
    """A server that, as Daphne does, lets the application close with 1000 and 3000 to 4999 only."""

    def __init__(self, app: Any, error: type[Exception]) -> None:
        self.app = app
        self.error = error
        self.refused: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def picky(event: Any) -> None:
            if event["type"] == "websocket.close" and not (event["code"] == 1000 or 3000 <= event["code"] <= 4999):
                self.refused.append(event["code"])
                raise self.error(f"invalid close code {event['code']}")
            await send(event)

        await self.app(scope, receive, picky)


@pytest.mark.parametrize("code", [1001, 1008, 1009, 1011, 1012, 1013])
async def test_a_close_code_that_the_server_refuses_goes_out_as_one_of_the_applications(code: int) -> None:
    codes: list[int | None] = []
    channel = room(Limits(), codes)

    @channel.on(Wait)
    async def leave(message: Wait, ctx: Context) -> None:
        await ctx.close(code, "why")

    server = Picky(channel, ValueError)
    async with serve(server, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        await wire.end()
    assert server.refused == [code]
    assert wire.closed == (code + 3000, "why")
    assert codes == [code]


async def test_what_the_kernel_closes_for_goes_out_too() -> None:
    channel = room(Limits(outbox=1))
    async with serve(Picky(channel, RuntimeError), patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        for _ in range(3):
            await channel.broadcast(Said(text="x"), group="room")
        slow.release()
        await slow.end()
    assert slow.closed == (4013, "too slow")


async def test_a_close_that_the_server_refuses_for_good_is_tried_no_more_than_twice() -> None:
    codes: list[int | None] = []
    channel = room(Limits(strikes=0), codes)
    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        wire.hold("websocket.close")
        wire.say("not JSON")
        await wire.until(lambda: "close" in wire.kinds)
        wire.fails = RuntimeError("this connection is over")
        wire.release()
        await wire.end()
    assert [event["code"] for event in wire.sent if event["type"] == "websocket.close"] == [1008, 4008]
    assert codes == [1008]


async def test_a_broken_connection_is_not_closed_again() -> None:
    channel = room(Limits(strikes=0))
    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        wire.fails = OSError("reset")
        wire.hold("websocket.close")
        wire.say("not JSON")
        await wire.end()
    assert [event["code"] for event in wire.sent if event["type"] == "websocket.close"] == [1008]


async def test_who_waits_for_room_gets_it_in_turn() -> None:
    """However much one handler sends, another one's answer is not held back until it looks like a slow client's."""
    channel = Channel(limits=Limits(outbox=2))

    @channel.on(Say, concurrency=3)
    async def flood(message: Say, ctx: Context) -> None:
        for number in range(200):
            await ctx.send(Said(text=f"{message.text}{number}"))

    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.pace = 0.2  # in 20 seconds it takes only 100 frames
        slow.say({"action": "say", "text": "a"}, {"action": "say", "text": "b"}, {"action": "say", "text": "c"})
        await slow.until(lambda: len(slow.frames) == 600 or slow.closed)
        assert slow.closed is None
        texts = [frame["text"] for frame in slow.frames]
    for name in "abc":
        assert [text for text in texts if text[0] == name] == [f"{name}{number}" for number in range(200)]
    waits = [[index for index, text in enumerate(texts) if text[0] == name] for name in "abc"]
    assert max(after - before for one in waits for before, after in itertools.pairwise(one[2:])) <= 6
    assert channel.stats().slow_closed == 0


async def test_a_large_answer_is_not_overtaken_by_small_ones() -> None:
    channel = Channel(limits=Limits(outbox_bytes=200))

    @channel.on(Say, concurrency=9)
    async def echo(message: Say) -> Said:
        return Said(text=message.text)

    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        texts = ["a" * 100, "b" * 100, "c" * 150, "d", "e"]
        for text in texts:
            slow.say({"action": "say", "text": text})
            await anyio.wait_all_tasks_blocked()
        slow.release()
        await slow.reached(frames=5)
    assert [frame["text"] for frame in slow.frames] == texts


async def test_who_gives_up_waiting_for_room_stands_in_nobodys_way() -> None:
    channel = Channel(limits=Limits(outbox=1))

    @channel.on(Say, concurrency=9)
    async def echo(message: Say, ctx: Context) -> None:
        with anyio.move_on_after(5 if message.text == "impatient" else 15):
            await ctx.send(Said(text=message.text))

    async with serve(channel, patience=1000) as slow:
        await slow.accepted()
        slow.hold()
        for text in ("written", "queued", "impatient", "patient"):
            slow.say({"action": "say", "text": text})
            await anyio.wait_all_tasks_blocked()
        await anyio.sleep(10)
        slow.release()
        await slow.reached(frames=3)
    assert [frame["text"] for frame in slow.frames] == ["written", "queued", "patient"]


@pytest.mark.parametrize("before", [0, 1])
async def test_a_push_at_the_moment_of_the_end_is_written_whole_or_not_at_all(before: int) -> None:
    """Which of the two tasks is first is left to chance on trio, so it is done many times."""
    channel = room(Limits())
    for _ in range(30):
        async with serve(channel, patience=1000) as wire:
            await wire.accepted()
            await wire.until(lambda wire=wire: wire.listening)  # type: ignore[misc]
            for _ in range(before):
                await channel.broadcast(Said(text="x"), group="room")
                await anyio.wait_all_tasks_blocked()
            wire.cancel()
            await channel.broadcast(Said(text="x"), group="room")
            await wire.end()
            await anyio.wait_all_tasks_blocked()
            assert all(frame == {"action": "said", "text": "x"} for frame in wire.frames)
