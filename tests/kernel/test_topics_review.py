"""Topics where two things happen at once: an end, a full outbox, a refusal, and what the client still waits for."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel

from chanx import Channel, ConnectionClosed, Context, Limits, Reject
from tests.kernel import clock
from tests.kernel.messages import Said, Say, Wait
from tests.kernel.wire import Wire, serve, websocket_scope


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


class Many(BaseModel):
    action: Literal["many"] = "many"


class Send(BaseModel):
    action: Literal["send"] = "send"


class Stream(BaseModel):
    action: Literal["stream"] = "stream"
    text: str = ""


class Upload(BaseModel):
    action: Literal["upload"] = "upload"


class Chunk(BaseModel):
    action: Literal["chunk"] = "chunk"


class House:
    """A hub with one kind of topic, whose hooks and handlers wait for the test."""

    def __init__(self, limits: Limits | None = None, **options: Any) -> None:
        self.hub = hub = Channel("hub", limits=limits, **options)
        self.room = room = Channel("room")
        self.gate = anyio.Event()
        self.started = anyio.Event()
        self.log: list[str] = []
        self.contexts: list[Context] = []
        self.refusal: Reject | None = None
        self.enters = anyio.Event()
        self.enters.set()
        self.leaves = anyio.Event()
        self.leaves.set()

        @hub.on(Say)
        async def say_hub(message: Say) -> Said:
            return Said(text=f"hub {message.text}")

        @room.on_connect
        async def enter(ctx: Context) -> None:
            self.contexts.append(ctx)
            self.log.append("entering")
            await self.enters.wait()
            if self.refusal is not None:
                raise self.refusal
            await ctx.join("room")
            self.log.append("entered")

        @room.on(Say)
        async def say(message: Say) -> Said:
            self.log.append(message.text)
            return Said(text=message.text)

        @room.on(Wait)
        async def wait(message: Wait) -> None:
            self.log.append("waiting")
            self.started.set()
            await self.gate.wait()
            self.log.append("waited")

        @room.on(Many)
        async def many(message: Many) -> tuple[Said, Said]:
            return Said(text="one"), Said(text="two")

        @room.on(Stream)
        async def stream(message: Stream) -> AsyncGenerator[Said, None]:
            yield Said(text=message.text)
            yield Said(text=message.text)

        @room.on_disconnect
        async def leave(ctx: Context) -> None:
            self.log.append("leaving")
            await self.leaves.wait()
            self.log.append("left")

        hub.include(room, topic="room:{pk}")


def sub(ref: str = "s", topic: str = "room:5") -> dict[str, Any]:
    return {"action": "subscribe", "topic": topic, "ref": ref}


def unsub(ref: str = "u", topic: str = "room:5") -> dict[str, Any]:
    return {"action": "unsubscribe", "topic": topic, "ref": ref}


def to(action: str, ref: str = "", topic: str = "room:5", **fields: Any) -> dict[str, Any]:
    return {"action": action, "topic": topic, **({"ref": ref} if ref else {}), **fields}


def told(wire: Wire) -> list[tuple[Any, ...]]:
    """The frames, in short."""
    short: list[tuple[Any, ...]] = []
    for frame in wire.frames:
        payload = frame.get("payload") or {}
        what = payload.get("code") or frame.get("text")
        short.append(
            (frame["action"], *([what] if what is not None else []), *([frame["ref"]] if "ref" in frame else []))
        )
    return short


def answers(wire: Wire, ref: str) -> list[str]:
    """What was said with a ref."""
    return [frame["action"] for frame in wire.frames if frame.get("ref") == ref]


async def enter(wire: Wire, *frames: Any) -> None:
    await wire.accepted()
    wire.say(sub())
    await settled(wire)
    assert told(wire) == [("subscribed", "s")]
    wire.say(*frames)


async def fill(house: House, wire: Wire) -> None:
    """The client does not read: one frame is written, one waits in an outbox that holds no more."""
    wire.hold()
    for text in ("written", "waits"):
        await house.room.broadcast(Said(text=text), group="room")
        await settled(wire)


async def settled(wire: Wire) -> None:
    """What the client has sent was taken, and all that can go on has done so."""
    await wire.until(lambda: not wire.waiting)
    for _ in range(3):
        await anyio.wait_all_tasks_blocked()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# -- a final answer is being written, or waits for room, when the subscription ends ---------------------------------


async def test_several_answers_of_which_one_is_being_written_end_with_an_error() -> None:
    house = House()
    async with serve(house.hub, patience=1000) as wire:
        await enter(wire)
        wire.hold()
        wire.say(to("many", "1"))
        await settled(wire)
        wire.say(unsub())
        await settled(wire)
        wire.release()
        await settled(wire)
        assert answers(wire, "1") == ["said", "error"]


async def test_a_stream_whose_item_speaks_of_completeness_ends_with_an_error() -> None:
    house = House()
    async with serve(house.hub, patience=1000) as wire:
        await enter(wire)
        wire.hold()
        wire.say(to("stream", "1", text="complete"))
        await settled(wire)
        wire.say(unsub())
        await settled(wire)
        wire.release()
        await settled(wire)
        assert answers(wire, "1") == ["said", "error"]


async def test_one_answer_that_is_being_written_is_the_only_one() -> None:
    house = House()
    async with serve(house.hub, patience=1000) as wire:
        await enter(wire)
        wire.hold()
        wire.say(to("say", "1", text="x"))
        await settled(wire)
        wire.say(unsub())
        await settled(wire)
        wire.release()
        await settled(wire)
        assert answers(wire, "1") == ["said"]


@pytest.mark.parametrize("frame", [to("say", "1", text=5), to("nonsense", "1"), to("say", "1", text="x")])
async def test_an_answer_that_waits_for_room_becomes_an_error(frame: Any) -> None:
    house = House(Limits(outbox=1))
    async with serve(house.hub, patience=1000) as wire:
        await enter(wire)
        await fill(house, wire)
        wire.say(frame)
        await settled(wire)
        wire.say(unsub())
        await settled(wire)
        wire.release()
        await settled(wire)
        assert told(wire)[1:] == [
            ("said", "written"), ("said", "waits"), ("error", "not_subscribed", "1"), ("unsubscribed", "u"),
        ]  # fmt: skip


async def test_a_handler_that_waits_for_room_hears_of_the_end_at_once() -> None:
    house = House(Limits(outbox=1))
    heard: list[str] = []

    @house.room.on(Send)
    async def send(message: Send, ctx: Context) -> None:
        try:
            await ctx.send(Said(text="x"))
        except ConnectionClosed:
            heard.append("closed")
            raise

    async with serve(house.hub, patience=1000) as wire:
        await enter(wire)
        await fill(house, wire)
        wire.say(to("send", "1"))
        await settled(wire)
        wire.say(unsub())
        await settled(wire)
        assert heard == ["closed"]
        assert house.log[-1] == "left"


# -- refusals ----------------------------------------------------------------------------------------------------


async def test_a_refusal_after_unsubscribe_answers_nothing_twice() -> None:
    house = House()
    house.enters = anyio.Event()
    house.refusal = Reject(403, "no")
    async with serve(house.hub, patience=1000) as wire:
        await wire.accepted()
        wire.say(sub(), to("say", "1", text="x"))
        await settled(wire)
        wire.say(unsub())
        await settled(wire)
        house.enters.set()
        await settled(wire)
        assert told(wire) == [("error", "not_subscribed", "s"), ("error", "not_subscribed", "1"), ("unsubscribed", "u")]


@pytest.mark.parametrize("how", ["unsubscribe", "vanish"])
async def test_leaving_during_on_connect_is_no_error(how: str, caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.enters = anyio.Event()
    async with serve(house.hub, patience=1000) as wire:
        await wire.accepted()
        wire.say(sub())
        await settled(wire)
        if how == "unsubscribe":
            wire.say(unsub())
            await settled(wire)
        else:
            wire.leave()
            await anyio.wait_all_tasks_blocked()
        house.enters.set()
        await anyio.wait_all_tasks_blocked()
    assert warnings(caplog) == []
    stats = house.hub.stats()
    assert (stats.handler_errors, stats.topics, stats.topics_refused) == (0, 0, 0)
    assert house.log == ["entering"]


# -- before it is subscribed ---------------------------------------------------------------------------------------


async def test_who_waits_for_room_before_subscribed_is_not_forgotten() -> None:
    hub, room = Channel("hub", limits=Limits(outbox=3)), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> AsyncGenerator[None, None]:
        async def send(text: str) -> None:
            await ctx.send(Said(text=text))

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(send, str(number))
                await anyio.wait_all_tasks_blocked()
            yield

    hub.include(room, topic="room")
    sent: list[Any] = []
    to_hub, frames = anyio.create_memory_object_stream[dict[str, Any]](5)

    async def write(event: dict[str, Any]) -> None:  # as servers do: it never waits while there is room in the kernel
        sent.append(event)

    await to_hub.send({"type": "websocket.connect"})
    await to_hub.send({"type": "websocket.receive", "text": json.dumps(sub(topic="room"))})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hub, websocket_scope(), frames.receive, write)
        for _ in range(10):
            await anyio.wait_all_tasks_blocked()
        await to_hub.send({"type": "websocket.disconnect", "code": 1001})
    texts = [json.loads(event["text"]).get("text") for event in sent if "text" in event]
    assert texts == [None, "0", "1", "2", "3", "4", "5"]
    to_hub.close()
    frames.close()


async def test_a_message_that_is_cancelled_before_subscribed_is_answered_at_once() -> None:
    house = House(Limits(outbox=1))
    house.enters = anyio.Event()
    async with serve(house.hub, patience=1000) as wire:
        await wire.accepted()
        wire.say(sub(), to("say", "1", text="x"), to("say", "2", text="x"))
        await settled(wire)
        wire.say(to("cancel", "1"), to("cancel", "2"), {"action": "say", "text": "after"})
        await settled(wire)
        assert told(wire) == [("error", "cancelled", "1"), ("error", "cancelled", "2"), ("said", "hub after")]
        wire.say(unsub())
        await settled(wire)
        assert told(wire)[3:] == [("error", "not_subscribed", "s"), ("unsubscribed", "u")]


def closing() -> tuple[House, list[str]]:
    """A topic whose `on_connect` closes it, and goes on for a second."""
    house, ended = House(Limits(outbox=1)), list[str]()

    @house.room.on_connect
    async def close(ctx: Context) -> None:
        await ctx.send(Said(text="before"))
        await ctx.close(4000, "inside")
        await anyio.sleep(1)

    @house.room.on_disconnect
    async def end() -> None:
        ended.append("ended")

    return house, ended


async def test_messages_for_a_topic_that_its_own_hook_closes_are_answered() -> None:
    house, ended = closing()
    async with serve(house.hub, patience=1000) as wire:
        await wire.accepted()
        wire.say(sub(), to("say", "1", text="x"))
        await settled(wire)
        wire.say(to("say", "2", text="x"), to("cancel", "1"))
        await wire.until(lambda: ended)
        wire.say(to("say", "3", text="x"))
        await settled(wire)
        assert told(wire) == [
            ("error", "cancelled", "1"), ("subscribed", "s"), ("said", "before"), ("error", "not_subscribed", "2"),
            ("unsubscribed", 4000), ("error", "not_subscribed", "3"),
        ]  # fmt: skip


async def test_leaving_a_topic_that_its_own_hook_closes_ends_it_once() -> None:
    house, ended = closing()
    async with serve(house.hub, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        wire.say({"action": "say", "text": "written"}, sub(), to("say", "1", text="x"))
        await settled(wire)
        await anyio.sleep(2)
        wire.say(unsub())
        await settled(wire)
        wire.release()
        await wire.until(lambda: ended)
        await settled(wire)
        assert told(wire)[-1] == ("unsubscribed", "u")
        assert [one[0] for one in told(wire)].count("unsubscribed") == 1
        assert answers(wire, "1") == ["error"]


# -- coalescing ----------------------------------------------------------------------------------------------------


async def test_a_push_does_not_take_the_place_of_one_of_an_earlier_subscription() -> None:
    house = House(overflow="coalesce")
    async with serve(house.hub, patience=1000) as wire:
        await enter(wire)
        wire.hold()
        wire.say({"action": "say", "text": "written"})
        await settled(wire)
        await house.room.broadcast(Said(text="old"), group="room", key="k")
        wire.say(unsub())
        await settled(wire)
        wire.say(sub("s2"))
        await settled(wire)
        await house.room.broadcast(Said(text="new"), group="room", key="k")
        wire.release()
        await settled(wire)
        await settled(wire)
        assert told(wire)[1:] == [
            ("said", "hub written"), ("said", "old"), ("unsubscribed", "u"), ("subscribed", "s2"), ("said", "new"),
        ]  # fmt: skip


# -- a hook's own tasks ------------------------------------------------------------------------------------------


async def test_messages_that_wait_when_a_hooks_own_task_fails_are_answered() -> None:
    hub, room = Channel("hub"), Channel("room")
    fail, never = anyio.Event(), anyio.Event()

    @room.on_connect
    async def enter_room(ctx: Context) -> AsyncGenerator[None, None]:
        async def background() -> None:
            await fail.wait()
            raise RuntimeError("a task of the hook")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(background)
            yield

    @room.on(Wait)
    async def wait(message: Wait) -> None:
        await never.wait()

    hub.include(room, topic="room")
    async with serve(hub, patience=1000) as wire:
        await wire.accepted()
        wire.say(sub(topic="room"))
        await settled(wire)
        wire.say(to("wait", "1", "room"), to("wait", "2", "room"))
        await settled(wire)
        fail.set()
        await settled(wire)
        assert told(wire) == [
            ("subscribed", "s"), ("error", "not_subscribed", "1"), ("error", "not_subscribed", "2"),
            ("unsubscribed", 1011),
        ]  # fmt: skip


# -- frames that speak of others -----------------------------------------------------------------------------------


async def test_what_speaks_of_a_message_of_a_topic_that_has_ended_has_no_answer() -> None:
    house = House()

    @house.room.on(Upload)
    async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> None:
        async for _ in chunks:
            pass

    @house.room.on(Send)
    async def send(message: Send, ctx: Context) -> None:
        await ctx.ask(Said(text="?"), Say)

    async with serve(house.hub, patience=1000) as wire:
        await enter(wire, to("upload", "1"))
        await settled(wire)
        wire.say(unsub("2"), sub("3"))
        await settled(wire)
        wire.say(to("send", "4"))
        await settled(wire)
        wire.say(unsub("5"))
        await settled(wire)
        wire.say(to("chunk", "1"), to("complete", "1"), to("cancel", "1"), to("say", ask="q1", text="late"))
        wire.say(to("say", ask="q7", text="never asked"))
        await settled(wire)
        assert told(wire)[1:] == [
            ("error", "not_subscribed", "1"), ("unsubscribed", "2"), ("subscribed", "3"), ("said", "?"),
            ("error", "not_subscribed", "4"), ("unsubscribed", "5"), ("error", "not_subscribed"),
        ]  # fmt: skip


# -- cut -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["vanish", "close", "drain"])
async def test_a_handler_of_a_topic_that_is_cut_is_counted_once(how: str, caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    async with serve(house.hub, patience=1000) as wire:
        await enter(wire, to("wait", "1"))
        await house.started.wait()
        if how == "vanish":
            wire.leave()
        elif how == "close":
            house.contexts[0]._connection.hub.close(4000, "")  # type: ignore[attr-defined]
        else:
            assert (await house.hub.drain()).cut == 1
        await wire.end()
    assert house.log[-2:] == ["leaving", "left"]
    assert house.hub.stats().cancelled == 1
    assert len([one for one in warnings(caplog) if "ran on after the end" in one]) == 1
