"""How subscriptions end: by the client, by a handler, with their connection; in every state, once, and completely."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel

from chanx import AskFailed, Channel, ConnectionClosed, Context, Limits
from tests.kernel import clock
from tests.kernel.desk import anyio_backend, opened, settled
from tests.kernel.messages import Done, Fired, Hired, Job, Said, Say, Wait
from tests.kernel.topical import House, part, stuck, sub, to, unsub, words
from tests.kernel.wire import Wire, serve

__all__ = ["anyio_backend"]


async def inside(wire: Wire, *topics: str) -> None:
    """Subscribe, and wait for it."""
    start = len(wire.frames)
    wire.say(*(sub(topic) for topic in topics))
    await wire.reached(frames=start + len(topics))
    await settled(wire)


# -- subscribe: what comes before its answer --------------------------------------------------------


async def test_what_is_sent_right_after_subscribe_waits_for_on_connect() -> None:
    house = House()
    house.held.add("on 5")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"), *(to("room:5", "say", f"s{n}", text=str(n)) for n in range(3)))
        wire.say(to(None, "say", "h", text="beside"), sub("room:6", "2"), to("room:6", "say", "3", text="beside"))
        await settled(wire)
        assert words(wire) == ["said beside in hub #h", "room:6 subscribed #2", "room:6 said beside in 6 #3"] or sorted(
            words(wire)
        ) == sorted(["said beside in hub #h", "room:6 subscribed #2", "room:6 said beside in 6 #3"])
        assert house.log == ["+hub", "+6"]
        house.desk.let("on 5")
        await settled(wire)
        assert part(wire, "room:5") == ["subscribed #1", *(f"said {n} in 5 #s{n}" for n in range(3))]


async def test_what_is_sent_right_after_a_subscribe_that_is_refused() -> None:
    """Each message with a ref is answered, and nothing is handled."""
    house = House()
    house.held.add("on 5")
    house.refuse(5, 403)
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await stuck()
        wire.say(to("room:5", "say", "2", text="x"), to("room:5", "say", text="y"), to("room:5", "say", "3", text="z"))
        await settled(wire)
        assert words(wire) == []
        house.desk.let("on 5")
        await settled(wire)
        assert part(wire, "room:5") == [
            "!unauthorized #1",
            "!not_subscribed #2",
            "!not_subscribed",
            "!not_subscribed #3",
        ]


async def test_subscribing_while_the_first_still_runs_has_the_same_outcome() -> None:
    house = House()
    house.held |= {"on 5", "on 6"}
    house.refuse(6, 429)
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"), sub("room:5", "2"), sub("room:6", "3"), sub("room:6", "4"), sub("room:6"))
        await settled(wire)
        assert words(wire) == []
        house.desk.let("on 5", "on 6")
        await settled(wire)
        assert sorted(part(wire, "room:5")) == ["subscribed #1", "subscribed #2"]
        assert sorted(part(wire, "room:6")) == ["!rate_limited", "!rate_limited #3", "!rate_limited #4"]
    assert house.log == ["+hub", "+5", "-5", "-hub"]


async def test_subscribing_while_the_old_one_is_ending() -> None:
    house = House()
    house.held.add("off 5")
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        first = house.contexts[5].id
        wire.say(unsub("room:5", "1"))
        await settled(wire)
        assert part(wire, "room:5") == ["subscribed", "unsubscribed #1"]
        wire.say(sub("room:5", "2"), to("room:5", "say", "3", text="x"))
        await settled(wire)
        assert house.log == ["+hub", "+5"]
        assert part(wire, "room:5")[2:] == []
        house.desk.let("off 5")
        await settled(wire)
        assert part(wire, "room:5")[2:] == ["subscribed #2", "said x in 5 #3"]
        assert house.log == ["+hub", "+5", "-5", "+5"]
        assert house.contexts[5].id != first
        assert house.members == {"hub": 1, "room:5": 1}


async def test_unsubscribing_while_on_connect_still_runs() -> None:
    """Each ref is answered, and nobody stays behind."""
    house = House()
    house.held.add("on 5")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"), to("room:5", "say", "2", text="x"))
        await settled(wire)
        wire.say(unsub("room:5", "3"), to(None, "say", "4", text="x"))
        await settled(wire)
        house.desk.let_all()
        await settled(wire)
        answers = {one.rpartition("#")[2] for one in words(wire)}
        assert answers == {"1", "2", "3", "4"}
        assert len(wire.frames) == 4
        assert house.members == {"hub": 1}
        assert house.log.count("+5") == house.log.count("-5")
        start = len(wire.frames)
        wire.say(sub("room:5", "5"), to("room:5", "say", "6", text="x"))
        await settled(wire)
        assert words(wire, start) == ["room:5 subscribed #5", "room:5 said x in 5 #6"]


async def test_all_in_one_go() -> None:
    house = House()
    async with opened(house.hub) as wire:
        for _ in range(3):
            wire.say(sub("room:5", "1"), to("room:5", "say", "2", text="x"), unsub("room:5", "3"))
        await settled(wire)
        assert sorted(one.rpartition("#")[2] for one in words(wire)) == ["1", "1", "1", "2", "2", "2", "3", "3", "3"]
        assert house.members == {"hub": 1}
        assert house.log.count("+5") == house.log.count("-5")
        assert house.hub.stats().topics == 0


# -- unsubscribe ------------------------------------------------------------------------------------


async def test_unsubscribing_while_a_handler_of_the_topic_runs() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "wait", "1", name="w"), to("room:5", "say", "2", text="x"), to("room:5", "say", text="y"))
        await settled(wire)
        wire.say(unsub("room:5", "3"), to("room:5", "say", "4", text="late"), to(None, "say", "5", text="z"))
        await settled(wire)
        assert part(wire, "room:5")[1:] == [
            *("!not_subscribed #1", "!not_subscribed #2"),
            *("unsubscribed #3", "!not_subscribed #4"),
        ]
        assert words(wire)[-1] == "said z in hub #5"
        assert house.members == {"hub": 1}
        assert house.log == ["+hub", "+5"]
        assert house.desk.running == ["w"]
        house.desk.let("w")
        await settled(wire)
        assert house.log == ["+hub", "+5", "-5"]
        assert len(words(wire)) == 6  # no frame of the topic after `unsubscribed`


async def test_unsubscribing_while_a_handler_of_the_hub_runs() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(to(None, "wait", "1", name="w"))
        await settled(wire)
        wire.say(unsub("room:5", "2"))
        await settled(wire)
        assert words(wire, 1) == ["room:5 unsubscribed #2"]
        assert house.log == ["+hub", "+5", "-5"]
        house.desk.let("w")
        await settled(wire)
        assert words(wire, 2) == ["done w #1"]


async def test_subscribing_while_handlers_of_the_hub_and_another_topic_run() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(to(None, "wait", "1", name="h"), to("room:5", "wait", "2", name="r"))
        await settled(wire)
        wire.say(sub("room:6", "3"), to("room:6", "say", "4", text="x"))
        await settled(wire)
        assert words(wire, 1) == ["room:6 subscribed #3", "room:6 said x in 6 #4"]
        house.desk.let_all()


async def test_what_was_sent_before_is_still_handled_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    handled: list[str] = []
    house = House(limits=Limits(linger=3))
    hub, room = house.hub, Channel("hall")

    @room.on(Wait)
    async def wait(message: Wait) -> None:
        await house.desk.work(message.name)

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> Said:
        handled.append(message.text)
        assert not ctx.is_open
        return Said(text="nobody hears it")

    hub.include(room, topic="hall")
    async with opened(hub) as wire:
        await inside(wire, "hall")
        wire.say(to("hall", "wait", name="w"), *(to("hall", "say", text=str(n)) for n in range(3)))
        await settled(wire)
        wire.say(unsub("hall", "1"))
        await settled(wire)
        assert handled == []
        house.desk.let("w")
        await settled(wire)
        assert handled == ["0", "1", "2"]
        assert part(wire, "hall") == ["subscribed", "unsubscribed #1"]
        # and no longer than Limits.linger
        await inside(wire, "hall")
        wire.say(to("hall", "wait", name="stuck"), to("hall", "say", text="3"))
        await settled(wire)
        wire.say(unsub("hall", "2"))
        watch = clock.Stopwatch()
        await house_idle(house)
        assert watch.seconds == pytest.approx(3, abs=0.2)
        assert house.desk.log[-1] == "!stuck"
        assert handled == ["0", "1", "2"]
        assert hub.stats().cancelled == 1
        wire.say(to(None, "say", "3", text="up"))
        await settled(wire)
        assert words(wire)[-1] == "said up in hub #3"
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


async def house_idle(house: House) -> None:
    """Until no work is being done."""
    with anyio.fail_after(100):
        while house.desk.running:  # noqa: ASYNC110 - what is cancelled tells nobody
            await anyio.sleep(0.05)


async def test_a_stream_ends_with_its_topic() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "count", "1", name="c"))
        await settled(wire)
        wire.say(unsub("room:5", "2"))
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["done 1 #1", "!not_subscribed #1", "unsubscribed #2"]
        assert house.desk.log == ["+c", "!c"]
        assert house.log[-1] == "-5"


@pytest.mark.parametrize("options", [{}, {"concurrency": 2}, {"latest": True}, {"key": "key"}], ids=str)
async def test_handlers_that_end_with_their_topic(options: dict[str, Any]) -> None:
    house = House(job={**options, "on_leave": "cancel"})
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.say(to("room:5", "job", "1", name="a"), to("room:6", "job", "1", name="b"))
        await settled(wire)
        wire.say(unsub("room:5", "2"))
        await settled(wire)
        assert house.desk.log == ["+a", "+b", "!a"]
        assert part(wire, "room:5")[1:] == ["!not_subscribed #1", "unsubscribed #2"]
        assert house.log[-1] == "-5"
        house.desk.let("b")
        await settled(wire)
        assert part(wire, "room:6")[1:] == ["done b #1"]


async def test_messages_that_wait_in_lanes_are_answered_too() -> None:
    house = House(job={"concurrency": 1})
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(*(to("room:5", "job", name, name=name) for name in "abc"))
        await settled(wire)
        wire.say(unsub("room:5", "2"))
        await settled(wire)
        *answers, last = part(wire, "room:5")[1:]
        assert sorted(answers) == ["!not_subscribed #a", "!not_subscribed #b", "!not_subscribed #c"]
        assert last == "unsubscribed #2"
        house.desk.let_all()
        await settled(wire)
        assert house.log[-1] == "-5"


async def test_unsubscribing_twice() -> None:
    house = House()
    house.held.add("off 5")
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(unsub("room:5", "1"), unsub("room:5", "2"))
        await settled(wire)
        assert part(wire, "room:5")[1:] == ["unsubscribed #1", "!not_subscribed #2"]
        house.desk.let("off 5")
    assert house.log == ["+hub", "+5", "-5", "-hub"]


async def test_pushes_that_wait_when_a_topic_ends_are_not_sent_after_it() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.hold()
        for text in "ab":
            await house.room.broadcast(Said(text=text), groups=["room:5", "room:6"])
        wire.say(unsub("room:5", "1"))
        await stuck()
        await house.room.broadcast(Said(text="c"), groups=["room:5", "room:6"])
        wire.release()
        await settled(wire)
        frames = part(wire, "room:5")
        assert frames[-1] == "unsubscribed #1"
        assert frames[1:-1] in (["said a"], ["said a", "said b"])  # the first is being written already
        assert part(wire, "room:6")[1:] == ["said a", "said b", "said c"]


async def test_a_question_ends_with_its_topic() -> None:
    outcomes: list[str] = []
    hub, room = Channel("hub"), Channel("room")

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> Said:
        try:
            await ctx.ask(Done(name="?"), Said)
        except (ConnectionClosed, AskFailed) as error:
            outcomes.append(type(error).__name__)
            raise
        return Said(text="answered")

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        await inside(wire, "room")
        wire.say(to("room", "say", "1", text=""))
        await settled(wire)
        wire.say(unsub("room", "2"))
        await settled(wire)
        assert outcomes == ["ConnectionClosed"]
        assert words(wire, 2) == ["room !not_subscribed #1", "room unsubscribed #2"]


async def test_an_ended_context_can_do_nothing() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        context = house.contexts[5]
        assert context.is_open
        wire.say(unsub("room:5"))
        await settled(wire)
        assert not context.is_open
        assert context.groups == frozenset()
        with pytest.raises(ConnectionClosed):
            await context.send(Said(text="x"))
        with pytest.raises(ConnectionClosed):
            await context.join("room:5")
        with pytest.raises(ConnectionClosed):
            await context.ask(Said(text="?"), Said)
        await context.close(4000)
        await context.broadcast(Said(text="all the same"), group="hub")
        await settled(wire)
        assert words(wire, 1) == ["room:5 unsubscribed", "said all the same"]
        assert house.members == {"hub": 1}


# -- a handler ends its subscription ----------------------------------------------------------------


async def test_a_handler_ends_the_subscription_alone() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6")
        wire.say(to("room:5", "bye"))
        await settled(wire)
        assert wire.frames[2:] == [
            {
                "action": "unsubscribed",
                "payload": {"code": 4000, "reason": "bye"},
                "version": 1,
                "topic": "room:5",
            }
        ]
        assert house.log == ["+hub", "+5", "+6", "-5"]
        assert house.members == {"hub": 1, "room:6": 1}
        wire.say(to("room:5", "say", "1", text="x"), to("room:6", "say", "2", text="x"), to(None, "say", "3", text="x"))
        await settled(wire)
        assert sorted(words(wire, 3)) == ["room:5 !not_subscribed #1", "room:6 said x in 6 #2", "said x in hub #3"]
        wire.say(sub("room:5", "4"), to("room:5", "say", "5", text="again"))
        await settled(wire)
        assert words(wire, 6) == ["room:5 subscribed #4", "room:5 said again in 5 #5"]


async def test_what_waits_is_sent_before_the_end() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.send(Said(text="1"))
        await ctx.broadcast(Said(text="2"), group="room")
        await ctx.close(4000, "bye")
        await ctx.broadcast(Said(text="3"), group="room")
        with pytest.raises(ConnectionClosed):
            await ctx.send(Said(text="4"))

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        await inside(wire, "room")
        wire.say(to("room", "say", text=""))
        await settled(wire)
        assert words(wire, 1) == ["room said 1", "room said 2", "room unsubscribed 4000 bye"]
    assert hub.stats().handler_errors == 0


async def test_refs_are_answered_once_where_the_handler_ends_the_topic() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(to("room:5", "wait", "0", name="w"), to("room:5", "bye", "1"), to("room:5", "say", "2", text="x"))
        await settled(wire)
        house.desk.let("w")
        await settled(wire)
        frames = part(wire, "room:5")[1:]
        assert frames[0] == "done w #0"
        assert sorted(one.rpartition(" ")[2] for one in frames if "#" in one) == ["#0", "#1", "#2"]
        assert "unsubscribed 4000 bye" in frames
        assert frames[frames.index("unsubscribed 4000 bye") + 1 :] in ([], ["!not_subscribed #2"])


async def test_close_in_on_connect() -> None:
    hub, room = Channel("hub"), Channel("room")
    log: list[str] = []

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")
        await ctx.close(4003, "not now")
        log.append("+")

    @room.on_disconnect
    async def leave(ctx: Context) -> None:
        log.append(f"- {ctx.close_code} {ctx.close_reason}")

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        wire.say(sub("room", "1"))
        await settled(wire)
        assert words(wire) == ["room subscribed #1", "room unsubscribed 4003 not now"]
        assert log == ["+", "- 4003 not now"]
        wire.say(to("room", "say", "2"))
        await settled(wire)
        assert words(wire, 2) == ["room !not_subscribed #2"]


async def test_an_event_handler_ends_the_subscription() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @room.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        await ctx.close(4000, event.name)

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:1", "room:2")
        await hub.emit(Hired(name="Ada"), group="room")
        await settled(wire)
        assert sorted(words(wire, 2)) == ["room:1 unsubscribed 4000 Ada", "room:2 unsubscribed 4000 Ada"]


async def test_close_codes_are_seen_by_on_disconnect() -> None:
    hub, room = Channel("hub"), Channel("room")
    codes: list[tuple[int | None, str]] = []

    @room.on_disconnect
    async def leave(ctx: Context) -> None:
        codes.append((ctx.close_code, ctx.close_reason))

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.close(4000, "bye")

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:1", "room:2", "room:3")
        wire.say(to("room:1", "say", text=""))
        await settled(wire)
        wire.say(unsub("room:2"))
        await settled(wire)
        assert codes[0] == (4000, "bye")
        assert codes[1][0] == 1000
        wire.leave(4321, "gone")
        await wire.end()
        assert codes[2] == (4321, "gone")


@pytest.mark.parametrize("code", [999, 1005, 1006, 2999, 5000, "x"])
async def test_codes_that_cannot_be_sent(code: Any) -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        with pytest.raises(ValueError, match="code"):
            await house.contexts[5].close(code)


# -- the end of the hub -----------------------------------------------------------------------------


class Question(BaseModel):
    action: Literal["question"] = "question"


class States:
    """A connection with a topic in every state that there is.

    `opening`: on_connect runs; `busy`: a handler runs, another message waits; `stream`; `asks`; `beside`: concurrent;
    `event`: an event handler; `ending`: on_disconnect of an earlier end; `idle`.
    """

    NAMES = ("opening", "busy", "stream", "asks", "beside", "event", "ending", "idle", "upload")

    def __init__(self, **options: Any) -> None:
        self.house = House(**options)
        self.log: list[str] = []
        desk = self.house.desk
        hub, topic = self.house.hub, Channel("topic")

        @topic.on_connect
        async def enter(ctx: Context) -> None:
            name = str(ctx.topic)
            await ctx.join("all", name)
            if name == "opening":
                await desk.work("opening")
            self.log.append(f"+{name}")

        @topic.on_disconnect
        async def leave(ctx: Context) -> None:
            assert ctx.groups == frozenset()
            self.log.append(f"-{ctx.topic}")
            if ctx.topic == "ending":
                await desk.work("ending")

        @hub.on_disconnect
        async def leave_hub(ctx: Context) -> None:
            self.log.append("-hub")

        @topic.on(Wait)
        async def wait(message: Wait) -> None:
            await desk.work(message.name)

        @topic.on(Say)
        async def stream(message: Say) -> AsyncIterator[Said]:
            yield Said(text="")
            await desk.work("stream")
            yield Said(text="")

        @topic.on(Question)
        async def asks(message: Question, ctx: Context) -> None:
            try:
                await ctx.ask(Said(text="?"), Done)
            except (ConnectionClosed, AskFailed):  # a frame that is too large fills the queue
                desk.log.append("!asks")

        @topic.on(Fired)
        async def upload(message: Fired, chunks: AsyncIterator[Done]) -> None:
            async for _ in chunks:
                pass
            desk.log.append("!upload")

        @topic.on(Job, concurrency=3)
        async def beside(message: Job) -> None:
            await desk.work(message.name)

        @topic.event(Hired)
        async def hired(event: Hired) -> None:
            await desk.work("event")

        for name in self.NAMES:
            hub.include(topic, topic=name)

    async def fill(self, wire: Wire) -> None:
        await inside(wire, *self.NAMES[1:])
        wire.say(
            sub("opening", "o"),
            to("opening", "wait", "1", name="never"),
            to("busy", "wait", "1", name="busy"),
            to("busy", "wait", "2", name="next"),
            to("stream", "say", "1", text=""),
            to("asks", "question", "1"),
            to("beside", "job", "1", name="beside"),
            to("upload", "fired", "1"),
            unsub("ending", "1"),
            to(None, "wait", "1", name="hub"),
        )
        await settled(wire)
        await self.house.hub.emit(Hired(name=""), group="event")
        await settled(wire)
        running = {"opening", "busy", "stream", "beside", "event", "ending", "hub"}
        assert set(self.house.desk.running) == running
        groups = dict.fromkeys(set(self.NAMES) - {"ending"}, 1)
        assert self.house.members == {"all": 8, "hub": 1, **groups}

    def check(self) -> None:
        """After the end: each hook once, those of the topics before the hub's, and nothing is left."""
        assert self.house.members == {}
        assert self.house.desk.running == []
        entered = sorted(one[1:] for one in self.log if one[0] == "+")
        left = sorted(one[1:] for one in self.log if one[0] == "-")
        assert left == sorted([*entered, "hub"])
        assert set(self.NAMES) - {"opening"} <= set(entered)
        assert self.log[-1] == "-hub"
        stats = self.house.hub.stats()
        assert (stats.connections, stats.topics) == (0, 0)


async def client_leaves(wire: Wire, states: States) -> None:
    wire.leave(1001, "bye")


async def reset(wire: Wire, states: States) -> None:
    wire.leave(1006)


async def a_handler_closes(wire: Wire, states: States) -> None:
    states.house.desk.let("hub")
    wire.say({"action": "bye"})


async def send_fails(wire: Wire, states: States) -> None:
    wire.fails = OSError("broken pipe")
    await states.house.hub.broadcast(Said(text="x"), group="hub")
    await stuck()
    wire.leave(1006)


async def too_large(wire: Wire, states: States) -> None:
    states.house.desk.let("hub")  # it waits its turn
    wire.say("x" * 2_000_000)


async def drained(wire: Wire, states: States) -> None:
    states.house.desk.let_all()
    await states.house.hub.drain()


async def cancelled(wire: Wire, states: States) -> None:
    wire.cancel()


ENDS = [client_leaves, reset, a_handler_closes, send_fails, too_large, drained, cancelled]


@pytest.mark.parametrize("how", ENDS, ids=lambda how: how.__name__)
@pytest.mark.parametrize("patient", [False, True], ids=["stuck", "let go"])
async def test_the_end_of_the_hub(how: Any, patient: bool, caplog: pytest.LogCaptureFixture) -> None:
    states = States()
    async with opened(states.house.hub) as wire:
        await states.fill(wire)
        await how(wire, states)
        await stuck()
        assert states.house.members == {}  # all groups are left at once
        assert "!stream" in states.house.desk.log or how is drained
        assert "!asks" in states.house.desk.log
        if patient:
            states.house.desk.let_all()
        await wire.end()
    states.check()
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("patient", [False, True], ids=["stuck", "let go"])
async def test_the_end_of_the_hub_takes_no_longer_for_its_topics(patient: bool) -> None:
    states = States(limits=Limits(linger=3, cleanup=2))
    async with opened(states.house.hub) as wire:
        await states.fill(wire)
        watch = clock.Stopwatch()
        wire.leave()
        if patient:
            states.house.desk.let_all()
        await wire.end()
        assert watch.seconds <= (0.3 if patient else 3 + 2 + 1)
    states.check()


async def test_on_disconnect_of_the_topics_comes_before_that_of_the_hub() -> None:
    house = House()
    house.held |= {"off 5", "off 6"}
    async with opened(house.hub) as wire:
        await inside(wire, "room:5", "room:6", "room:7")
        wire.leave()
        await stuck()
        assert house.members == {}
        assert house.log == ["+hub", "+5", "+6", "+7", *house.log[4:]]
        assert "-hub" not in house.log
        house.desk.let("off 6", "off 5")
        await wire.end()
        assert house.log[-1] == "-hub"
        assert sorted(house.log[4:-1]) == ["-5", "-6", "-7"]


async def test_a_refused_hub_never_has_topics() -> None:
    hub, room = Channel("hub"), Channel("room")

    @hub.on_connect
    async def enter() -> None:
        raise PermissionError

    @room.on_connect
    async def never() -> None:
        raise AssertionError

    hub.include(room, topic="room")
    async with serve(hub) as wire:
        wire.say(sub("room"))
        await wire.end()
    assert "accept" not in wire.kinds


async def test_what_was_sent_before_the_client_left_is_still_handled() -> None:
    house = House()
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(
            to("room:5", "wait", "1", name="w"), to("room:5", "job", "2", name="j"), to("room:5", "wait", name="x")
        )
        wire.leave()
        await stuck()
        assert house.desk.running == ["w"]
        house.desk.let("w", "j")
        await stuck()
        assert house.desk.running == ["x"]
        house.desk.let("x")
        await wire.end()
    assert house.desk.log == ["+w", "-w", "+j", "-j", "+x", "-x"]
    assert house.log == ["+hub", "+5", "-5", "-hub"]


async def test_a_subscribe_right_before_the_client_left() -> None:
    house = House()
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"), to("room:5", "say", "2", text="x"))
        wire.leave()
        await wire.end()
    assert house.log.count("+5") == house.log.count("-5")
    assert house.log[-1] == "-hub"
    assert house.members == {}


async def test_a_handler_of_a_topic_that_raises_what_is_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    """A cancellation that comes from elsewhere is a mistake of the handler, and ends nothing."""
    hub, room = Channel("hub"), Channel("room")

    @room.on(Say)
    async def say(message: Say) -> Said:
        raise RuntimeError("an error of its own")

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        await inside(wire, "room")
        wire.say(to("room", "say", "1", text=""), to("room", "say", "2", text=""))
        await settled(wire)
        assert words(wire, 1) == ["room !internal_error #1", "room !internal_error #2"]


async def test_an_on_disconnect_that_raises_is_logged_and_keeps_nobody(caplog: pytest.LogCaptureFixture) -> None:
    hub, room = Channel("hub"), Channel("room")
    left: list[str] = []

    @room.on_disconnect
    async def leave(ctx: Context) -> None:
        left.append(str(ctx.topic))
        raise ValueError("in leaving")

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        await inside(wire, "room:1", "room:2", "room:3")
        wire.say(unsub("room:1", "1"), sub("room:1", "2"))
        await settled(wire)
        assert part(wire, "room:1") == ["subscribed", "unsubscribed #1", "subscribed #2"]
    assert sorted(left) == ["room:1", "room:1", "room:2", "room:3"]
    assert hub.stats().handler_errors == 4
    assert caplog.text.count("ValueError: in leaving") == 4


async def test_an_on_disconnect_that_hangs_has_its_time() -> None:
    house = House(limits=Limits(cleanup=2))
    house.held.add("off 5")
    async with opened(house.hub) as wire:
        await inside(wire, "room:5")
        wire.say(unsub("room:5", "1"))
        await settled(wire)
        watch = clock.Stopwatch()
        await house_idle(house)
        assert watch.seconds == pytest.approx(2, abs=0.2)
        wire.say(sub("room:5", "2"))
        await settled(wire)
        assert part(wire, "room:5") == ["subscribed", "unsubscribed #1", "subscribed #2"]


@pytest.mark.parametrize("how", ["bye", "leave"])
async def test_the_end_of_the_hub_while_on_connect_runs_waits_for_that_and_no_longer(how: str) -> None:
    house = House()
    house.held.add("on 5")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        if how == "leave":
            wire.leave()
        else:
            wire.say({"action": how})
        await stuck()
        watch = clock.Stopwatch()
        house.desk.let("on 5")
        await wire.end()
        assert watch.seconds < 1
    assert house.log == ["+hub", "+5", "-5", "-hub"]
