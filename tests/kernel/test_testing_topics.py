"""The test client and topics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import anyio
import pytest
from pydantic import BaseModel, ConfigDict

from chanx import AskFailed, Channel, Context
from chanx.testing import Closed, Failed, Topic, connect
from tests.kernel.messages import Done, Said, Say
from tests.kernel.topical import Count, House, Shout, sub, unsub


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["said"] = "said"
    text: str


async def test_each_hears_its_own() -> None:
    house = House()
    async with connect(house.hub) as client:
        five, six = await client.subscribe("room:5"), await client.subscribe("room:6")
        assert isinstance(five, Topic)
        assert five.name == "room:5"
        await client.send(Say(text="hub"))
        await six.send(Say(text="six"))
        await five.send({"action": "say", "text": "five"})
        await client.settled()
        assert client.pending == [{"action": "said", "text": "hub in hub"}]
        assert five.pending == [{"action": "said", "text": "five in 5", "version": 1, "topic": "room:5"}]
        assert await six.receive(Strict) == Strict(text="six in 6")  # the keys of the envelope are none of its fields
        assert await five.receive(Said) == Said(text="five in 5")
        assert await client.drain() == [{"action": "said", "text": "hub in hub"}]
        assert await five.drain() == []


async def test_requests_with_one_counter_of_refs() -> None:
    async with connect(House().hub) as client:
        topic = await client.subscribe("room:5")
        one = await topic.request(Say(text="x"))
        two = await client.request(Say(text="x"))
        assert (one["topic"], one["text"]) == ("room:5", "x in 5")
        assert two["text"] == "x in hub"
        assert one["ref"] != two["ref"]
        assert (await topic.request(Say(text="y"), Said)).text == "y in 5"
        with pytest.raises(Failed) as failed:
            await topic.request({"action": "nonsense"}, Said)
        assert failed.value.code == "unknown_action"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("nowhere", 0, "unknown_topic"), ("room:5", 403, "unauthorized"), ("room:5", 429, "rate_limited")],
)
async def test_a_refusal(name: str, status: int, code: str) -> None:
    house = House()
    if status:
        house.refuse(5, status, "because")
    async with connect(house.hub) as client:
        with pytest.raises(Failed) as failed:
            await client.subscribe(name)
        assert failed.value.code == code
        assert failed.value.detail
        await client.settled()
        assert client.pending == []
        assert (await client.request(Say(text="x"), Said)).text == "x in hub"
        house.refusals.clear()
        assert (await client.subscribe("room:5")).pending == []


async def test_what_on_connect_sends_is_the_topics() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.send(Said(text="hello"))

    hub.include(room, topic="room")
    async with connect(hub) as client:
        topic = await client.subscribe("room")
        assert (await topic.receive(Said)).text == "hello"
        assert client.pending == []


async def test_unsubscribing() -> None:
    house = House()
    async with connect(house.hub) as client:
        one, two, three = [await client.subscribe(f"room:{pk}") for pk in (1, 2, 3)]
        await one.send(Say(text="last"))
        await client.settled()
        await one.unsubscribe()
        await client.unsubscribe(two)
        await client.unsubscribe("room:3")
        for topic in (one, two, three):
            assert (await topic.wait_closed()).code == 1000
            with pytest.raises(Closed, match="unsubscribed"):
                await topic.send(Say(text="x"))
        assert (await one.receive(Said)).text == "last in 1"  # what had come is there
        with pytest.raises(Closed):
            await one.receive()
        with pytest.raises(Failed) as failed:
            await one.unsubscribe()
        assert failed.value.code == "not_subscribed"
        assert sorted(house.log) == sorted(["+hub", "+1", "+2", "+3", "-1", "-2", "-3"])
        assert client.pending == []


async def test_the_application_ends_a_topic() -> None:
    async with connect(House().hub) as client:
        topic = await client.subscribe("room:5")
        await topic.send({"action": "bye"})
        closed = await topic.wait_closed()
        assert (closed.code, closed.reason) == (4000, "bye")
        with pytest.raises(Closed, match="4000"):
            await topic.receive()
        with pytest.raises(Closed, match="4000"):
            await topic.request(Say(text="x"))
        with pytest.raises(LookupError, match="room:5"):
            _ = topic.id
        again = await client.subscribe("room:5")
        assert again is not topic
        assert (await again.request(Say(text="x"), Said)).text == "x in 5"


async def test_frames_that_wait_are_heard_before_the_end() -> None:
    house = House()
    async with connect(house.hub) as client:
        topic = await client.subscribe("room:5")
        await topic.send(Say(text="x"))
        await topic.send({"action": "bye"})
        await client.settled()
        assert (await topic.receive(Said)).text == "x in 5"
        with pytest.raises(Closed, match="bye"):
            await topic.receive()


async def test_the_connection_closes() -> None:
    async with connect(House().hub) as client:
        topic = await client.subscribe("room:5")
        await client.send({"action": "bye"})
        closed = await topic.wait_closed()
        assert (closed.code, closed.reason) == (4001, "bye")
        with pytest.raises(Closed, match="4001"):
            await topic.receive()
        with pytest.raises(Closed, match="4001"):
            await topic.send(Say(text="x"))
        with pytest.raises(Closed, match="4001"):
            await client.subscribe("room:6")


async def test_the_client_closes() -> None:
    async with connect(House().hub) as client:
        topic = await client.subscribe("room:5")
        await client.close()
        assert (await topic.wait_closed()).code == 1006
        with pytest.raises(Closed):
            await topic.receive()


async def test_subscribing_again_gives_the_same_object() -> None:
    async with connect(House().hub) as client:
        topic = await client.subscribe("room:5")
        await topic.send(Say(text="x"))
        assert await client.subscribe("room:5") is topic
        assert (await topic.receive(Said)).text == "x in 5"


async def test_subscribing_from_two_tasks_at_once() -> None:
    house = House()
    house.held.add("on 5")
    found: list[Topic] = []
    async with connect(house.hub) as client:

        async def subscribe() -> None:
            found.append(await client.subscribe("room:5"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(subscribe)
            tasks.start_soon(subscribe)
            await anyio.wait_all_tasks_blocked()
            house.desk.let("on 5")
        assert found[0] is found[1]
        await house.room.broadcast(Said(text="x"), group="room:5")
        assert (await found[0].receive(Said)).text == "x"


async def test_a_topic_that_ends_while_it_is_subscribed_again() -> None:
    async with connect(House().hub) as client:
        topic = await client.subscribe("room:5")
        await topic.send({"action": "bye"})
        again = await client.subscribe("room:5")
        await client.settled()
        # whichever came first: an object that is over, or a new one that is not
        assert topic._over  # pyright: ignore[reportPrivateUsage]
        assert (again is topic) == again._over  # pyright: ignore[reportPrivateUsage]


async def test_without_an_object_the_client_hears_everything() -> None:
    house = House()
    async with connect(house.hub) as client:
        await client.send(sub("room:5", "1"))
        await client.send({"action": "say", "text": "x", "topic": "room:5"})
        await client.send(unsub("room:5", "2"))
        await client.send(sub("nowhere", "3"))
        await client.settled()
        assert sorted(frame["action"] for frame in client.pending)[-2:] == ["subscribed", "unsubscribed"]
        assert {frame["topic"] for frame in client.pending} == {"room:5", "nowhere"}
        await client.drain()
        # an object for one topic leaves the other to the client
        topic = await client.subscribe("room:5")
        await client.send(sub("room:6"))
        await house.room.broadcast(Said(text="x"), groups=["room:5", "room:6"])
        await client.settled()
        assert len(topic.pending) == 1
        assert [frame["topic"] for frame in client.pending] == ["room:6"] * len(client.pending)


async def test_streams_and_cancel() -> None:
    house = House()
    async with connect(house.hub) as client:
        topic, other = await client.subscribe("room:5"), await client.subscribe("room:6")
        stream, beside = topic.stream(Count(name="a"), Done), other.stream(Count(name="b"), Done)
        assert (await anext(stream)).name == "1"
        assert (await anext(beside)).name == "1"
        await topic.cancel(stream.ref)
        with pytest.raises(Failed) as failed:
            await anext(stream)
        assert failed.value.code == "cancelled"
        house.desk.let("b")
        assert [done.name async for done in beside] == ["2"]


class Sure(BaseModel):
    action: Literal["sure"] = "sure"


async def test_questions_and_streams_of_clients() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> Said:
        try:
            return Said(text=(await ctx.ask(Sure(), Done)).name)
        except AskFailed as error:
            return Said(text=error.code)

    @room.on(Shout)
    async def shout(message: Shout, chunks: AsyncIterator[Done]) -> Said:
        return Said(text="".join([chunk.name async for chunk in chunks]))

    hub.include(room, topic="room")
    async with connect(hub) as client:
        topic = await client.subscribe("room")
        await topic.send(Say(text="x"))
        await topic.answer(await topic.receive(Sure), Done(name="yes"))
        assert (await topic.receive(Said)).text == "yes"
        await topic.send(Say(text="x"))
        await topic.answer(await topic.receive(), {"action": "done", "name": "dict"})
        assert (await topic.receive(Said)).text == "dict"
        await topic.send(Say(text="x"))
        await topic.decline(await topic.receive(Sure), "busy")
        assert (await topic.receive(Said)).text == "busy"
        with pytest.raises(LookupError):
            await topic.answer(Sure(), Done(name="no"))
        chunks = [Done(name="a"), {"action": "done", "name": "b"}]
        assert (await topic.request(Shout(text="up"), Said, chunks=chunks)).text == "ab"
        assert client.pending == topic.pending == []


async def test_ids() -> None:
    house = House()
    async with connect(house.hub) as client, connect(house.hub) as other:
        topic, its = await client.subscribe("room:5"), await other.subscribe("room:5")
        assert len({client.id, topic.id, other.id, its.id}) == 4
        await house.room.broadcast(Said(text="x"), group="room:5", exclude=topic.id)
        assert (await its.receive(Said)).text == "x"
        await house.room.broadcast(Said(text="y"), connection=topic.id)
        assert (await topic.receive(Said)).text == "y"
        await client.settled()
        assert client.pending == topic.pending == other.pending == its.pending == []


async def test_settled_waits_for_handlers_of_topics() -> None:
    house = House()
    async with connect(house.hub) as client:
        topic = await client.subscribe("room:5")
        await topic.send({"action": "wait", "name": "w"})
        with pytest.raises(AssertionError, match="not settled"):
            await topic.settled(timeout=0.01)
        house.desk.let("w")
        await topic.settled()
        assert [frame["name"] for frame in topic.pending] == ["w"]


async def test_waiting_in_vain_shows_what_there_is() -> None:
    async with connect(House().hub, timeout=2.0) as client:  # so long is the end of the request waited for, too
        topic = await client.subscribe("room:5")
        await topic.send(Say(text="x"))
        await client.settled()
        with pytest.raises(AssertionError, match=r"in vain for the answer.*room:5.*x in 5"):
            await topic.request({"action": "wait", "name": "w"}, timeout=0.01)
        with pytest.raises(AssertionError, match=r"expected Done, got .*x in 5"):
            await topic.receive(Done)


async def test_errors_of_handlers_in_topics_surface() -> None:
    with pytest.raises(ValueError, match="boom"):  # noqa: PT012 - raised by the end of the block
        async with connect(House().hub) as client:
            topic = await client.subscribe("room:5")
            with pytest.raises(Failed) as failed:
                await topic.request({"action": "boom"}, Said)
            assert failed.value.code == "internal_error"


async def test_a_channel_without_topics() -> None:
    channel = Channel()

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    async with connect(channel) as client:
        with pytest.raises(Failed):
            await client.subscribe("room:5")
        assert (await client.request(Say(text="x"), Said)).text == "x"
