"""Whatever a client sends, it is answered: no exception leaves the application, nothing ends the connection early."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from chanx import Channel, Limits
from chanx.testing import connect
from tests.full import examples


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    numbers: list[int] = []


class Post(BaseModel):
    action: Literal["post", "edit"]
    text: str = Field(max_length=20)
    inner: Inner | None = None


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["exact"] = "exact"
    size: int | float | None = None


class Move(msgspec.Struct, tag_field="action", tag="move"):
    x: int
    y: float = 0.0
    path: list[str] = []


class Stop(msgspec.Struct, tag_field="action", tag="stop", forbid_unknown_fields=True):
    pass


class Done(BaseModel):
    action: Literal["done"] = "done"


PYDANTIC: tuple[type[Any], ...] = (Post, Exact)
MSGSPEC: tuple[type[Any], ...] = (Move, Stop)


def handling(*classes: type[Any]) -> Channel:
    channel = Channel(limits=Limits(strikes=10**6))

    async def one(message: Any) -> Done:
        return Done()

    async def several(message: Any) -> list[Done]:
        return [Done(), Done()]

    channel.on(*classes[:1])(one)
    channel.on(*classes[1:])(several)
    return channel


def pydantic_only() -> Channel:
    return handling(*PYDANTIC)


def msgspec_only() -> Channel:
    return handling(*MSGSPEC)


def mixed() -> Channel:
    return handling(*PYDANTIC, *MSGSPEC)


def prefixed() -> Channel:
    channel = handling(*PYDANTIC)
    channel.include(handling(*MSGSPEC), prefix="m.")
    channel.include(handling(*PYDANTIC), prefix="p.")
    return channel


CHANNELS: list[Callable[[], Channel]] = [pydantic_only, msgspec_only, mixed, prefixed]

TAGS = st.sampled_from(
    ["post", "edit", "exact", "move", "stop", "m.move", "m.stop", "p.post", "p.", "m.", "ack", "error"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["text", "inner", "size", "x", "y", "path", "ref", "ask", "topic", "version", "seq", "numbers"])
OBJECTS = st.builds(
    lambda tag, rest: {**rest, **({} if tag is None else {"action": tag})},
    st.none() | TAGS | VALUES,
    st.dictionaries(KEYS | st.text(max_size=4), VALUES, max_size=4),
)
TEXTS = st.one_of(
    OBJECTS.map(json.dumps),
    OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False)),
    VALUES.map(json.dumps),
    st.text(st.characters(exclude_categories=())),  # surrogates too: some servers let them through
    st.builds(lambda text, cut: text[:cut], OBJECTS.map(json.dumps), st.integers(0, 40)),
    st.text(st.sampled_from('{}[]":,\\u0dref12action '), max_size=60),
)
FRAMES = st.lists(st.one_of(TEXTS, TEXTS, st.binary(max_size=40)), min_size=1, max_size=8)

NESTED = "[" * 5000
AWKWARD: list[str | bytes] = [
    "",
    "\x00",
    "\ud800",
    '{"action":"\ud800"}',
    '{"action":"\\ud800"}',
    '{"action":"post","text":"\\ud800"}',
    '{"action":"post","text":"x","ref":"\\ud800"}',
    '{"action":"post","text":"x","\\u0072ef":1}',
    '{"action":"post","action":"exact","text":"x"}',
    '{"action":"post","text":"x","ref":1,"ref":2}',
    '{"action":"exact","size":1e999}',
    '{"action":"exact","size":' + "9" * 5000 + "}",
    '{"action":"move","x":' + "9" * 5000 + "}",
    '{"action":"post","ref":' + "9" * 5000 + "}",
    '{"action":"post","text":' + NESTED,
    '{"action":"post","ref":1,"inner":' + '{"a":' * 3000,
    NESTED,
    '{"action":"m.","ref":1}',
    '{"action":"p.post","text":"x","ref":"' + "x" * 65 + '"}',
    '{"action":null}',
    "NaN",
    "[1,2]",
    '"post"',
    b"",
    b"\xff\xfe",
]


async def _all_answered(channel: Channel, frames: list[str | bytes]) -> None:
    async with connect(channel, timeout=10) as client:
        for frame in frames:
            await client.send(frame)
        assert await client.request({"action": "nothing"}, timeout=10)  # handled last: it is still up
        assert client.errors == []
        assert len(client.pending) >= len(frames)
        for answer in client.pending:
            assert answer["action"] in ("done", "complete", "ack", "error")


def run(backend: str, function: Any, *args: Any) -> None:
    anyio.run(function, *args, backend=backend)


@pytest.mark.parametrize("make", CHANNELS)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@example(frames=AWKWARD)
@given(frames=FRAMES)
def test_every_frame_is_answered(backend: str, make: Callable[[], Channel], frames: list[str | bytes]) -> None:
    run(backend, _all_answered, make(), frames)


REFS = st.one_of(st.text(min_size=1, max_size=64), st.integers())
FINITE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
FIELDS = st.dictionaries(
    st.sampled_from(["text", "size", "x", "inner"]), FINITE | st.lists(FINITE, max_size=3), max_size=3
)


async def _answered_once(channel: Channel, messages: list[tuple[Any, dict[str, Any], Any]]) -> None:
    async with connect(channel, timeout=10) as client:
        for tag, fields, ref in messages:
            await client.send(json.dumps({"action": tag, **fields, "ref": ref}))
        await client.request({"action": "nothing"}, timeout=10)
        final: list[Any] = []
        several = 0
        for answer in client.pending:
            if answer["action"] == "done":
                several += 1
                after = client.pending[client.pending.index(answer) :]
                if any(one["action"] == "complete" and one["ref"] == answer["ref"] for one in after):
                    continue  # one of several; `complete` is the final answer
            final.append(answer["ref"])
        assert final == [ref for _, _, ref in messages]


@pytest.mark.parametrize("make", CHANNELS)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    messages=st.lists(
        st.tuples(TAGS | st.text(max_size=5), FIELDS, REFS), max_size=8, unique_by=lambda one: repr(one[2])
    )
)
def test_every_ref_is_answered_once(
    make: Callable[[], Channel], messages: list[tuple[Any, dict[str, Any], Any]]
) -> None:
    run("asyncio", _answered_once, make(), messages)


async def _strikes_out(channel: Channel, frames: list[str | bytes]) -> None:
    async with connect(channel, timeout=10) as client:
        for frame in frames:
            await client.send(frame)
        await client.wait_closed()
        assert (await client.wait_closed()).code == 1008
        assert len(client.pending) == 2


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(frames=st.lists(st.one_of(st.binary(max_size=9), st.text("{[", min_size=1, max_size=9)), min_size=3, max_size=3))
def test_only_strikes_end_it(frames: list[str | bytes]) -> None:
    channel = handling(*PYDANTIC)
    channel.limits = Limits(strikes=2)
    run("asyncio", _strikes_out, channel, frames)
