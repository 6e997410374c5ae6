"""What handlers can do works in topics as it does on a connection, and one topic does not hold up another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel, ConfigDict

from chanx import AskFailed, Channel, Context, Limits
from tests.full import rounds
from tests.kernel import clock
from tests.kernel.desk import Desk, anyio_backend, opened, settled
from tests.kernel.messages import Done, Fired, Hired, Job, Said, Say, Wait
from tests.kernel.topical import House, part, stuck, sub, to, unsub, words
from tests.kernel.wire import Wire

__all__ = ["anyio_backend"]


async def inside(wire: Wire, *topics: str) -> None:
    start = len(wire.frames)
    wire.say(*(sub(topic) for topic in topics))
    await wire.reached(frames=start + len(topics))
    await settled(wire)


def cancel(topic: str, ref: Any) -> dict[str, Any]:
    return to(topic, "cancel", ref)


# -- order ------------------------------------------------------------------------------------------


async def test_one_at_a_time_per_topic_and_topics_beside_one_another_and_the_hub() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        for topic, name in (
            ("room:5", "a"),
            ("room:6", "b"),
            (None, "c"),
            ("room:5", "d"),
            ("room:6", "e"),
            (None, "f"),
        ):
            wire.say(to(topic, "wait", name, name=name))
        await settled(wire)
        assert sorted(house.desk.running) == ["a", "b", "c"]
        for name in "cbafed":
            house.desk.let(name)
            await settled(wire)
        assert house.desk.log[3:] == ["-c", "+f", "-b", "+e", "-a", "+d", "-f", "-e", "-d"]
        assert words(wire, 2) == [
            *("done c #c", "room:6 done b #b", "room:5 done a #a", "done f #f", "room:6 done e #e", "room:5 done d #d"),
        ]


async def test_many_messages_of_a_topic_keep_their_order() -> None:
    house = House(limits=Limits(read_ahead=8))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        frames = [to(f"room:{5 + number % 2}", "say", f"{number}", text=str(number)) for number in range(200)]
        wire.say(*frames)
        await settled(wire)
        for pk in (5, 6):
            wanted = [f"said {number} in {pk} #{number}" for number in range(200) if 5 + number % 2 == pk]
            assert part(wire, f"room:{pk}")[1:] == wanted


@pytest.mark.parametrize(
    ("options", "most"), [({"concurrency": 2}, 2), ({"key": "key"}, 2), ({"latest": True}, 1), ({}, 1)], ids=str
)
async def test_options_of_handlers_hold_for_each_subscription(options: dict[str, Any], most: int) -> None:
    house = House(job=options)
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        for name in "abc":
            for topic in ("room:5", "room:6"):
                wire.say(to(topic, "job", name, name=f"{topic} {name}", key="x" if name == "b" else "y"))
            await settled(wire)
        running = house.desk.running
        for topic in ("room:5", "room:6"):
            assert len([one for one in running if one.startswith(topic)]) == most
        house.desk.let_all()
        await settled(wire)
        for topic in ("room:5", "room:6"):
            answers = part(wire, topic)[1:]
            assert sorted(one[-1] for one in answers) == ["a", "b", "c"]
            cancelled = [one for one in answers if "!cancelled" in one]
            assert len(cancelled) == (2 if options == {"latest": True} else 0)


async def test_handlers_at_once_are_bounded_for_the_hub_or_each_topic() -> None:
    house = House(job={"concurrency": 10}, limits=Limits(handlers=2))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(*(to("room:5", "job", name, name=name) for name in "abcd"))
        await settled(wire)
        assert len(house.desk.running) == 2
        house.desk.let_all()
        await settled(wire)
        assert len(part(wire, "room:5")) == 5


async def test_a_timeout_of_a_handler() -> None:
    house = House(job={"timeout": 2})
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        watch = clock.Stopwatch()
        wire.say(to("room:5", "job", "1", name="j"))
        await wire.reached(frames=2)
        assert part(wire, "room:5")[1:] == ["!timeout #1"]
        assert watch.seconds == pytest.approx(2, abs=0.1)


async def test_the_timeout_of_the_hub_is_that_of_its_topics() -> None:
    house = House(limits=Limits(handler_timeout=2))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "wait", "1", name="w"))
        await wire.reached(frames=2)
        assert part(wire, "room:5")[1:] == ["!timeout #1"]


# -- cancel -----------------------------------------------------------------------------------------


async def test_cancel_reaches_its_own_topic_only() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.say(to("room:5", "count", "1", name="a"), to("room:6", "count", "1", name="b"))
        await settled(wire)
        wire.say({"action": "cancel", "ref": "1"})  # the hub has no such ref
        await settled(wire)
        assert sorted(house.desk.running) == ["a", "b"]
        wire.say(cancel("room:6", "1"))
        await settled(wire)
        assert house.desk.running == ["a"]
        assert part(wire, "room:6")[1:] == ["done 1 #1", "!cancelled #1"]
        house.desk.let("a")
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["done 1 #1", "done 2 #1", "complete #1"]
        assert words(wire) == [one for one in words(wire) if one.startswith("room")]


async def test_cancel_of_a_message_that_waits() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "wait", "1", name="a"), to("room:5", "wait", "2", name="b"))
        await settled(wire)
        wire.say(cancel("room:5", "2"))
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["!cancelled #2"]
        house.desk.let("a")
        await settled(wire)
        assert part(wire, "room:5")[2:] == ["done a #1"]
        assert house.desk.log == ["+a", "-a"]


async def test_cancel_of_a_message_that_waits_for_on_connect() -> None:
    house = House()
    house.held.add("on 5")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        wire.say(to("room:5", "say", "2", text="x"), to("room:5", "say", "3", text="y"), cancel("room:5", "2"))
        await settled(wire)
        house.desk.let("on 5")
        await settled(wire)
        frames = part(wire, "room:5")
        assert sorted(frames) == sorted(["subscribed #1", "!cancelled #2", "said y in 5 #3"])


async def test_cancel_in_a_topic_that_is_not_subscribed() -> None:
    async with opened(House().hub) as wire:
        wire.say(cancel("room:5", "1"), to(None, "say", "2", text="x"))
        await settled(wire)
        assert words(wire) == ["said x in hub #2"]  # the message that it speaks of has its answer, or never came


# -- ask --------------------------------------------------------------------------------------------


class Sure(BaseModel):
    action: Literal["sure"] = "sure"
    text: str


class Yes(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["yes"] = "yes"
    number: int = 0


def asking() -> tuple[Channel, list[str]]:
    """A hub and topics that ask on `say`."""
    hub, room = Channel("hub"), Channel("room")
    outcomes: list[str] = []

    async def ask(message: Say, ctx: Context) -> Said:
        try:
            answer = await ctx.ask(Sure(text=message.text), Yes)
        except AskFailed as error:
            outcomes.append(f"{ctx.topic} {error.code}")
            raise
        outcomes.append(f"{ctx.topic} {answer.number}")
        return Said(text=str(answer.number))

    hub.on(Say)(ask)
    room.on(Say)(ask)

    @room.on(Wait)
    async def wait(message: Wait) -> Done:
        return Done(name=message.name)

    hub.include(room, topic="room:{pk}")
    return hub, outcomes


async def test_questions_have_ids_of_their_own_on_the_socket() -> None:
    hub, outcomes = asking()
    async with opened(hub) as wire:
        await inside(wire, "room:5", "room:6")
        for topic in (None, "room:5", "room:6"):
            wire.say(to(topic, "say", "1", text=f"{topic}?"))
        await settled(wire)
        questions = wire.frames[2:]
        asks = {frame.get("topic"): frame["ask"] for frame in questions}
        assert len(set(asks.values())) == 3
        assert all(frame["action"] == "sure" and ("version" in frame) == ("topic" in frame) for frame in questions)
        for number, topic in enumerate(("room:6", None, "room:5")):
            wire.say({**to(topic, "yes", number=number), "ask": asks[topic], "version": 1})
            await settled(wire)
        assert words(wire, 5) == ["room:6 said 0 #1", "said 1 #1", "room:5 said 2 #1"]
        assert outcomes == ["room:6 0", "None 1", "room:5 2"]


async def test_an_answer_passes_what_waits_in_its_topic() -> None:
    hub, _ = asking()
    async with opened(hub) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "say", "1", text="?"))
        await settled(wire)
        wire.say(to("room:5", "wait", "2", name="w"), {**to("room:5", "yes"), "ask": wire.frames[1]["ask"]})
        await settled(wire)
        assert words(wire, 2) == ["room:5 said 0 #1", "room:5 done w #2"]


async def test_an_answer_in_another_topic_is_none() -> None:
    hub, outcomes = asking()
    async with opened(hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.say(to("room:5", "say", "1", text="?"))
        await settled(wire)
        ask = wire.frames[-1]["ask"]
        start = len(wire.frames)
        for topic in (None, "room:6"):
            wire.say({**to(topic, "yes"), "ask": ask})
            await settled(wire)
        assert words(wire, start) == ["!invalid_message", "room:6 !invalid_message"]
        assert outcomes == []
        wire.say({**to("room:5", "yes"), "ask": ask})
        await settled(wire)
        assert outcomes == ["room:5 0"]


async def test_an_invalid_answer_and_a_declined_question() -> None:
    hub, outcomes = asking()
    async with opened(hub) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "say", "1", text="?"))
        await settled(wire)
        ask = wire.frames[1]["ask"]
        wire.say({**to("room:5", "yes", number="x"), "ask": ask})
        await settled(wire)
        assert (wire.frames[2]["payload"]["code"], wire.frames[2]["ask"]) == ("invalid_message", ask)
        assert wire.frames[2]["topic"] == "room:5"
        wire.say({**to("room:5", "error", payload={"code": "busy", "detail": "no"}), "ask": ask})
        await settled(wire)
        assert outcomes == ["room:5 busy"]
        assert words(wire, 3) == ["room:5 !busy #1"]


# -- streams ----------------------------------------------------------------------------------------


class Upload(BaseModel):
    action: Literal["upload"] = "upload"


class Chunk(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["chunk"] = "chunk"
    text: str


class Latest(BaseModel):
    action: Literal["latest"] = "latest"
    to: int


def streaming(desk: Desk) -> Channel:
    hub, room = Channel("hub"), Channel("room")

    async def upload(message: Upload, chunks: AsyncIterator[Chunk], ctx: Context) -> Said:
        texts = [chunk.text async for chunk in chunks]
        return Said(text=f"{ctx.topic} {''.join(texts)}")

    hub.on(Upload)(upload)
    room.on(Upload, concurrency=2)(upload)

    @room.on(Latest, latest=True)
    async def latest(message: Latest) -> AsyncIterator[Done]:
        for number in range(message.to):
            yield Done(name=str(number))
        await desk.work(f"latest {message.to}")

    hub.include(room, topic="room:{pk}")
    return hub


async def test_streams_of_clients_are_told_apart_by_topic_and_ref() -> None:
    async with opened(streaming(Desk())) as wire:
        await inside(wire, "room:5", "room:6")
        places = [None, "room:5", "room:6"]
        wire.say(*(to(topic, "upload", "1") for topic in places))
        for letter in "abc":
            wire.say(*(to(topic, "chunk", "1", text=f"{letter}{str(topic)[-1]}") for topic in places))
        wire.say(*(to(topic, "complete", "1") for topic in places))
        await settled(wire)
        assert sorted(words(wire, 2)) == [
            "room:5 said room:5 a5b5c5 #1",
            "room:6 said room:6 a6b6c6 #1",
            "said None aebece #1",
        ]


async def test_a_stream_of_a_client_right_behind_its_subscribe() -> None:
    async with opened(streaming(Desk())) as wire:
        wire.say(sub("room:5", "0"), to("room:5", "upload", "1"), to("room:5", "chunk", "1", text="a"))
        wire.say(to("room:5", "complete", "1"))
        await settled(wire)
        assert part(wire, "room:5") == ["subscribed #0", "said room:5 a #1"]


async def test_the_stream_of_a_client_ends_with_its_topic() -> None:
    async with opened(streaming(Desk())) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "upload", "1"), to("room:5", "chunk", "1", text="a"))
        await settled(wire)
        wire.say(unsub("room:5", "2"), to("room:5", "chunk", "1", text="b"), to("room:5", "complete", "1"))
        await settled(wire)
        assert part(wire, "room:5")[1:3] == ["!not_subscribed #1", "unsubscribed #2"]
        # chunks that come too late are told as any frame for a topic that is not subscribed, or dropped
        assert set(part(wire, "room:5")[3:]) <= {"!not_subscribed #1"}


async def test_only_the_latest_stream_of_a_topic_goes_on() -> None:
    desk = Desk()
    async with opened(streaming(desk)) as wire:
        await inside(wire, "room:5", "room:6")
        wire.say(to("room:5", "latest", "1", to=1), to("room:6", "latest", "1", to=1))
        await settled(wire)
        wire.say(to("room:5", "latest", "2", to=2))
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["done 0 #1", "!cancelled #1", "done 0 #2", "done 1 #2"]
        assert part(wire, "room:6")[1:] == ["done 0 #1"]
        desk.let_all()
        await settled(wire)
        assert part(wire, "room:5")[-1] == "complete #2"
        assert part(wire, "room:6")[-1] == "complete #1"


async def test_two_long_streams_share_the_socket() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on(Latest)
    async def count(message: Latest) -> AsyncIterator[Done]:
        for number in range(message.to):
            yield Done(name=str(number))

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:5", "room:6")
        many = rounds(500)
        wire.say(to("room:5", "latest", "1", to=many), to("room:6", "latest", "1", to=many))
        await wire.reached(frames=2 + 2 * (many + 1))
        for topic in ("room:5", "room:6"):
            assert part(wire, topic)[1:] == [*(f"done {number} #1" for number in range(many)), "complete #1"]


# -- events -----------------------------------------------------------------------------------------


async def test_events_are_handled_beside_messages_in_order() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.say(to("room:5", "wait", "1", name="w"))
        await settled(wire)
        await house.room.emit(Fired(name="f"), group="room:5")
        await house.room.emit(Hired(name="Ada"), group="room:5")
        await house.room.emit(Hired(name="Bob"), groups=["room:6", "room:5"])
        await settled(wire)
        assert part(wire, "room:5")[1:] == []
        assert part(wire, "room:6")[1:] == ["said hired Bob"]
        house.desk.let("f")
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["said fired f", "said hired Ada", "said hired Bob"]
        house.desk.let("w")
        await settled(wire)
        assert part(wire, "room:5")[4:] == ["done w #1"]


async def test_an_event_that_the_hub_does_not_know_is_skipped_there() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        await house.hub.emit(Hired(name="Ada"), groups=["hub", "room:5"])
        await settled(wire)
        assert words(wire, 1) == ["room:5 said hired Ada"]
        assert house.hub.stats().events_skipped == 1


async def test_serial_events_of_a_topic_wait_among_its_messages() -> None:
    desk = Desk()
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @room.on(Job)
    async def job(message: Job) -> Done:
        await desk.work(message.name)
        return Done(name=message.name)

    @room.event(Hired, serial=True)
    async def hired(event: Hired) -> Said:
        return Said(text=event.name)

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.say(to("room:5", "job", "1", name="a"))
        await settled(wire)
        await hub.emit(Hired(name="Ada"), group="room")
        wire.say(to("room:5", "job", "2", name="b"))
        desk.let("b")
        await settled(wire)
        assert words(wire, 2) == ["room:6 said Ada"]
        desk.let("a")
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["done a #1", "said Ada", "done b #2"]


async def test_events_that_wait_when_a_topic_ends_are_dropped() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        await house.room.emit(Fired(name="f"), group="room:5")
        await house.room.emit(Hired(name="Ada"), group="room:5")
        await settled(wire)
        wire.say(unsub("room:5", "1"))
        await stuck()
        house.desk.let("f")
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["unsubscribed #1"]
        assert house.log[-1] == "-5"


async def test_events_wait_for_on_connect() -> None:
    house = House()
    house.held.add("on 5")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        await house.room.emit(Hired(name="Ada"), group="room:5")
        await settled(wire)
        assert words(wire) == []
        house.desk.let("on 5")
        await settled(wire)
        assert part(wire, "room:5") == ["subscribed #1", "said hired Ada"]


# -- silence ----------------------------------------------------------------------------------------


async def test_a_message_in_a_topic_is_a_sign_of_life_and_activity() -> None:
    house = House(limits=Limits(idle=10))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        for _ in range(4):
            await anyio.sleep(6)
            wire.say(to("room:5", "say", text="x"))
            await settled(wire)
        assert wire.closed is None
        wire.say(to("room:5", "wait", name="w"))
        await settled(wire)
        await anyio.sleep(30)
        assert wire.closed is None  # a handler runs for the client
        house.desk.let("w")
        await settled(wire)
        await anyio.sleep(21)
        assert wire.closed is not None
        assert wire.closed[0] == 1000


async def test_a_client_that_is_silent_is_found_with_topics_too() -> None:
    house = House(limits=Limits(heartbeat=5, heartbeat_timeout=5))
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        await anyio.sleep(11)
        assert wire.closed is not None
        assert wire.closed[0] == 1011
        await wire.end()
    assert house.log == ["+hub", "+5", "-5", "-hub"]
