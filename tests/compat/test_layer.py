"""The channel layer, against the Channels specification of channel layers and document 003's words about them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from chanx.channels.exceptions import ChannelFull
from chanx.channels.layers import InMemoryChannelLayer
from chanx.groups.members import Members
from tests.compat.clock import Clock

Layer = InMemoryChannelLayer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.install(monkeypatch)
    return clock


def members(layer: Layer) -> Members:
    return layer.group_layer.members


def left_behind(layer: Layer) -> list[Any]:
    return [*layer._mailboxes, *layer._unheard, *members(layer).groups(), *members(layer).everyone()]


async def is_empty(layer: Layer, channel: str) -> bool:
    with anyio.move_on_after(0):
        await layer.receive(channel)
        return False
    return True


# -- messages ---------------------------------------------------------------------------------------


async def test_messages_come_in_the_order_in_which_they_were_sent() -> None:
    layer = Layer()
    for number in range(5):
        await layer.send("a", {"number": number})
    assert [(await layer.receive("a"))["number"] for _ in range(5)] == [0, 1, 2, 3, 4]
    assert await is_empty(layer, "a")


async def test_a_message_sent_before_anybody_receives_waits() -> None:
    layer = Layer()
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "x"})
    assert await layer.receive(channel) == {"type": "x"}


MESSAGE: dict[str, Any] = {
    "type": "all.types",
    "bytes": b"\x00\xff",
    "text": "é\u2028",
    "integers": [-(2**63), 2**63 - 1, 0],
    "floats": [1.5, -0.0, float("inf"), 1.0],
    "nested": {"list": [[], {}], "none": None, "booleans": [True, False]},
    "chanx.msgpack": "not the envelope",
}


@pytest.mark.parametrize("leave_out", ["", "bytes", "floats", "everything"])
async def test_every_type_of_the_specification_arrives_as_it_is(leave_out: str) -> None:
    layer = Layer()
    message = {"chanx.msgpack": "AA=="} if leave_out == "everything" else dict(MESSAGE)
    message.pop(leave_out, None)
    await layer.send("a", message)
    got = await layer.receive("a")
    assert got == message
    assert repr(got) == repr(message)


async def test_a_tuple_arrives_as_a_list_and_subclasses_as_what_they_extend() -> None:
    from enum import IntEnum, StrEnum

    class Safe(str):  # noqa: SLOT000 - such as Django's SafeString
        pass

    class Status(StrEnum):
        PAID = "paid"

    class Level(IntEnum):
        HIGH = 3

    layer = Layer()
    await layer.send(
        "a",
        {
            "type": Status.PAID,
            "a": (1, 2),
            "b": Safe("<b>"),
            "c": Status.PAID,
            "d": Level.HIGH,
            Safe("e"): bytearray(b"x"),
        },
    )
    got = await layer.receive("a")
    assert got == {"type": "paid", "a": [1, 2], "b": "<b>", "c": "paid", "d": 3, "e": b"x"}
    assert [type(value) for value in got.values()] == [str, list, str, str, int, bytes]
    assert type(list(got)[-1]) is str


def circle() -> dict[str, Any]:
    message: dict[str, Any] = {}
    message["self"] = message
    return message


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"at": {"of": [object()]}}, "the message['at']['of'][0] is of type object"),
        ({"a": {1, 2}}, "the message['a'] is of type set"),
        ({"a": 2**64}, "more than 64 bits"),
        ({"a": {None: 1}}, "has the key None"),
        ({"a": "\ud800"}, "no Unicode"),
        ({"a": b"", "b": "\ud800"}, "no Unicode"),
        (circle(), "nor in itself"),
        (["type"], "is a dictionary"),
        (None, "is a dictionary"),
    ],
)
async def test_what_would_not_arrive_as_it_is_is_refused(message: Any, says: str) -> None:
    layer = Layer()
    with pytest.raises(TypeError, match=re.escape(says)):
        await layer.send("a", message)
    with pytest.raises(TypeError, match=re.escape(says)):
        await layer.group_send("a", message)
    assert left_behind(layer) == []


async def test_receivers_share_nothing_with_each_other_or_with_the_sender() -> None:
    layer = Layer()
    message: dict[str, Any] = {"type": "x", "list": [1]}
    for channel in ("a", "b"):
        await layer.group_add("group", channel)
    await layer.group_send("group", message)
    message["list"].append(2)
    (await layer.receive("a"))["list"].append(3)
    assert await layer.receive("b") == {"type": "x", "list": [1]}


async def test_a_message_of_a_megabyte_and_more_passes() -> None:
    layer = Layer()
    await layer.send("a", {"text": "x" * 3_000_000})
    assert len((await layer.receive("a"))["text"]) == 3_000_000


# -- several receivers ------------------------------------------------------------------------------


async def test_all_who_wait_on_one_channel_are_served_each_message_by_one() -> None:
    layer = Layer()
    got: list[tuple[int, int]] = []

    async def receive(who: int) -> None:
        got.append((who, (await layer.receive("a"))["number"]))

    async with anyio.create_task_group() as group:
        for who in range(3):
            group.start_soon(receive, who)
            await anyio.wait_all_tasks_blocked()
        for number in range(3):
            await layer.send("a", {"number": number})
    assert sorted(got) == [(0, 0), (1, 1), (2, 2)]
    assert left_behind(layer) == []


async def test_who_is_cancelled_when_a_message_has_come_leaves_it_to_the_next() -> None:
    layer = Layer()
    first, second = (asyncio.create_task(layer.receive("a")) for _ in range(2))
    await anyio.wait_all_tasks_blocked()
    await layer.send("a", {"number": 1})
    first.cancel()  # it was woken, and has not run yet
    assert await second == {"number": 1}
    assert first.cancelled()
    assert left_behind(layer) == []


async def test_cancelling_a_receiver_loses_nothing() -> None:
    layer = Layer()
    assert await is_empty(layer, "a")
    for woken in (False, True):
        task = asyncio.create_task(layer.receive("a"))
        await anyio.wait_all_tasks_blocked()
        if woken:
            await layer.send("a", {"number": 1})
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert await layer.receive("a") == {"number": 1}
    assert left_behind(layer) == []


# -- capacity and expiry ----------------------------------------------------------------------------


async def test_a_full_channel_refuses_and_takes_again_when_there_is_room() -> None:
    layer = Layer(capacity=2)
    await layer.send("a", {"number": 1})
    await layer.send("a", {"number": 2})
    with pytest.raises(ChannelFull):
        await layer.send("a", {"number": 3})
    await layer.send("b", {"number": 4})  # another one
    assert (await layer.receive("a"))["number"] == 1
    await layer.send("a", {"number": 5})
    assert [(await layer.receive("a"))["number"] for _ in range(2)] == [2, 5]
    assert layer.dropped == 0


async def test_a_hundred_messages_may_wait_for_a_minute_by_default(clock: Clock) -> None:
    layer = Layer()
    for _ in range(100):
        await layer.send("a", {})
    with pytest.raises(ChannelFull):
        await layer.send("a", {})
    clock.now += 60.1
    assert await is_empty(layer, "a")
    assert layer.dropped == 100
    assert (layer.expiry, layer.group_expiry, layer.capacity) == (60, 86400, 100)
    assert "groups" in layer.extensions
    assert "flush" in layer.extensions


async def test_the_first_pattern_that_matches_the_whole_name_gives_the_capacity() -> None:
    layer = Layer(capacity=3, channel_capacity={"http.request": 1, "http.*": 2, re.compile(r"^ws\!.+"): 1})
    for channel, capacity in [("http.request", 1), ("http.requests", 2), ("ws!x", 1), ("ws", 3), ("a.http.b", 3)]:
        for _ in range(capacity):
            await layer.send(channel, {})
        with pytest.raises(ChannelFull):
            await layer.send(channel, {})


@pytest.mark.parametrize("wrong", [{"capacity": 0}, {"channel_capacity": {"a": -1}}, {"capacity": "9"}])
def test_a_capacity_is_a_positive_number(wrong: Any) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Layer(**wrong)


async def test_a_group_drops_for_those_who_have_no_room_and_counts_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    layer = Layer(capacity=2)
    await layer.group_add("group", "slow")
    await layer.group_add("group", "fast")
    with caplog.at_level(logging.WARNING, "chanx"):
        for number in range(5):
            await layer.group_send("group", {"number": number})
            assert (await layer.receive("fast"))["number"] == number
    assert layer.dropped == 3
    assert [record.message for record in caplog.records] == [
        "channel slow is full: 2 messages wait; messages are dropped until it has caught up"
    ]
    assert [(await layer.receive("slow"))["number"] for _ in range(2)] == [0, 1]


async def test_a_message_expires_and_those_behind_it_do_not(clock: Clock) -> None:
    layer = Layer(expiry=10)
    await layer.send("a", {"number": 1})
    clock.now += 6
    await layer.send("a", {"number": 2})
    clock.now += 6
    assert await layer.receive("a") == {"number": 2}
    assert layer.dropped == 1


async def test_what_has_expired_takes_no_room(clock: Clock) -> None:
    layer = Layer(expiry=10, capacity=1)
    await layer.send("a", {"number": 1})
    clock.now += 11
    await layer.send("a", {"number": 2})
    assert await layer.receive("a") == {"number": 2}


# -- groups -----------------------------------------------------------------------------------------


async def test_a_group_reaches_all_its_channels_once() -> None:
    layer = Layer()
    for channel in ("a", "b", "b"):
        await layer.group_add("group", channel)
    await layer.group_add("other", "a")
    await layer.group_send("group", {"type": "x"})
    for channel in ("a", "b"):
        assert await layer.receive(channel) == {"type": "x"}
        assert await is_empty(layer, channel)
    await layer.group_send("nobody", {"type": "x"})


async def test_a_channel_that_was_taken_out_gets_nothing_more() -> None:
    layer = Layer()
    await layer.group_add("group", "a")
    await layer.group_add("group", "b")
    await layer.group_discard("group", "a")
    await layer.group_discard("group", "a")
    await layer.group_discard("never", "c")
    await layer.group_send("group", {"type": "x"})
    assert await is_empty(layer, "a")
    await layer.receive("b")
    await layer.group_discard("group", "b")
    assert left_behind(layer) == []


async def test_a_membership_expires_unless_it_is_renewed(clock: Clock) -> None:
    layer = Layer(group_expiry=100, expiry=1000)
    await layer.group_add("group", "old")
    await layer.group_add("group", "renewed")
    clock.now += 60
    await layer.group_add("group", "renewed")
    clock.now += 60
    await layer.group_send("group", {"type": "x"})
    assert await layer.receive("renewed") == {"type": "x"}
    assert await is_empty(layer, "old")


async def test_flush_forgets_messages_and_groups() -> None:
    layer = Layer()
    await layer.send("a", {"type": "x"})
    await layer.group_add("group", "b")
    await layer.flush()
    await layer.group_send("group", {"type": "x"})
    assert left_behind(layer) == []


async def test_who_waits_when_it_is_flushed_waits_on() -> None:
    layer = Layer()
    got: list[Any] = []

    async def receive() -> None:
        got.append(await layer.receive("a"))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        await layer.flush()
        await layer.send("a", {"number": 1})
    assert got == [{"number": 1}]


# -- names ------------------------------------------------------------------------------------------

WRONG: list[Any] = ["", "é", "a b", "a:b", "!a", "a!b!c", "a" * 100, b"a", 7, None, "a\n"]


@pytest.mark.parametrize("name", WRONG, ids=repr)
async def test_what_is_no_name_is_refused(name: Any) -> None:
    layer = Layer()
    attempts: list[Callable[[], Any]] = [
        lambda: layer.send(name, {}),
        lambda: layer.receive(name),
        lambda: layer.group_add("group", name),
        lambda: layer.group_discard("group", name),
        lambda: layer.group_add(name, "channel"),
        lambda: layer.group_discard(name, "channel"),
        lambda: layer.group_send(name, {}),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError, match=r"ASCII letters, digits"):
            await attempt()
    assert left_behind(layer) == []


@pytest.mark.parametrize("name", ["a", "a" * 99, "A-z_0.9", "process!local", "process!"])
async def test_names_of_channels(name: str) -> None:
    layer = Layer()
    await layer.send(name, {"type": "x"})
    assert await layer.receive(name) == {"type": "x"}


async def test_a_group_has_no_mark_in_its_name() -> None:
    with pytest.raises(TypeError):
        await Layer().group_send("process!local", {})


async def test_new_channels_have_names_of_their_own() -> None:
    layer, other = Layer(), Layer()
    names = [await one.new_channel() for one in (layer, layer, other)]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"specific\.[0-9a-f]+![0-9a-f]+", name) for name in names)
    assert (await layer.new_channel("http.response")).startswith("http.response.")
    with pytest.raises(TypeError):
        await layer.new_channel("no name")


async def test_channels_of_one_process_do_not_mix() -> None:
    layer = Layer()
    await layer.send("process!a", {"number": 1})
    await layer.send("process!b", {"number": 2})
    assert await layer.receive("process!b") == {"number": 2}
    assert await layer.receive("process!a") == {"number": 1}


# -- what is left behind ----------------------------------------------------------------------------


async def test_channels_that_are_never_read_are_dropped_when_their_messages_have_expired(clock: Clock) -> None:
    layer = Layer(expiry=10)
    for number in range(500):
        await layer.send(f"gone.{number}", {})
        await layer.group_add("group", f"gone.{number}")
    clock.now += 10.5
    await layer.send("now", {})
    assert left_behind(layer) == ["now", "now", members(layer).everyone()[0]]
    assert layer.dropped == 500


async def test_members_that_nobody_writes_to_stay_until_their_membership_expires(clock: Clock) -> None:
    layer = Layer(expiry=10, group_expiry=100)
    await layer.group_add("group", "quiet")
    clock.now += 50
    await layer.send("x", {})
    await layer.group_send("group", {"type": "x"})
    assert await layer.receive("quiet") == {"type": "x"}
    clock.now += 51
    await layer.send("y", {})
    assert members(layer).groups() == []


async def test_a_channel_that_somebody_receives_from_is_kept(clock: Clock) -> None:
    layer = Layer(expiry=10)
    await layer.group_add("group", "a")
    got: list[Any] = []

    async def receive() -> None:
        got.append(await layer.receive("a"))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        clock.now += 1000
        await layer.send("x", {})  # looks for what nobody would miss
        await layer.group_send("group", {"type": "x"})
    assert got == [{"type": "x"}]


async def test_a_thousand_unread_channels_are_looked_through_before_they_become_more(clock: Clock) -> None:
    layer = Layer(expiry=10_000, group_expiry=1)
    for number in range(1000):
        await layer.group_add("group", f"gone.{number}")
    clock.now += 2
    await layer.send("now", {})
    assert list(layer._mailboxes) == ["now"]


async def test_close_lets_go_of_the_group_layer() -> None:
    await Layer().close()


@pytest.mark.parametrize("value", [1, b"1", [1, {"b": 2}]])
async def test_each_member_gets_a_message_of_its_own(value: Any) -> None:
    message = {"type": "x", "a": value}
    layer = InMemoryChannelLayer()
    for name in ("a", "b", "c"):
        await layer.group_add("group", name)
    await layer.group_send("group", message)
    for name in ("a", "b", "c"):
        received = await layer.receive(name)
        assert received == message
        received["a"] = received["new"] = name
    await layer.group_send("group", message)
    for name in ("a", "b", "c"):
        received = await layer.receive(name)
        assert received == message
        if isinstance(received["a"], list):
            received["a"][1]["b"] = name
            received["a"].append(name)
