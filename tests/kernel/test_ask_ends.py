"""Each question has one end, whatever the client sends, and whoever ends the connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import anyio
import pytest

from chanx import AskFailed, Channel, ConfigurationError, ConnectionClosed, Context, Limits, _asks, _runtime
from tests.kernel.asker import BESIDE, Asker, Confirm, Move, Yes, answer, decline
from tests.kernel.desk import Desk, anyio_backend, cancel, job, opened, say, settled, told
from tests.kernel.messages import Done, Hired, Job, Said, Say

__all__ = ["anyio_backend"]

# -- no answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "code", "detail"),
    [
        ({}, "declined", ""),
        ({"code": "busy", "detail": "not now"}, "busy", "not now"),
        ({"code": ""}, "declined", ""),
        ({"code": "x" * 100, "detail": "y" * 2000}, "x" * 64, "y" * 1000),
    ],
    ids=["empty", "told", "no code", "long"],
)
async def test_a_client_that_declines(payload: dict[str, str], code: str, detail: str) -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), decline("q1", **payload))
        await settled(wire)
        assert asker.outcomes == [code]
        assert wire.frames[1:] == [
            {"action": "error", "payload": {"code": code, "detail": detail}, "ref": "a"},
        ]
    assert asker.channel.stats().bad_frames == asker.channel.stats().handler_errors == 0


async def test_a_client_that_declines_without_a_payload() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), {"action": "error", "ask": "q1"})
        await settled(wire)
        assert asker.outcomes == ["declined"]


async def test_a_wrong_way_to_decline_is_told() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), {"action": "error", "payload": 3, "ask": "q1"})
        await settled(wire)
        assert told(wire)[0] == "confirm"
        assert wire.frames[1]["ask"] == "q1"
        assert asker.outcomes == []
        wire.say(decline())
        await settled(wire)
        assert asker.outcomes == ["declined"]


@BESIDE
async def test_no_answer_in_time(options: dict[str, Any]) -> None:
    asker = Asker(limits=Limits(ask_timeout=7), **options)
    async with opened(asker.channel) as wire:
        start = anyio.current_time()
        wire.say(job("a"))
        await wire.reached(frames=2)
        assert anyio.current_time() - start == pytest.approx(7, abs=0.1)
        assert told(wire) == ["confirm", "a timeout"]
        wire.say(answer())  # late
        await settled(wire)
        assert told(wire) == ["confirm", "a timeout"]
    assert asker.channel.stats().bad_frames == 0


async def test_a_time_of_its_own() -> None:
    async def asks(ctx: Context[Any]) -> Any:
        return await ctx.ask(Confirm(), Yes, timeout=3)

    asker = Asker(asks)
    async with opened(asker.channel) as wire:
        start = anyio.current_time()
        wire.say(job("a"))
        await wire.reached(frames=2)
        assert anyio.current_time() - start == pytest.approx(3, abs=0.1)


async def test_the_time_to_write_the_question_counts() -> None:
    async def asks(ctx: Context[Any]) -> Any:
        return await ctx.ask(Confirm(), Yes, timeout=3)

    asker = Asker(asks)
    async with opened(asker.channel) as wire:
        wire.hold()
        wire.say(job("a"))
        await anyio.sleep(3.5)
        assert asker.outcomes == ["timeout"]
        wire.release()


async def test_an_error_function_may_answer_in_its_place() -> None:
    asker = Asker()

    @asker.channel.on_error(AskFailed)
    async def failed(error: AskFailed) -> Said:
        return Said(text=f"{error.code}: {error.detail}")

    async with opened(asker.channel) as wire:
        wire.say(job("a"), decline("q1", code="busy", detail="later"))
        await settled(wire)
        assert wire.frames[1:] == [{"action": "said", "text": "busy: later", "ref": "a"}]


async def test_too_much_else_in_front_of_the_answer() -> None:
    asker = Asker(limits=Limits(read_ahead=3))
    async with opened(asker.channel) as wire:
        wire.say(job("a"), say("x"), say("y"), say("z"), answer(), say("w"))
        await settled(wire)
        assert told(wire) == ["confirm", "a overloaded", "x said", "y said", "z said", "w said"]
        assert asker.outcomes == ["overloaded"]


async def test_a_question_when_the_queue_is_full_already() -> None:
    desk = Desk()

    async def asks(ctx: Context[Any]) -> Any:
        await desk.work("a")
        return await ctx.ask(Confirm(), Yes)

    asker = Asker(asks, Limits(read_ahead=3))
    async with opened(asker.channel) as wire:
        wire.say(job("a"), say("x"), say("y"), say("z"), say("w"))
        await anyio.sleep(5)
        desk.let("a")
        await settled(wire)
        assert asker.outcomes == ["overloaded"]
        assert told(wire) == ["a overloaded", "x said", "y said", "z said", "w said"]  # nothing was asked


async def test_a_concurrent_question_behind_a_full_lane() -> None:
    asker = Asker(limits=Limits(read_ahead=2), concurrency=1)
    async with opened(asker.channel) as wire:
        wire.say(*(job(name) for name in "abcdefg"))
        await settled(wire)
        assert asker.outcomes[0] == "overloaded"
        open_questions = [frame["ask"] for frame in wire.frames if "ask" in frame]
        while len(asker.outcomes) < 7:
            wire.say(answer(open_questions[-1]))
            await settled(wire)
            open_questions = [frame["ask"] for frame in wire.frames if "ask" in frame]
        assert sorted(one.split()[0] for one in told(wire) if one != "confirm") == list("abcdefg")


@BESIDE
async def test_the_client_leaves(options: dict[str, Any]) -> None:
    asker = Asker(**options)
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        start = anyio.current_time()
        wire.leave(4001)
        await wire.end()
        assert anyio.current_time() - start <= 0.25
    assert asker.outcomes in ([4001], [])  # [] where it was cancelled
    assert asker.channel.stats().handler_errors == 0


async def test_the_client_leaves_right_behind_its_answer() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer())
        wire.leave()
        await wire.end()
    assert asker.outcomes in ([Yes()], [1001])


async def test_the_server_closes() -> None:
    asker = Asker(concurrency=1)
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say({"action": "boom"})
        await wire.end()
    assert asker.outcomes == [3000]
    assert told(wire) == ["confirm"]


async def test_a_question_after_the_end() -> None:
    async def asks(ctx: Context[Any]) -> Any:
        await ctx.close(3001)
        return await ctx.ask(Confirm(), Yes)

    asker = Asker(asks)
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await wire.end()
    assert asker.outcomes == [3001]


async def test_a_handler_that_is_cancelled_while_it_asks() -> None:
    asker = Asker(on_leave="cancel")
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(cancel("a"), answer())  # its question is over as well
        await settled(wire)
        assert told(wire) == ["confirm", "a cancelled"]
        assert asker.outcomes == []


async def test_a_time_limit_of_the_handler_ends_its_question() -> None:
    asker = Asker(timeout=3)
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await wire.reached(frames=2)
        assert told(wire) == ["confirm", "a timeout"]
        assert asker.outcomes == []


# -- where it is asked -----------------------------------------------------------------------------


async def test_in_an_event_handler() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        await asker.channel.emit(Hired(name="x"), group="room")
        await settled(wire)
        wire.say(answer())
        await settled(wire)
        assert asker.outcomes == [Yes()]
        assert told(wire) == ["confirm"]


async def test_in_an_event_handler_while_a_message_is_handled() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say({"action": "wait", "name": "w"})
        await settled(wire)
        await asker.channel.emit(Hired(name="x"), group="room")
        await wire.reached(frames=1)
        wire.say(answer())
        await settled(wire)
        assert asker.outcomes == [Yes()]
        asker.desk.let("w")


async def test_in_a_serial_event_handler() -> None:
    channel = Channel()
    outcomes: list[Any] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.event(Hired, serial=True)
    async def hired(event: Hired, ctx: Context) -> None:
        outcomes.append(await ctx.ask(Confirm(), Yes))

    @channel.on(Say)
    async def answers(message: Say) -> Said:
        return Said(text=message.text)

    async with opened(channel) as wire:
        await channel.emit(Hired(name="x"), group="room")
        await settled(wire)
        wire.say(say(), answer())
        await settled(wire)
        assert outcomes == [Yes()]
        assert told(wire) == ["confirm", "x said"]


async def test_in_a_stream() -> None:
    channel = Channel()

    @channel.on(Job)
    async def work(message: Job, ctx: Context) -> AsyncIterator[Done]:
        yield Done(name="before")
        await ctx.ask(Confirm(), Yes)
        yield Done(name="after")

    async with opened(channel) as wire:
        wire.say(job("a"), answer())
        await settled(wire)
        assert told(wire) == ["a done", "confirm", "a done", "a complete"]


async def test_before_the_connection_is_accepted_nothing_can_be_asked() -> None:
    channel = Channel()
    raised: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> AsyncGenerator[None, None]:
        try:
            await ctx.ask(Confirm(), Yes)
        except RuntimeError as error:
            raised.append(str(error))
        yield
        try:
            await ctx.ask(Confirm(), Yes)
        except ConnectionClosed as error:
            raised.append(str(error.code))

    async with opened(channel) as wire:
        await settled(wire)
        assert told(wire) == []
        wire.leave()
        await wire.end()
    assert "accepted" in raised[0]
    assert raised[1:] == ["1001"]


@pytest.mark.parametrize("classes", [(int,), (Yes, Move), (Desk,)], ids=["int", "two families", "no message"])
async def test_what_cannot_be_an_answer(classes: tuple[Any, ...]) -> None:
    async def asks(ctx: Context[Any]) -> Any:
        return await ctx.ask(Confirm(), *classes)

    asker = Asker(asks)

    @asker.channel.on_error(ConfigurationError)
    async def wrong(error: ConfigurationError) -> Said:
        return Said(text=str(error))

    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert told(wire) == ["a said"]
        assert "cannot be an answer" in wire.frames[0]["text"]


async def test_what_cannot_be_a_question() -> None:
    async def asks(ctx: Context[Any]) -> Any:
        return await ctx.ask(Desk(), Yes)

    asker = Asker(asks)
    async with opened(asker.channel) as wire:
        wire.say(job("a"), say())
        await settled(wire)
        assert told(wire) == ["a internal_error", "x said"]


async def test_classes_that_are_made_on_the_fly_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asks, "MAX_ENCODERS", 2)

    async def asks(ctx: Context[Any]) -> Any:
        class Fresh(Yes):
            pass

        return await ctx.ask(Confirm(), Fresh)

    asker = Asker(asks)
    async with opened(asker.channel) as wire:
        (connection,) = _runtime.current().connections
        for number in range(1, 5):
            wire.say(job("a"), answer(f"q{number}"))
            await settled(wire)
        assert len(asker.outcomes) == 4
        assert len(connection.service.answers) == 2
