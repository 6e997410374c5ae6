"""A document says what the codecs do: what it allows is accepted, and what is sent is what it says."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chanx import Channel, _dispatch, _frames
from chanx._plan import Plan
from chanx.asyncapi import document
from chanx.testing import connect
from tests.asyncapi import corpus
from tests.full import examples


def everything(make: Any) -> tuple[Plan, dict[str, Any]]:
    """The plan of a channel, and its document."""
    given = make()
    channel: Channel = next(iter(given.values())) if isinstance(given, dict) else given
    told = document(channel, title="T", version="1")
    return channel._compiled("test").plan, told


def validator(told: dict[str, Any], name: str) -> Any:
    return jsonschema.Draft7Validator({"$ref": f"#/components/schemas/{name}", "components": told["components"]})


def accepted(plan: Plan, frame: dict[str, Any]) -> bool:
    try:
        _dispatch.read(plan, json.dumps(frame))
    except _dispatch.BadFrame:
        return False
    return True


# -- what is sent -----------------------------------------------------------------------------------

WHEN = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)
CAT, DOG = corpus.Cat(kind="cat"), corpus.Dog(kind="dog", friend=corpus.Dog(kind="dog"))

VARIOUS = {"action": "various", "typed": {"number": 1}, "nan": 1, "too_short": "long"}
NAMED = corpus.Named(5)

SENT: list[tuple[Any, str, Any]] = [
    (corpus.plain, "Said", corpus.Said(who="Ada", text="")),
    (corpus.outputs, "Pong", corpus.Pong(1.5)),
    (corpus.recursive, "Tree", corpus.Tree(children=[corpus.Tree(), corpus.Tree(children=[corpus.Tree()])])),
    (corpus.recursive, "Node", corpus.Node(corpus.Node(), corpus.Node(None, corpus.Node()))),
    (corpus.generic, "Texts", corpus.Texts(cells=["x"])),
    (corpus.generic, "Crate_int", corpus.Crate([corpus.Box(1)])),
    (corpus.unions, "Zoo", corpus.Zoo(pet=DOG, pairs=[(CAT, None)], by_colour={corpus.Colour.RED: [CAT, 1, None]})),
    (corpus.unions, "Draw", corpus.Draw(corpus.Square(corpus.Circle(2)), {corpus.Colour.BLUE: corpus.Level.LOW})),
    (corpus.aliases, "Person-Output", corpus.Person.model_validate({"firstName": "Ada", "alias": "A"})),
    (corpus.aliases, "Badge", corpus.Badge("Ada")),
    (corpus.aliases, "Badge", corpus.Badge("Ada", WHEN, "ABC")),
    (corpus.types, "Awkward-Output", corpus.Awkward.model_validate({"action": "odd", "wrong": 1, "huge": 1})),
    (corpus.types, "Strange", corpus.Strange(huge=1.0, anything={"x": [None]}, choice="two", by_number={5: "five"})),
    (corpus.clashes, "Other", corpus.Other()),
    (corpus.various, "Various-Output", corpus.Various.model_validate(VARIOUS)),
    (corpus.various, "Written-Output", corpus.Written()),
    (corpus.various, "Structured", corpus.Structured({"number": 1}, corpus.Data(1, corpus.Data(2)), NAMED, nan=1.0)),
]


@pytest.mark.parametrize(("make", "name", "message"), SENT, ids=[f"{one[0].__name__}-{one[1]}" for one in SENT])
def test_what_is_sent_is_valid(make: Any, name: str, message: Any) -> None:
    plan, told = everything(make)
    text = _dispatch.encode(plan, message)
    validator(told, name).validate(json.loads(text))
    validator(told, name).validate(json.loads(_frames.with_ref(text, '"r1"')))
    validator(told, name).validate(json.loads(_frames.with_ref(text, "7")))


def test_frames_of_the_envelope_are_valid() -> None:
    plan, told = everything(corpus.outputs)
    problem = {"loc": ["a", 0], "type": "missing", "msg": "x"}
    for ref in ("", '"r"', "5"):
        for errors in (None, [problem]):
            frame = _frames.error_frame(plan, "invalid_message", "wrong", errors, ref)
            validator(told, "error").validate(json.loads(frame))
    for action in ("ack", "complete"):
        validator(told, action).validate(json.loads(_frames.control_frame(plan, action, "5")))
    plan, told = everything(corpus.streams)
    validator(told, "heartbeat").validate(json.loads(_frames.heartbeat(plan, 3)))


@pytest.mark.parametrize("frame", [{"action": "error", "payload": {}}, {"action": "ack"}, {"action": "say"}, {}])
def test_what_is_not_sent_is_invalid(frame: dict[str, Any]) -> None:
    _, told = everything(corpus.plain)
    assert not validator(told, "error").is_valid(frame)
    assert not validator(told, "Said").is_valid(frame)


# a conversation; what the client sends must be valid too
TALKS: list[tuple[Any, dict[str, str], list[dict[str, Any]]]] = [
    (
        corpus.outputs,
        {},
        [
            {"action": "say", "text": "x", "ref": "1"},
            {"action": "ping"},
            {"action": "ping", "ref": 2},
            {"action": "upload", "name": "x", "ref": 3},
        ],
    ),
    (
        corpus.streams,
        {},
        [
            {"action": "upload", "name": "x", "ref": 1},
            {"action": "part", "text": "x", "ref": 1},
            {"action": "complete", "ref": 1},
            {"action": "say", "text": "x", "ref": 2},
            {"action": "ping", "ref": 3},
            {"action": "cancel", "ref": 4},
        ],
    ),
    (
        corpus.topics,
        {"room": "5"},
        [
            {"action": "subscribe", "topic": "discussion:7", "ref": 1},
            {"action": "say", "topic": "discussion:7", "text": "x", "ref": 2, "version": 1},
            {"action": "say", "topic": "discussion:8", "text": "x", "ref": 3},
            {"action": "subscribe", "topic": "a.b-c/(d)|$:x+y"},
            {"action": "say", "topic": "a.b-c/(d)|$:x+y", "text": "x", "ref": 4},
            {"action": "unsubscribe", "topic": "discussion:7", "ref": 5},
            {"action": "say", "text": "x", "ref": 6},
        ],
    ),
    (
        corpus.histories,
        {},
        [
            {"action": "say", "text": "x", "ref": 1},
            {
                "action": "recover",
                "streams": {"all": {"seq": 1, "epoch": "x"}, "none": {"seq": 0, "epoch": ""}},
                "ref": 2,
            },
            {"action": "recover", "streams": {}, "ref": "3"},
        ],
    ),
    (
        lambda: {"/": corpus.histories()["/around"]},
        {},
        [
            {"action": "subscribe", "topic": "room:7", "ref": 1},
            {"action": "subscribe", "topic": "plain", "ref": 2},
            {"action": "ping", "topic": "room:7", "ref": 3},
            {"action": "say", "topic": "plain", "text": "x", "ref": 4},
            {"action": "recover", "topic": "room:7", "streams": {"room": {"seq": 1, "epoch": "x"}}, "ref": 5},
        ],
    ),
]


@pytest.mark.parametrize(("make", "path", "frames"), TALKS, ids=[getattr(one[0], "__name__", "") for one in TALKS])
async def test_a_conversation_is_as_documented(make: Any, path: dict[str, str], frames: list[dict[str, Any]]) -> None:
    channels = make()
    told = document(channels, title="T", version="1")
    names = set(told["components"]["messages"])

    def fitting(frame: Any) -> list[str]:
        return [name for name in names if validator(told, name).is_valid(frame)]

    answers: list[Any] = []
    async with connect(next(iter(channels.values())), scope={"path_params": path}) as client:
        for frame in frames:
            assert fitting(frame), frame
            await client.send(frame)
        answers = await client.drain()
    assert len(answers) >= len([one for one in frames if "ref" in one and one["action"] not in ("cancel", "part")]) - 1
    for answer in answers:
        assert fitting(answer), answer


# -- what is received -------------------------------------------------------------------------------

#: Frames that are sent as they are, and changed at random.
RECEIVED: list[tuple[Any, str, dict[str, Any]]] = [
    (corpus.plain, "Say", {"action": "say", "text": "x", "loud": True, "ref": "1"}),
    (corpus.outputs, "Ping", {"action": "ping", "ref": 5}),
    (corpus.streams, "Upload", {"action": "upload", "name": "x", "ref": "1"}),
    (corpus.recursive, "Tree", {"action": "tree", "children": [{"action": "tree"}, {"children": []}], "ref": 1}),
    (corpus.recursive, "Node", {"action": "node", "left": {"action": "node"}, "right": None}),
    (corpus.generic, "Page_dict_str_int", {"action": "page", "items": [{"a": 1}], "following": None}),
    (corpus.generic, "Box_int", {"action": "box", "value": 1}),
    (corpus.unions, "Zoo", {"action": "zoo", "pet": {"kind": "cat", "lives": 1}, "pairs": [], "by_colour": {}}),
    (corpus.unions, "Draw", {"action": "draw", "shape": {"shape": "circle", "radius": 1}, "point": [1, 2]}),
    (corpus.aliases, "Person-Input", {"action": "person", "firstName": "x", "nick": "y", "homeTown": "z"}),
    (corpus.aliases, "Badge", {"action": "badge", "firstName": "x", "code": "ABC"}),
    (corpus.prefixes, "admin.Say", {"action": "admin.say", "text": "x"}),
    (corpus.prefixes, "user_notes.Tree", {"action": "user notes/tree", "children": [{"action": "tree"}]}),
    (corpus.various, "Various-Input", {"action": "various", "typed": {"number": 1}, "named": [1, "x"], "any": 5}),
    (
        corpus.various,
        "Structured",
        {"action": "structured", "typed": {"number": 1}, "data": {"number": 1}, "named": [1]},
    ),
    (corpus.bare, "Free", {"kind": "loose", "ref": "x", "topic": 5}),
]
received = pytest.mark.parametrize(
    ("make", "name", "frame"), RECEIVED, ids=[f"{o[0].__name__}-{o[1]}" for o in RECEIVED]
)


@received
def test_what_is_accepted_is_valid(make: Any, name: str, frame: dict[str, Any]) -> None:
    plan, told = everything(make)
    assert accepted(plan, frame)
    validator(told, name).validate(frame)


@received
def test_a_frame_needs_its_tag_and_what_has_no_default(make: Any, name: str, frame: dict[str, Any]) -> None:
    plan, told = everything(make)
    check = validator(told, name)
    needed = told["components"]["schemas"][name]["required"]
    assert plan.discriminator in needed
    for key in frame:
        less = {one: value for one, value in frame.items() if one != key}
        assert check.is_valid(less) is accepted(plan, less) is (key not in needed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values inside a frame."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield (*way, key)
        yield from places(one, (*way, key))


@received
def test_what_is_valid_is_accepted(make: Any, name: str, frame: dict[str, Any]) -> None:
    """Not the other way: pydantic takes `"5"` for a number, which no schema says."""
    plan, told = everything(make)
    check = validator(told, name)

    @settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
    @given(way=st.sampled_from(list(places(frame))), value=JSON)
    def changed(way: tuple[Any, ...], value: Any) -> None:
        other = json.loads(json.dumps(frame))
        inside = other
        for step in way[:-1]:
            inside = inside[step]
        inside[way[-1]] = value
        if check.is_valid(other):
            assert accepted(plan, other)

    changed()
