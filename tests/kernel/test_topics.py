"""Topics on the wire: subscribing, what is said in them, unsubscribing, and everything that can be wrong with it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field

from chanx import Channel, Context, Limits, Path
from tests.kernel.desk import anyio_backend, opened, settled
from tests.kernel.messages import Hired, Said, Say
from tests.kernel.topical import House, part, stuck, sub, to, unsub, word, words

__all__ = ["anyio_backend"]


async def talk(app: Any, *frames: Any, **options: Any) -> list[Any]:
    """Say something to a new connection, all at once, and return the frames that were sent."""
    async with opened(app, **options) as wire:
        wire.say(*frames)
        await settled(wire)
        return wire.frames


# -- the frames, key by key -------------------------------------------------------------------------


async def test_subscribing_and_unsubscribing() -> None:
    async with opened(House().hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        assert wire.frames == [{"action": "subscribed", "payload": None, "version": 1, "topic": "room:5", "ref": "1"}]
        wire.say(unsub("room:5", "2"))
        await settled(wire)
        assert wire.frames[1:] == [
            {"action": "unsubscribed", "payload": None, "version": 1, "topic": "room:5", "ref": "2"}
        ]


@pytest.mark.parametrize("ref", [None, "x" * 64, 0, 7, "7", "ä"])
async def test_the_ref_is_optional_and_comes_back_as_it_was(ref: Any) -> None:
    house = House()
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", ref), to("room:5", "say", ref, text="x"), sub("nowhere", ref))
        await settled(wire)
        wire.say(unsub("room:5", ref))
        await settled(wire)
        assert sorted(frame["action"] for frame in wire.frames) == ["error", "said", "subscribed", "unsubscribed"]
        for frame in wire.frames:
            assert frame.get("ref") == ref
            assert ("ref" in frame) == (ref is not None)
    assert house.log == ["+hub", "+5", "-5", "-hub"]


async def test_a_version_is_accepted_and_ignored() -> None:
    frames = await talk(
        House().hub,
        {**sub("room:5", "1"), "version": 1},
        {**to("room:5", "say", "2", text="x"), "version": 2},
        {**to(None, "say", "3", text="x"), "version": 1},
    )
    assert sorted(map(word, frames)) == ["room:5 said x in 5 #2", "room:5 subscribed #1", "said x in hub #3"]


async def test_every_frame_of_a_topic_says_which_and_the_version() -> None:
    """Replies, acks, errors, streams and their end, pushes, what events send."""
    house = House()
    house.desk.let_all()
    async with opened(house.hub) as wire:
        wire.say(
            sub("room:5", "0"),
            to("room:5", "say", "1", text="x"),
            to("room:5", "shout", "2", text="all"),
            to("room:5", "boom", "3"),
            to("room:5", "nonsense", "4"),
            to("room:5", "say", "5"),
            to("room:5", "count", "6", name="c"),
        )
        await settled(wire)
        await house.room.emit(Hired(name="Ada"), group="room:5")
        await settled(wire)
        assert {(frame["topic"], frame["version"]) for frame in wire.frames} == {("room:5", 1)}
        assert part(wire, "room:5") == [
            "subscribed #0",
            "said x in 5 #1",
            *("said all", "ack #2"),
            "!internal_error #3",
            "!unknown_action #4",
            "!invalid_message #5",
            *("done 1 #6", "done 2 #6", "complete #6"),
            "said hired Ada",
        ]
        assert wire.frames[1] == {"action": "said", "text": "x in 5", "version": 1, "topic": "room:5", "ref": "1"}
        assert wire.frames[6]["payload"]["errors"] == [{"loc": ["text"], "type": "missing", "msg": "Field required"}]


async def test_what_belongs_to_the_hub_carries_no_topic() -> None:
    house = House()
    async with opened(house.hub) as wire:
        wire.say(sub("room:5"), to(None, "say", "1", text="x"), {**to(None, "say", "2", text="y"), "topic": None})
        await settled(wire)
        await house.hub.broadcast(Said(text="z"), group="hub")
        await settled(wire)
        assert [frame for frame in wire.frames if frame["action"] != "subscribed"] == [
            {"action": "said", "text": "x in hub", "ref": "1"},
            {"action": "said", "text": "y in hub", "ref": "2"},
            {"action": "said", "text": "z"},
        ]


async def test_null_is_the_hub_for_all_but_subscribe_and_unsubscribe() -> None:
    frames = await talk(House().hub, sub(None, "1"), unsub(None, "2"), to(None, "say", "3", text="x") | {"topic": None})
    assert [frame["ref"] for frame in frames] == ["1", "2", "3"]
    assert [frame["payload"]["code"] for frame in frames[:2]] == ["invalid_message"] * 2
    assert frames[2]["text"] == "x in hub"


# -- what is wrong ----------------------------------------------------------------------------------

WRONG_TOPICS: list[Any] = [5, 0, 1.5, True, False, "", "x" * 257, [], ["room:5"], {}, {"topic": "room:5"}]


@pytest.mark.parametrize("topic", WRONG_TOPICS, ids=repr)
async def test_a_topic_is_a_string_of_1_to_256_characters(topic: Any) -> None:
    house = House()
    frames = await talk(house.hub, sub(topic, "1"), unsub(topic, "2"), to(topic, "say", "3", text="x"))
    assert [(frame["action"], frame["payload"]["code"], frame["ref"]) for frame in frames] == [
        ("error", "invalid_message", "1"),
        ("error", "invalid_message", "2"),
        ("error", "invalid_message", "3"),
    ]
    assert all(frame["payload"]["detail"] for frame in frames)
    assert house.hub.stats().bad_frames == 3


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe"])
async def test_a_topic_may_not_be_missing(action: str) -> None:
    (frame,) = await talk(House().hub, {"action": action, "ref": "1"})
    assert (frame["payload"]["code"], frame["ref"]) == ("invalid_message", "1")


async def test_256_characters_are_a_topic() -> None:
    hub, child = Channel(), Channel()
    hub.include(child, topic="{name}")
    name = "ü" * 256
    frames = await talk(hub, sub(name, "1"))
    assert [frame["action"] for frame in frames] == ["subscribed"]
    assert frames[0]["topic"] == name


@pytest.mark.parametrize(
    "frame",
    [
        to("nowhere", "subscribe"),
        to("nowhere", "unsubscribe"),
        to("nowhere", "say", text="x"),
        to("nowhere", "nonsense"),
        to("room:", "subscribe"),
        to("room:5:6", "subscribe"),
        to("xroom:5", "subscribe"),
        to("Room:5", "subscribe"),
        to("room:{pk}:", "subscribe"),
    ],
    ids=str,
)
async def test_unknown_topics(frame: dict[str, Any]) -> None:
    (answer,) = await talk(House().hub, {**frame, "ref": "1"})
    detail = answer["payload"]["detail"]
    assert detail
    assert answer == {
        "action": "error",
        "payload": {"reason": "unknown_topic", "detail": detail, "code": "unknown_topic"},
        "version": 1,
        "topic": frame["topic"],
        "ref": "1",
    }


async def test_a_value_that_does_not_convert_is_an_unknown_topic() -> None:
    house = House()
    (answer,) = await talk(house.hub, sub("room:five", "1"))
    assert word(answer) == "room:five !unknown_topic #1"
    assert house.log == ["+hub", "-hub"]


@pytest.mark.parametrize(
    "frame",
    [
        to("room:5", "unsubscribe"),
        to("room:5", "say", text="x"),
        to("room:5", "nonsense"),
        to("room:5", "say"),  # what is in it is not looked at
    ],
    ids=str,
)
@pytest.mark.parametrize("before", [False, True])
async def test_topics_that_are_not_subscribed(frame: dict[str, Any], before: bool) -> None:
    house = House()
    async with opened(house.hub) as wire:
        if before:
            wire.say(sub("room:5"))
            await settled(wire)
            wire.say(unsub("room:5"))
            await settled(wire)
        start = len(wire.frames)
        wire.say({**frame, "ref": "1"}, to(None, "say", "2", text="x"))
        await settled(wire)
        assert words(wire, start) == ["room:5 !not_subscribed #1", "said x in hub #2"]
        detail = wire.frames[start]["payload"].pop("detail")
        assert detail
        assert wire.frames[start] | {"payload": 0} == {
            "action": "error",
            "payload": 0,
            "version": 1,
            "topic": "room:5",
            "ref": "1",
        }


async def test_without_topics_there_is_no_subscribing() -> None:
    channel = Channel()

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    frames = await talk(channel, sub("room:5", "1"), unsub("room:5", "2"), to(None, "say", "3", text="x"))
    assert [frame["action"] for frame in frames] == ["error", "error", "said"]
    assert {frame["payload"]["code"] for frame in frames[:2]} <= {"unknown_action", "unknown_topic"}


@pytest.mark.parametrize("text", ['{"action":"say","topic":"room:5"', '["room:5"]', '"topic"', "topic"])
async def test_bad_frames_that_speak_of_topics(text: str) -> None:
    house = House()
    async with opened(house.hub) as wire:
        wire.say(sub("room:5"))
        await settled(wire)
        wire.say(text, to("room:5", "say", "1", text="x"))
        await settled(wire)
        assert wire.frames[1]["action"] == "error"
        assert wire.frames[1]["payload"]["code"] in ("malformed_json", "invalid_message")
        assert words(wire, 2) == ["room:5 said x in 5 #1"]


async def test_keys_in_escapes_are_the_same_keys() -> None:
    wanted = ["room:5 subscribed #1", "room:5 said x in 5 #2", "room:5 unsubscribed #3"]
    async with opened(House().hub) as wire:
        for text in (
            '{"action":"sub\\u0073cribe","t\\u006fpic":"room:5","ref":"1"}',
            '{"action":"say","text":"x","t\\u006fpic":"r\\u006fom:5","ref":"2"}',
            '{"action":"unsubscribe","topic":"r\\u006fom:5","ref":"3"}',
        ):
            wire.say(text)
            await settled(wire)
        assert words(wire) == wanted


async def test_a_field_that_only_speaks_of_topics_is_the_hubs() -> None:
    frames = await talk(House().hub, to(None, "say", "1", text='"topic":"room:5"'))
    assert [frame["text"] for frame in frames] == ['"topic":"room:5" in hub']
    frames = await talk(House().hub, {"action": "say", "text": "x", "nested": {"topic": "room:5"}, "ref": "1"})
    assert [word(frame) for frame in frames] == ["said x in hub #1"]


async def test_names_that_need_escapes_come_back() -> None:
    hub, child = Channel(), Channel()
    seen: list[str] = []

    @child.on(Say)
    async def say(message: Say, ctx: Context, name: Annotated[str, Path("name")]) -> Said:
        seen.append(name)
        assert ctx.topic == f"file:{name}"
        return Said(text=message.text)

    hub.include(child, topic="file:{name}")
    names = ['a"b', "a\\b", "ä€😀", "a b", "a\nb", "{name}", "%s", "\u2028", "]}"]
    async with opened(hub) as wire:
        for name in names:
            wire.say(sub(f"file:{name}", "1"), to(f"file:{name}", "say", "2", text="x"))
            await settled(wire)
            assert [frame["topic"] for frame in wire.frames[-2:]] == [f"file:{name}"] * 2
    assert seen == names


# -- patterns ---------------------------------------------------------------------------------------


async def test_literal_topics_win_over_patterns_and_else_the_first_included() -> None:
    hub = Channel("hub")
    found: list[str] = []
    for pattern in ("a:{x}", "a:{y}:c", "a:b", "{z}:{x}", "news"):
        child = Channel(pattern)

        def enter(pattern: str = pattern) -> Any:
            async def enters(ctx: Context) -> None:
                found.append(f"{ctx.topic} by {pattern}")

            return enters

        child.on_connect(enter())
        hub.include(child, topic=pattern)
    async with opened(hub) as wire:
        for topic in ("a:b", "a:x", "a:b:c", "b:x", "news", "news:x"):
            wire.say(sub(topic))
            await settled(wire)
    assert found == ["a:b by a:b", "a:x by a:{x}", "a:b:c by a:{y}:c", "b:x by {z}:{x}", "news by news",
                     "news:x by {z}:{x}"]  # fmt: skip


async def test_parameters_are_converted_and_stand_beside_those_of_the_route() -> None:
    class Seen(BaseModel):
        action: Literal["seen"] = "seen"
        team: str
        kind: str
        pk: int
        params: dict[str, str]

    hub, child = Channel(), Channel()

    @child.on(Say)
    async def say(
        message: Say,
        ctx: Context,
        team: Annotated[str, Path("team")],
        kind: Annotated[Literal["a", "b"], Path("kind")],
        pk: Annotated[int, Path("pk"), Field(gt=0)],
    ) -> Seen:
        return Seen(
            team=team, kind=kind, pk=pk, params={key: str(one) for key, one in ctx.connection.path_params.items()}
        )

    @child.on_connect
    async def enter(kind: Annotated[Literal["a", "b"], Path("kind")], pk: Annotated[int, Path("pk")]) -> None: ...

    @hub.on(Say)
    async def say_hub(message: Say, ctx: Context) -> Said:
        return Said(text=str(sorted(ctx.connection.path_params)))

    hub.include(child, topic="x:{kind}:{pk}")
    frames = await talk(
        hub,
        sub("x:a:7", "1"),
        to("x:a:7", "say", "2", text=""),
        to(None, "say", "3", text=""),
        sub("x:c:7", "4"),
        sub("x:a:x", "5"),
        extra={"path_params": {"team": "red"}},
    )
    by_ref = {frame["ref"]: frame for frame in frames}
    assert by_ref["2"] | {"version": 1} == {
        "action": "seen",
        "team": "red",
        "kind": "a",
        "pk": 7,
        "params": {"team": "red", "kind": "a", "pk": "7"},
        "version": 1,
        "topic": "x:a:7",
        "ref": "2",
    }
    assert by_ref["3"]["text"] == "['team']"
    assert [word(by_ref[ref]) for ref in "45"] == ["x:c:7 !unknown_topic #4", "x:a:x !unknown_topic #5"]


# -- two topics, one tag ----------------------------------------------------------------------------


class StrictSay(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["say"] = "say"
    number: int


class StructSay(msgspec.Struct, tag_field="action", tag="say", forbid_unknown_fields=True):
    words: list[str]


class StructSaid(msgspec.Struct, tag_field="action", tag="said"):
    text: str


def babel() -> Channel:
    """A hub of pydantic messages, and a topic of each family that forbids what it does not know."""
    hub, strict, struct = Channel("hub"), Channel("strict"), Channel("struct")

    @hub.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @strict.on(StrictSay)
    async def say_strict(message: StrictSay) -> Said:
        return Said(text=str(message.number + 1))

    @struct.on(StructSay)
    async def say_struct(message: StructSay) -> StructSaid:
        return StructSaid(text=" ".join(message.words))

    hub.include(strict, topic="strict")
    hub.include(struct, topic="struct:{name}")
    return hub


async def test_topics_have_messages_of_their_own_under_one_tag() -> None:
    async with opened(babel()) as wire:
        wire.say(sub("strict"), sub("struct:a"))
        await settled(wire)
        start = len(wire.frames)
        for ref in ("1", None):
            wire.say(to(None, "say", ref, text="x"))
            await settled(wire)
            wire.say({**to("strict", "say", ref, number=1), "version": 1})
            await settled(wire)
            wire.say({**to("struct:a", "say", ref, words=["a", "b"]), "version": 1})
            await settled(wire)
        assert words(wire, start) == [
            *("said x #1", "strict said 2 #1", "struct:a said a b #1"),
            *("said x", "strict said 2", "struct:a said a b"),
        ]


async def test_what_one_topic_understands_is_wrong_in_another() -> None:
    async with opened(babel()) as wire:
        wire.say(sub("strict"), sub("struct:a"))
        await settled(wire)
        start = len(wire.frames)
        wire.say(
            to(None, "say", "1", number=1),
            to("strict", "say", "2", text="x"),
            to("struct:a", "say", "3", number=1),
            to("strict", "say", "4", number=1, more=1),
            to("struct:a", "say", "5", words=[], more=1),
            to("strict", "say", "6", number=1, ref_="x"),
        )
        await settled(wire)
        assert sorted(words(wire, start), key=lambda one: one[-1]) == [
            "!invalid_message #1",
            "strict !invalid_message #2",
            "struct:a !invalid_message #3",
            "strict !invalid_message #4",
            "struct:a !invalid_message #5",
            "strict !invalid_message #6",
        ]


async def test_refs_are_told_apart_per_topic() -> None:
    house = House()
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"), sub("room:6", "1"))
        await settled(wire)
        wire.say(*(to(topic, "wait", "1", name=f"{topic}") for topic in (None, "room:5", "room:6")))
        await settled(wire)
        assert sorted(house.desk.running) == ["None", "room:5", "room:6"]
        wire.say(to("room:5", "say", "1", text="again"), to(None, "say", "1", text="again"))
        await settled(wire)
        assert sorted(words(wire, 2)) == ["!duplicate_ref #1", "room:5 !duplicate_ref #1"]
        house.desk.let_all()
        await settled(wire)
        assert sorted(words(wire, 4)) == ["done None #1", "room:5 done room:5 #1", "room:6 done room:6 #1"]


# -- the same topic again ---------------------------------------------------------------------------


async def test_subscribing_again_is_answered_again_without_hooks() -> None:
    house = House()
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        wire.say(sub("room:5", "2"), sub("room:5"))
        await settled(wire)
        assert part(wire, "room:5") == ["subscribed #1", "subscribed #2", "subscribed"]
        assert house.log == ["+hub", "+5"]
        assert house.hub.stats().topics == 1
        wire.say(unsub("room:5", "3"))
        await settled(wire)
        assert part(wire, "room:5")[3:] == ["unsubscribed #3"]
        assert house.log == ["+hub", "+5", "-5"]


async def test_an_instance_for_each_name_and_client() -> None:
    house = House()
    async with opened(house.hub) as one, opened(house.hub) as two:
        for wire in (one, two):
            wire.say(sub("room:5"), sub("room:6"))
            await settled(wire)
        ids = {house.contexts[5].id, house.contexts[6].id}
        assert len(ids) == 2
        assert house.contexts[5].topic == "room:5"
        assert house.members == {"hub": 2, "room:5": 2, "room:6": 2}
        one.say(to("room:5", "shout", text="x"))
        await settled(one)
        await settled(two)
        for wire in (one, two):
            assert part(wire, "room:5") == ["subscribed", "said x"]
            assert part(wire, "room:6") == ["subscribed"]
    assert house.members == {}


async def test_errors_of_handlers_leave_everything_up() -> None:
    house = House()

    @house.hub.on_error(ValueError)
    async def failed(error: ValueError, ctx: Context) -> Said:
        return Said(text=f"{error} {ctx.topic}")

    async with opened(house.hub) as wire:
        wire.say(sub("room:5"))
        await settled(wire)
        wire.say(to("room:5", "boom", "1"), to(None, "boom", "2"))
        await settled(wire)
        assert sorted(words(wire, 1)) == ["room:5 said boom room:5 #1", "said boom None #2"]


async def test_without_an_error_function_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    async with opened(house.hub) as wire:
        wire.say(sub("room:5"))
        await settled(wire)
        wire.say(to("room:5", "boom", "1"), to("room:5", "say", "2", text="x"))
        await settled(wire)
        assert words(wire, 1) == ["room:5 !internal_error #1", "room:5 said x in 5 #2"]
        assert "boom" not in str(wire.frames)
    assert "ValueError: boom" in caplog.text
    assert house.hub.stats().handler_errors == 1


# -- limits -----------------------------------------------------------------------------------------


async def test_so_many_topics_and_no_more() -> None:
    house = House(limits=Limits(topics=2))
    async with opened(house.hub) as wire:
        wire.say(sub("room:1"), sub("room:2"))
        await settled(wire)
        wire.say(sub("room:3", "3"), sub("room:1", "1"))  # what is there already counts once
        await settled(wire)
        assert sorted(words(wire, 2)) == ["room:1 subscribed #1", "room:3 !overloaded #3"]
        wire.say(unsub("room:1", "4"))
        await settled(wire)
        wire.say(sub("room:3", "5"))
        await settled(wire)
        assert words(wire, 4) == ["room:1 unsubscribed #4", "room:3 subscribed #5"]
    assert house.log == ["+hub", "+1", "+2", "-1", "+3", *house.log[5:]]


async def test_a_hundred_unless_told_otherwise() -> None:
    assert Limits().topics == 100


async def test_those_that_still_end_count() -> None:
    house = House(limits=Limits(topics=1))
    house.held.add("off 1")
    async with opened(house.hub) as wire:
        wire.say(sub("room:1"))
        await settled(wire)
        wire.say(unsub("room:1", "1"))
        await settled(wire)
        assert house.desk.running == ["off 1"]
        wire.say(sub("room:2", "2"))
        await settled(wire)
        assert words(wire, 1) == ["room:1 unsubscribed #1", "room:2 !overloaded #2"]
        house.desk.let("off 1")
        await settled(wire)
        wire.say(sub("room:2", "3"))
        await settled(wire)
        assert words(wire, 3) == ["room:2 subscribed #3"]


async def test_those_that_are_not_open_yet_count() -> None:
    house = House(limits=Limits(topics=1))
    house.held.add("on 1")
    async with opened(house.hub) as wire:
        wire.say(sub("room:1", "1"), sub("room:2", "2"))
        await settled(wire)
        assert words(wire) == ["room:2 !overloaded #2"]
        house.desk.let("on 1")
        await settled(wire)
        assert words(wire, 1) == ["room:1 subscribed #1"]


async def test_bad_frames_of_all_topics_count_together() -> None:
    house = House(limits=Limits(strikes=3))
    async with opened(house.hub) as wire:
        wire.say(sub("room:5"), sub("room:6"))
        await settled(wire)
        for topic in ("room:5", "room:6", None):
            wire.say(to(topic, "say"))
            await settled(wire)
        assert wire.closed is None
        wire.say(to("room:6", "say"))
        await wire.until(lambda: wire.closed)
        assert wire.closed == (1008, "too many bad frames")
    assert house.log[-1] == "-hub"
    assert sorted(house.log[:-1]) == ["+5", "+6", "+hub", "-5", "-6"]


async def test_a_frame_that_is_too_large_ends_the_hub() -> None:
    house = House(limits=Limits(max_size=1000))
    async with opened(house.hub) as wire:
        wire.say(sub("room:5"))
        await settled(wire)
        wire.say(to("room:5", "say", text="x" * 1000))
        await wire.until(lambda: wire.closed)
        assert wire.closed is not None
        assert wire.closed[0] == 1009
    assert house.log == ["+hub", "+5", "-5", "-hub"]


async def test_stats() -> None:
    house = House()
    house.refuse(9, 403)
    async with opened(house.hub) as wire:
        wire.say(sub("room:5"), sub("room:6"), sub("room:9"), sub("nowhere"))
        await settled(wire)
        stats = house.hub.stats()
        assert (stats.topics, stats.subscribed, stats.connections, stats.accepted) == (2, 2, 1, 1)
        assert stats.topics_refused == 1  # by its hook; an unknown one is only a wrong frame
        wire.say(unsub("room:5"))
        await settled(wire)
        wire.say(sub("room:5"))
        await settled(wire)
        stats = house.hub.stats()
        assert (stats.topics, stats.subscribed) == (2, 3)
    stats = house.hub.stats()
    assert (stats.topics, stats.subscribed, stats.connections) == (0, 3, 0)


async def test_frames_read_ahead_are_bounded_for_all_together() -> None:
    """Past the limit the reader stops, and goes on when there is room."""
    house = House(limits=Limits(read_ahead=4))
    async with opened(house.hub) as wire:
        wire.say(sub("room:5"), sub("room:6"))
        await settled(wire)
        wire.say(to("room:5", "wait", "w5", name="5"), to("room:6", "wait", "w6", name="6"))
        await settled(wire)
        for number in range(10):
            wire.say(to(f"room:{5 + number % 2}", "say", f"s{number}", text=str(number)))
        await stuck()
        assert 10 - 4 - 2 <= wire.waiting <= 10 - 4
        house.desk.let_all()
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["done 5 #w5", *(f"said {n} in 5 #s{n}" for n in range(0, 10, 2))]
        assert part(wire, "room:6")[1:] == ["done 6 #w6", *(f"said {n} in 6 #s{n}" for n in range(1, 10, 2))]
