from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from chanx.core.testing import capture_topic_broadcasts
from examples.fastapi_rooms.live import ActivityTopic, Choice, LiveConsumer, PollConsumer, PollTopic
from examples.fastapi_rooms.rooms import RoomConsumer, Say, SayPayload
from examples.fastapi_rooms.tests.client import PATIENCE, Client

pytestmark = pytest.mark.anyio


def tab(app: FastAPI, user: str) -> Client:
    return Client(app, f"/ws/live?token={user}-token", consumer=LiveConsumer)


async def ask(client: Client, action: str, topic: str, **more: Any) -> dict[str, Any]:
    """Send a frame about a topic; the first one that comes for it."""
    await client.send_json_to({"action": action, "topic": topic, **more})
    frame: dict[str, Any] = await client.receive_json_from()
    return frame


async def until(client: Client, action: str) -> dict[str, Any]:
    return (await client.receive_until_action(action, PATIENCE, inclusive=True))[-1]


async def vote(client: Client, choice: Choice, **beside: str) -> dict[str, Any]:
    """Vote; the tally that follows."""
    await client.send_json_to({"action": "vote", "payload": {"choice": choice}, **beside})
    return await until(client, "tally")


async def test_who_follows_a_poll_sees_how_it_stands_and_what_changes(app: FastAPI) -> None:
    lunch = {"topic": "poll:lunch"}
    async with tab(app, "bob") as bob, tab(app, "eve") as eve:
        for client in (bob, eve):
            answer = await ask(client, "subscribe", "poll:lunch", ref="1")
            assert answer == {"action": "subscribed", "payload": None, "version": 1, "topic": "poll:lunch", "ref": "1"}
            await until(client, "tally")
        with capture_topic_broadcasts(PollTopic) as captured:
            first = await vote(bob, "yes", **lunch)
        assert [(one.topic, one.seq) for one in captured] == [("poll:lunch", first["seq"])]
        await until(eve, "tally")
        last = await vote(eve, "no", **lunch)
        assert (last["payload"], last["topic"]) == ({"yes": 1, "no": 1}, "poll:lunch")
        assert last["seq"] > first["seq"]
        assert (await until(bob, "tally"))["payload"] == last["payload"]


async def test_the_same_poll_on_a_route_of_its_own(app: FastAPI) -> None:
    async with (
        tab(app, "eve") as eve,
        Client(app, "/ws/polls/lunch?token=bob-token", consumer=PollConsumer) as bob,
    ):
        await until(bob, "tally")
        await ask(eve, "subscribe", "poll:lunch")
        await until(eve, "tally")
        await vote(eve, "no", topic="poll:lunch")
        await until(bob, "tally")
        frame = await vote(bob, "no")
        assert (frame["payload"], "topic" in frame) == ({"yes": 0, "no": 2}, False)
        assert (await until(eve, "tally"))["payload"] == {"yes": 0, "no": 2}


@pytest.mark.parametrize(
    ("topic", "reason"), [("poll:budget", "unauthorized"), ("poll:none", "unauthorized"), ("nothing", "unknown_topic")]
)
async def test_a_refused_subscription_leaves_the_connection_open(app: FastAPI, topic: str, reason: str) -> None:
    async with tab(app, "bob") as bob:
        frame = await ask(bob, "subscribe", topic)
        assert (frame["action"], frame["payload"]["reason"], frame["topic"]) == ("error", reason, topic)
        assert (await ask(bob, "subscribe", "poll:lunch"))["action"] == "subscribed"


async def test_staff_may_follow_more(app: FastAPI) -> None:
    async with tab(app, "ada") as ada:
        assert (await ask(ada, "subscribe", "poll:budget"))["action"] == "subscribed"


@pytest.mark.parametrize(
    ("path", "code"), [("lunch", 4401), ("budget?token=bob-token", 4403), ("none?token=ada-token", 4403)]
)
async def test_a_refused_route_has_its_code(app: FastAPI, path: str, code: int) -> None:
    client = Client(app, f"/ws/polls/{path}", consumer=PollConsumer)
    await client.connect()
    assert (await client.receive_output(PATIENCE))["code"] == code


async def test_one_connection_carries_what_goes_on_in_rooms_as_well(app: FastAPI, room: str) -> None:
    talking = Client(app, f"/ws/rooms/{room}?token=ada-token", consumer=RoomConsumer)
    async with tab(app, "bob") as bob, talking:
        for topic in ("activity", "poll:lunch"):
            await ask(bob, "subscribe", topic)
        await until(bob, "tally")
        with capture_topic_broadcasts(ActivityTopic) as captured:
            await talking.send_message(Say(payload=SayPayload(text="hello")))
            frame = await until(bob, "activity")
        assert (frame["topic"], frame["payload"]) == ("activity", {"room": room})
        assert len(captured) == 1


async def test_what_is_no_longer_followed_is_not_sent(app: FastAPI) -> None:
    async with tab(app, "bob") as bob:
        await ask(bob, "subscribe", "activity")
        assert (await ask(bob, "unsubscribe", "activity"))["action"] == "unsubscribed"
        frame = await ask(bob, "vote", "activity", payload={"choice": "yes"})
        assert frame["payload"]["reason"] == "not_subscribed"
