"""The test client where an answer is more than one frame: streams, cancelling, questions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import anyio
import msgspec
import pytest
from pydantic import BaseModel, ConfigDict

from chanx import AskFailed, Channel, Context
from chanx.testing import Closed, Failed, Stream, connect
from tests.kernel.messages import Said, Say

pytestmark = pytest.mark.anyio


class Count(BaseModel):
    action: Literal["count"] = "count"
    to: int


class Number(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["number"] = "number"
    value: int


class Letter(msgspec.Struct, tag_field="action", tag="letter", forbid_unknown_fields=True):
    text: str


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["question"] = "question"


class Sum(BaseModel):
    action: Literal["sum"] = "sum"


app = Channel("helpers")


@app.on(Count)
async def count(message: Count, ctx: Context) -> AsyncIterator[Number]:
    for value in range(message.to):
        yield Number(value=value)
    if message.to == 3:
        await ctx.close(4000, "three")
    if message.to > 3:
        await anyio.sleep_forever()


@app.on(Sum)
async def add(_: Sum, chunks: AsyncIterator[Number]) -> Number:
    return Number(value=sum([chunk.value async for chunk in chunks]))


@app.on(Say)
async def say(message: Say, ctx: Context) -> Said | Letter | list[Number] | None:
    match message.text:
        case "ask":
            try:
                return Said(text=str((await ctx.ask(Question(), Number)).value))
            except AskFailed as failed:
                return Said(text=f"{failed.code}: {failed.detail}")
        case "letter":
            return Letter("x")
        case "nothing":
            return None
        case "several":
            return [Number(value=1), Number(value=2)]
        case text:
            return Said(text=text)


async def test_a_stream_is_iterated_over_and_leaves_the_rest() -> None:
    async with connect(app) as client:
        await client.send(Say(text="before"))
        numbers: Stream[Number] = client.stream(Count(to=2), Number)
        assert [number.value async for number in numbers] == [0, 1]
        assert [number async for number in numbers] == []
        assert await client.receive() == {"action": "said", "text": "before"}
        assert client.pending == []


async def test_without_a_type_frames_come_as_json() -> None:
    async with connect(app) as client:
        stream = client.stream({"action": "count", "to": 1})
        frame: dict[str, Any] = await anext(stream)
        assert frame == {"action": "number", "value": 0, "ref": stream.ref}


async def test_several_answers_and_none_are_streams_too() -> None:
    async with connect(app) as client:
        assert [one.value async for one in client.stream(Say(text="several"), Number)] == [1, 2]
        assert [one async for one in client.stream(Say(text="nothing"))] == []


async def test_two_streams_at_once() -> None:
    async with connect(app) as client:
        first, second = client.stream(Count(to=2), Number), client.stream(Count(to=1), Number)
        assert [one.value async for one in second] == [0]
        assert [one.value async for one in first] == [0, 1]


async def test_a_cancelled_stream_fails_with_its_code() -> None:
    async with connect(app) as client:
        stream = client.stream(Count(to=4), Number)
        assert (await anext(stream)).value == 0
        await client.cancel(stream.ref)
        with pytest.raises(Failed, match="the error cancelled: ") as failed:
            [_ async for _ in stream]
        assert failed.value.code == "cancelled"
        assert [_ async for _ in stream] == []


async def test_a_stream_that_is_cut_off_raises_the_close() -> None:
    async with connect(app) as client:
        stream = client.stream(Count(to=3), Number)
        with pytest.raises(Closed) as closed:
            [_ async for _ in stream]
        assert closed.value.code == 4000
        with pytest.raises(Closed):
            await client.cancel(stream.ref)
        with pytest.raises(Closed):
            client.stream(Count(to=1))


async def test_a_stream_that_sticks_fails_in_time() -> None:
    async with connect(app) as client:
        stream = client.stream(Count(to=4), Number, timeout=0.05)
        with pytest.raises(AssertionError, match=f"waited in vain for the answer to {stream.ref}"):
            [_ async for _ in stream]


async def test_another_type_in_a_stream_is_shown() -> None:
    async with connect(app) as client:
        with pytest.raises(AssertionError, match=r"expected Letter, got \{.*'value': 0"):
            await anext(client.stream(Count(to=1), Letter))


@pytest.mark.parametrize("values", [[], [1, 2, 3]])
async def test_chunks_are_streamed_to_the_handler(values: list[int]) -> None:
    async with connect(app) as client:
        chunks = [Number(value=value) for value in values]
        assert await client.request(Sum(), Number, chunks=chunks) == Number(value=sum(values))
        assert await client.request(Sum(), chunks=[{"action": "number", "value": 5}]) == {
            "action": "number",
            "value": 5,
            "ref": "test-2",
        }


async def test_a_request_that_is_answered_by_an_error_tells_it() -> None:
    async with connect(app) as client:
        with pytest.raises(Failed) as failed:
            await client.request({"action": "count"}, Number)
        assert (failed.value.code, failed.value.errors[0]["loc"]) == ("invalid_message", ["to"])
        # asked for as it is, it is a frame like any other
        assert (await client.request({"action": "count"}))["payload"]["code"] == "invalid_message"


async def test_the_envelope_is_no_part_of_a_strict_message() -> None:
    async with connect(app) as client:
        assert await client.request(Say(text="letter"), Letter) == Letter("x")


@pytest.mark.parametrize("typed", [True, False])
async def test_a_question_is_answered_or_declined(typed: bool) -> None:
    async with connect(app) as client:
        for _ in range(2):  # the same question again is another one
            await client.send(Say(text="ask"))
            await client.answer(await (client.receive(Question) if typed else client.receive()), Number(value=7))
            assert await client.receive(Said) == Said(text="7")
        await client.send(Say(text="ask"))
        await client.decline(await client.receive(Question), "busy", "not now")
        assert await client.receive(Said) == Said(text="busy: not now")


async def test_only_what_was_asked_can_be_answered() -> None:
    async with connect(app) as client:
        await client.send(Say(text="hello"))
        with pytest.raises(LookupError, match="is no question"):
            await client.answer(await client.receive(Said), Number(value=1))


async def test_the_name_of_the_tag_is_that_of_the_channel() -> None:
    kinds = Channel("kinds", discriminator="kind")

    class Go(BaseModel):
        kind: Literal["go"] = "go"

    class Gone(BaseModel):
        kind: Literal["gone"] = "gone"

    @kinds.on(Go)
    async def go(_: Go, ctx: Context, chunks: AsyncIterator[Gone]) -> AsyncIterator[Gone]:
        async for chunk in chunks:
            yield chunk
        try:
            await ctx.ask(Gone(), Gone)
        except AskFailed:
            yield Gone()
        await anyio.sleep_forever()

    async with connect(kinds) as client:
        stream = client.stream(Go(), Gone, chunks=[Gone()])
        assert await anext(stream) == Gone()
        question = await client.receive()
        assert question == {"kind": "gone", "ask": "q1"}
        await client.decline(question)
        assert await anext(stream) == Gone()
        await client.cancel(stream.ref)
        with pytest.raises(Failed, match="cancelled"):
            await anext(stream)
