"""Questions to the client, and their answers, right and wrong."""

from __future__ import annotations

from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel, field_validator

from chanx import Context, Limits
from tests.kernel.asker import BESIDE, Asker, Confirm, Move, No, Yes, answer, decline
from tests.kernel.desk import anyio_backend, job, opened, say, settled, told
from tests.kernel.messages import Say

__all__ = ["anyio_backend"]

# -- answers ---------------------------------------------------------------------------------------


@BESIDE
async def test_an_answer(options: dict[str, Any]) -> None:
    asker = Asker(**options)
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        assert wire.frames == [{"action": "confirm", "text": "", "ask": "q1"}]
        wire.say(answer(sure=False))
        await settled(wire)
        assert asker.outcomes == [Yes(sure=False)]
        assert told(wire) == ["confirm", "a ack"]  # the answer itself is not acknowledged
        wire.say(job("a"))
        await settled(wire)
        assert wire.frames[-1]["ask"] == "q2"
        wire.say(answer("q2", "no"))
        await settled(wire)
        assert asker.outcomes[1:] == [No()]
    assert asker.channel.stats().bad_frames == 0


async def test_answers_pass_what_waits() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), say("x"), say("y"), answer())
        await settled(wire)
        assert told(wire) == ["confirm", "a ack", "x said", "y said"]


async def test_an_answer_is_looked_for_at_once() -> None:
    """Not only after the time after which a suspended handler is read ahead of."""
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer())
        start = anyio.current_time()
        await wire.reached(frames=2)
        assert told(wire) == ["confirm", "a ack"]
        assert anyio.current_time() == start


async def test_several_questions_at_once_are_answered_in_any_order() -> None:
    asker = Asker(concurrency=3)
    async with opened(asker.channel) as wire:
        wire.say(job("a"), job("b"), job("c"))
        await settled(wire)
        assert [frame["ask"] for frame in wire.frames] == ["q1", "q2", "q3"]
        wire.say(answer("q3", sure=False), answer("q1", "no"), decline("q2"))
        await settled(wire)
        assert sorted(map(str, asker.outcomes)) == sorted(map(str, [Yes(sure=False), No(), "declined"]))
        assert sorted(one.split()[1] for one in told(wire)[3:]) == ["ack", "ack", "declined"]
        assert sorted(one.split()[0] for one in told(wire)[3:]) == ["a", "b", "c"]


async def test_a_handler_asks_twice() -> None:
    async def twice(ctx: Context[Any]) -> Any:
        return [await ctx.ask(Confirm(text="1"), Yes), await ctx.ask(Confirm(text="2"), No)]

    asker = Asker(twice)
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer("q1"))
        await settled(wire)
        wire.say(answer("q2", "no"))
        await settled(wire)
        assert asker.outcomes == [[Yes(), No()]]


async def test_one_handler_asks_several_things_at_once() -> None:
    async def both(ctx: Context[Any]) -> Any:
        found: dict[str, Any] = {}

        async def one(text: str) -> None:
            found[text] = await ctx.ask(Confirm(text=text), Yes, No)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "1")
            tasks.start_soon(one, "2")
        return found

    asker = Asker(both)
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        asks = {frame["text"]: frame["ask"] for frame in wire.frames}
        wire.say(answer(asks["2"], "no"), answer(asks["1"]))
        await settled(wire)
        assert asker.outcomes == [{"1": Yes(), "2": No()}]


async def test_any_message_is_an_answer_where_no_class_is_named() -> None:
    async def anything(ctx: Context[Any]) -> Any:
        return await ctx.ask(Confirm())

    asker = Asker(anything)
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer("q1", "yes"), answer("q1", "say", text="hello"))
        await settled(wire)
        assert asker.outcomes == [Say(text="hello")]  # and no handler of it ran
        assert told(wire) == ["confirm", "unknown_action", "a ack"]
        assert wire.frames[1]["ask"] == "q1"


async def test_any_message_of_a_channel_with_two_families() -> None:
    async def anything(ctx: Context[Any]) -> Any:
        return [await ctx.ask(Confirm()), await ctx.ask(Confirm()), await ctx.ask(Confirm(), Move)]

    asker = Asker(anything)

    @asker.channel.on(Move)
    async def move(message: Move) -> None:
        raise AssertionError

    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer("q1", "move", x=1))
        await settled(wire)
        wire.say(answer("q2", "none"), answer("q2", None), answer("q2", "say", text="x"))  # type: ignore[arg-type]
        await settled(wire)
        wire.say(answer("q3", "move", x=3))
        await settled(wire)
        assert asker.outcomes == [[Move(x=1), Say(text="x"), Move(x=3)]]
        assert [frame.get("ask") for frame in wire.frames] == ["q1", "q2", "q2", "q2", "q3", None]


async def test_an_answer_that_has_a_handler_too_is_an_answer() -> None:
    async def asks(ctx: Context[Any]) -> Any:
        return await ctx.ask(Confirm(), Say)

    cases: list[dict[str, Any]] = [{}, {"concurrency": 2}]
    for options in cases:
        asker = Asker(asks, **options)
        async with opened(asker.channel) as wire:
            wire.say(job("a"))
            await settled(wire)
            wire.say(answer("q1", "say", text="hello"))
            await settled(wire)
            assert asker.outcomes == [Say(text="hello")]
            assert told(wire) == ["confirm", "a ack"]


async def test_an_answer_with_a_ref_is_an_answer_all_the_same() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), {**answer(), "ref": "a"})
        await settled(wire)
        assert told(wire) == ["confirm", "a ack"]
        assert asker.outcomes == [Yes()]


async def test_a_model_that_forbids_extra_fields_can_be_an_answer() -> None:
    class Strict(BaseModel, extra="forbid"):
        action: Literal["yes"] = "yes"

    async def asks(ctx: Context[Any]) -> Any:
        return await ctx.ask(Confirm(), Strict)

    asker = Asker(asks)
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer("q1", more=1), answer("q1"))
        await settled(wire)
        assert told(wire) == ["confirm", "invalid_message", "a ack"]
        assert asker.outcomes == [Strict()]


# -- wrong answers ---------------------------------------------------------------------------------


@BESIDE
async def test_an_invalid_answer_is_told_and_the_question_stays_open(options: dict[str, Any]) -> None:
    asker = Asker(**options)
    async with opened(asker.channel) as wire:
        wire.say(job("a"))
        await settled(wire)
        wire.say(answer("q1", "yes", sure="perhaps"), answer("q1", "say", text="x"))
        await settled(wire)
        assert told(wire) == ["confirm", "invalid_message", "invalid_message"]
        assert [frame["ask"] for frame in wire.frames] == ["q1", "q1", "q1"]
        assert wire.frames[1]["payload"]["errors"][0]["loc"] == ["sure"]
        wire.say(answer())
        await settled(wire)
        assert asker.outcomes == [Yes()]
    assert asker.channel.stats().bad_frames == 2


async def test_invalid_answers_strike_out() -> None:
    asker = Asker(limits=Limits(strikes=2))
    async with opened(asker.channel) as wire:
        wire.say(job("a"), *[answer("q1", "yes", sure="perhaps")] * 5)
        await wire.end()
        assert wire.closed == (1008, "too many bad frames")
        assert told(wire) == ["confirm", "invalid_message", "invalid_message"]
    assert asker.outcomes == [1008]


async def test_a_validator_that_is_broken_is_the_servers_fault() -> None:
    class Broken(BaseModel):
        action: Literal["yes"] = "yes"

        @field_validator("action")
        @classmethod
        def check(cls, value: str) -> str:
            raise RuntimeError("secret")

    async def asks(ctx: Context[Any]) -> Any:
        return await ctx.ask(Confirm(), Broken, timeout=3)

    asker = Asker(asks)
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer("q1"))
        await settled(wire)
        assert told(wire) == ["confirm", "internal_error"]
        assert wire.frames[1]["ask"] == "q1"
        assert "secret" not in str(wire.frames)
        await wire.reached(frames=3)
        assert told(wire)[2] == "a timeout"
    assert asker.channel.stats().bad_frames == 0
    assert asker.channel.stats().handler_errors == 1


@pytest.mark.parametrize("wrong", ["q2", "q0", "q", "", "x1", "q-1", "q1x", "q 1", 1, None, ["q1"], "q" + "9" * 50])
async def test_an_answer_to_what_was_never_asked(wrong: Any) -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer(wrong))
        await settled(wire)
        assert told(wire) == ["confirm", "invalid_message"]
        assert wire.frames[1]["payload"]["errors"][0]["loc"] == ["ask"]
        wire.say(answer())
        await settled(wire)
        assert told(wire)[2:] == ["a ack"]
        wire.say(answer(wrong))  # also while no question is open, and no handler runs
        await settled(wire)
        assert told(wire)[3:] == ["invalid_message"]
    assert asker.channel.stats().bad_frames == 2


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_an_answer_where_nothing_was_ever_asked(busy: bool) -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        if busy:
            wire.say({"action": "wait", "name": "w"})
            await settled(wire)
        wire.say(answer("q1"))
        await settled(wire)
        assert told(wire) == ["invalid_message"]
        assert wire.frames[0]["payload"]["errors"][0]["loc"] == ["ask"]
        asker.desk.let("w")


async def test_a_second_and_a_late_answer_are_dropped() -> None:
    asker = Asker()
    async with opened(asker.channel) as wire:
        wire.say(job("a"), answer(), answer("q1", "no"), answer("q1", "yes", sure="perhaps"))
        await settled(wire)
        wire.say(answer(), decline())
        await settled(wire)
        assert told(wire) == ["confirm", "a ack"]
        assert asker.outcomes == [Yes()]
    assert asker.channel.stats().bad_frames == 0
