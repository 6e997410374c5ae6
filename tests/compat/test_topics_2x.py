"""Topics of chanx 2.x: several streams on one connection, with the frames that COMPAT prints."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import event_handler, ws_handler
from chanx.core.topic import Topic
from chanx.exceptions import ConfigurationError, Reject
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import PONG, Client, opened

pytestmark = pytest.mark.anyio


class Say(BaseMessage):
    action: Literal["say"] = "say"
    payload: str


class Strict(BaseMessage):
    model_config = ConfigDict(extra="forbid")
    action: Literal["strict"] = "strict"
    payload: None = None


class Said(BaseMessage):
    action: Literal["said"] = "said"
    payload: str


class Step(BaseMessage):
    action: Literal["step"] = "step"
    payload: int


class Boom(BaseMessage):
    action: Literal["boom"] = "boom"
    payload: None = None


class Finished(BaseMessage):
    action: Literal["finished"] = "finished"
    payload: str


LOG: list[Any] = []


class Run(Topic):
    """A run of something."""

    pattern = "run:{id}"
    passthrough_events = [Step]
    emits = [Said]

    async def authorize(self, id: str) -> bool:
        if id == "broken":
            raise LookupError("a secret")
        if id == "gone":
            raise Reject(404, "no such run")
        return id != "secret"

    async def on_subscribe(self) -> None:
        LOG.append(("on", self.topic))
        if self.params["id"] == "greeting":
            await self.send_message(Said(payload="welcome"))
        if self.params["id"] == "falls":
            raise LookupError("a secret")
        if self.params["id"] == "late":
            await self.send_message(Said(payload="welcome"))
            raise LookupError("a secret")

    async def on_unsubscribe(self, **params: str) -> None:
        LOG.append(("off", params["id"]))
        await self.send_message(Said(payload="nobody gets this"))

    @ws_handler
    async def handle_say(self, message: Say) -> Said:
        if message.payload == "bye":
            await self.unsubscribe()
        return Said(payload=f"{self.topic} {self.params['id']} {message.payload}")

    @ws_handler
    async def handle_boom(self, message: Boom) -> None:
        raise LookupError("a secret")

    @ws_handler
    async def handle_strict(self, message: Strict) -> None:
        await self.broadcast(self.topic, Finished(payload="strict"), seq=9)

    @event_handler
    async def handle_finished(self, event: Finished) -> list[Said]:
        if event.payload == "boom":
            raise LookupError("a secret")
        return [Said(payload=event.payload), Said(payload="!")]


class Lobby(Topic):
    pattern = "lobby"

    @ws_handler
    async def handle_say(self, message: Say) -> list[Said]:
        return [Said(payload=f"lobby {message.payload}")]


class Hub(AsyncJsonWebsocketConsumer):
    topics = [Run, Lobby]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    LOG.clear()
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


def topic(action: str, name: str, payload: Any = None, **more: Any) -> dict[str, Any]:
    return {"action": action, "payload": payload, "version": 1, "topic": name, **more}


def refused(reason: str, name: str, detail: Any, **more: Any) -> dict[str, Any]:
    return topic("error", name, {"reason": reason, "detail": detail}, **more)


async def subscribed(client: Client, name: str) -> None:
    assert await client.ask({"action": "subscribe", "topic": name}) == topic("subscribed", name)


async def test_the_frames_are_those_that_the_page_of_facts_prints() -> None:
    client = await opened(Hub)
    await client.tell({"version": 1, "topic": "run:1", "ref": "4", "action": "subscribe"})
    printed = '{"action":"subscribed","payload":null,"version":1,"topic":"run:1","ref":"4"}'
    assert await client.receive_from() == printed
    said = await client.ask({"action": "say", "payload": "hi", "topic": "run:1", "ref": 5, "version": 1})
    assert list(said.items()) == list(topic("said", "run:1", "run:1 1 hi", ref=5).items())
    assert await client.ask({"action": "unsubscribe", "topic": "run:1", "ref": "6"}) == topic(
        "unsubscribed", "run:1", ref="6"
    )
    for frame, reason, detail in (
        (
            {"action": "say", "payload": "x", "topic": "run:1"},
            "not_subscribed",
            "there is no subscription to this topic",
        ),
        ({"action": "unsubscribe", "topic": "run:1"}, "not_subscribed", "there is no subscription to this topic"),
        ({"action": "subscribe", "topic": "runs"}, "unknown_topic", "there is no such topic"),
        ({"action": "say", "payload": "x", "topic": "run:1:2"}, "unknown_topic", "there is no such topic"),
        ({"action": "unsubscribe", "topic": "runs"}, "unknown_topic", "there is no such topic"),
        ({"action": "subscribe", "topic": "run:secret"}, "unauthorized", "the subscription was refused"),
        ({"action": "subscribe", "topic": "run:gone"}, "unknown_topic", "no such run"),
        ({"action": "subscribe", "topic": "run:broken"}, "internal_error", "internal error"),
        ({"action": "subscribe", "topic": "run:falls"}, "internal_error", "internal error"),
    ):
        name = frame["topic"]
        assert await client.ask({**frame, "ref": "7"}) == refused(reason, name, detail, ref="7"), frame
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()
    assert LOG == [("on", "run:1"), ("off", "1"), ("on", "run:falls")]


async def test_a_topic_is_no_string() -> None:
    client = await opened(Hub)
    assert await client.ask({"action": "say", "topic": 5}) == refused("unknown_topic", "", "there is no such topic")
    assert await client.ask({"action": "subscribe", "topic": "x" * 257}) == refused(
        "unknown_topic", "x" * 256, "there is no such topic"
    )
    assert await client.ask({"action": "ping", "topic": None}) == PONG
    await client.disconnect()


async def test_messages_of_a_topic_are_validated_and_their_errors_answered_with_it() -> None:
    client = await opened(Hub)
    await subscribed(client, "run:1")
    findings = [{"type": "missing", "loc": ["say", "payload"], "msg": "Field required"}]
    assert await client.ask({"action": "say", "topic": "run:1", "ref": 1}) == topic("error", "run:1", findings, ref=1)
    failed = {"detail": "Failed to process message for boom"}
    assert await client.ask({"action": "boom", "topic": "run:1"}) == topic("error", "run:1", failed)
    wrong = await client.ask({"action": "ping", "topic": "run:1"})
    assert wrong["topic"] == "run:1"
    assert wrong["payload"][0]["type"] == "union_tag_invalid"
    for_nobody = await client.ask({"action": "say", "payload": "x"})
    assert for_nobody["action"] == "error"
    assert "topic" not in for_nobody
    await client.disconnect()


async def test_broadcasts_reach_subscribers_with_their_position() -> None:
    one, two, other = [await opened(Hub) for _ in range(3)]
    for client in (one, two):
        await subscribed(client, "run:1")
    await subscribed(other, "run:2")
    await Run.broadcast("run:1", Step(payload=3), seq=12)
    expected = '{"action":"step","payload":3,"version":1,"topic":"run:1","seq":12}'
    assert [await client.receive_from() for client in (one, two)] == [expected, expected]
    assert await other.receive_nothing(0.01)
    await asyncio.to_thread(Run.broadcast_sync, "run:2", Finished(payload="done"))
    assert [await other.got(), await other.got()] == [topic("said", "run:2", "done"), topic("said", "run:2", "!")]
    await Run.broadcast("run:1", Finished(payload="boom"))
    assert await one.got() == topic("error", "run:1", {"detail": "Failed to process event for finished"})
    assert await one.ask({"action": "unsubscribe", "topic": "run:1"}) == topic("unsubscribed", "run:1")
    await Run.broadcast("run:1", Step(payload=4))
    assert await one.receive_nothing(0.01)
    with pytest.raises(ValueError, match="no topic of Run"):
        await Run.broadcast("lobby", Step(payload=4))
    for client in (one, two, other):
        await client.disconnect()


async def test_what_is_sent_through_the_layer(layer: InMemoryChannelLayer) -> None:
    await layer.group_add(Run.group_name("run:1"), "mine")
    await Run.broadcast("run:1", Step(payload=3))
    data = {"action": "step", "payload": 3}
    expected = {"type": "handle_topic_event", "topic": "run:1", "seq": None, "event_data": data}
    assert await layer.receive("mine") == expected


async def test_a_message_that_forbids_other_keys_may_stand_beside_a_topic() -> None:
    client = await opened(Hub)
    await subscribed(client, "run:1")
    await client.tell({"version": 1, "action": "strict", "topic": "run:1", "ref": "1"})
    assert [await client.got(), await client.got()] == [
        topic("said", "run:1", "strict", seq=9),
        topic("said", "run:1", "!", seq=9),
    ]
    await client.disconnect()


async def test_what_is_sent_while_subscribing_comes_after_the_answer() -> None:
    client = await opened(Hub)
    await client.tell({"action": "subscribe", "topic": "run:greeting", "ref": 1})
    assert [await client.got(), await client.got()] == [
        topic("subscribed", "run:greeting", ref=1),
        topic("said", "run:greeting", "welcome"),
    ]
    await client.tell({"action": "subscribe", "topic": "run:late"})
    assert [(await client.got())["action"] for _ in range(2)] == ["subscribed", "said"]
    ended = {"code": 1011, "reason": "internal error"}
    assert await client.got() == topic("unsubscribed", "run:late", ended)
    await client.disconnect()
    assert LOG == [("on", "run:greeting"), ("on", "run:late"), ("off", "greeting")]


async def test_topics_end_with_the_connection() -> None:
    client = await opened(Hub)
    for name in ("run:1", "lobby", "run:2"):
        await subscribed(client, name)
    await subscribed(client, "run:1")  # once more: it is subscribed already
    await client.disconnect()
    assert LOG == [("on", "run:1"), ("on", "run:2"), ("off", "2"), ("off", "1")]


async def test_a_handler_ends_its_own_subscription() -> None:
    client = await opened(Hub)
    await subscribed(client, "run:1")
    assert await client.ask({"action": "say", "payload": "bye", "topic": "run:1"}) == topic("unsubscribed", "run:1")
    assert await client.ask({"action": "ping"}) == PONG  # and what the handler returned was not sent
    assert LOG == [("on", "run:1"), ("off", "1")]
    await subscribed(client, "run:1")
    await client.disconnect()
    assert LOG[2:] == [("on", "run:1"), ("off", "1")]


async def test_a_connection_has_so_many_topics() -> None:
    class Small(Hub):
        max_topics = 2

    client = await opened(Small)
    await subscribed(client, "run:1")
    await subscribed(client, "run:2")
    detail = "a connection may have 2 topics; unsubscribe from one"
    assert await client.ask({"action": "subscribe", "topic": "run:3"}) == refused("overloaded", "run:3", detail)
    await client.ask({"action": "unsubscribe", "topic": "run:1"})
    await subscribed(client, "run:3")
    await client.disconnect()
    assert Hub.max_topics == 100


async def test_completions_carry_what_they_complete() -> None:
    class Telling(Hub):
        send_completion = True

    client = await opened(Telling)
    await subscribed(client, "run:1")
    await client.tell({"action": "say", "payload": "x", "topic": "run:1", "ref": "1"})
    assert [await client.got(), await client.got()] == [
        topic("said", "run:1", "run:1 1 x", ref="1"),
        topic("complete", "run:1", ref="1"),
    ]
    await client.tell({"action": "say", "topic": "run:1"})
    assert [(await client.got())["action"] for _ in range(2)] == ["error", "complete"]
    await Run.broadcast("run:1", Step(payload=1), seq=5)
    assert [await client.got(), await client.got()] == [
        topic("step", "run:1", 1, seq=5),
        topic("event_complete", "run:1", seq=5),
    ]
    assert (await client.ask({"action": "say", "payload": "x", "topic": "run:2"}))["action"] == "error"
    assert await client.ask({"action": "unsubscribe", "topic": "run:1"}) == topic("unsubscribed", "run:1")
    assert await client.ask({"action": "ping"}) == PONG  # nothing completes what was rejected
    await client.disconnect()


async def test_a_default_topic() -> None:
    class Default(Hub):
        default_topic = Lobby

    client = await opened(Default)
    assert await client.ask({"action": "ping"}) == PONG
    assert await client.ask({"action": "say", "payload": "x"}) == {"action": "said", "payload": "lobby x"}
    answer = {"action": "said", "payload": "lobby x", "version": 1, "ref": "1"}
    assert await client.ask({"action": "say", "payload": "x", "ref": "1"}) == answer
    assert await client.ask({"action": "say", "payload": "x", "topic": "lobby"}) == topic("said", "lobby", "lobby x")
    assert await client.ask({"action": "subscribe"}) == topic("subscribed", "lobby")
    assert await client.ask({"action": "unsubscribe"}) == topic("unsubscribed", "lobby")
    assert (await client.ask({"action": "say", "payload": "x"}))["payload"]["reason"] == "not_subscribed"
    await client.disconnect()


async def test_a_default_topic_out_of_the_url() -> None:
    class Default(Hub):
        default_topic = "run:{id}"

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await Default.as_asgi()({**scope, "path_params": {"id": scope["path"][1:]}}, receive, send)

    client = Client(application, "/7")
    await client.connect()
    assert await client.ask({"action": "say", "payload": "x"}) == {"action": "said", "payload": "run:7 7 x"}
    await Run.broadcast("run:7", Step(payload=1), seq=2)
    assert await client.got() == {"action": "step", "payload": 1, "version": 1, "seq": 2}
    await client.disconnect()
    client = Client(application, "/secret")
    await client.connect()
    assert (await client.ask({"action": "say", "payload": "x"}))["payload"]["reason"] == "not_subscribed"
    await client.disconnect()


def own_route(consumer: Any, path: str) -> Client:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await consumer.as_asgi()({**scope, "url_route": {"kwargs": {"id": path}}}, receive, send)

    return Client(application, "/")


async def test_a_topic_on_a_route_of_its_own() -> None:
    consumer = Run.as_consumer(send_completion=True)
    client = own_route(consumer, "7")
    assert await client.connect() == (True, None)
    await client.tell({"action": "say", "payload": "x", "ref": "1"})
    assert await client.got() == {"action": "said", "payload": "run:7 7 x", "version": 1, "ref": "1"}
    assert await client.got() == {"action": "complete", "payload": None, "version": 1, "ref": "1"}
    await Run.broadcast("run:7", Step(payload=1), seq=2)
    assert await client.got() == {"action": "step", "payload": 1, "version": 1, "seq": 2}
    assert await client.got() == {"action": "event_complete", "payload": None, "version": 1, "seq": 2}
    await client.disconnect()
    assert LOG == [("on", "run:7"), ("off", "7")]
    for path, code in (("secret", 4403), ("gone", 4404), ("1:2", 4404)):
        client = own_route(Run.as_consumer(), path)
        assert await client.connect() == (True, None)
        closed = await client.receive_output()
        assert (closed["type"], closed["code"]) == ("websocket.close", code)
        await client.disconnect()
    client = await opened(Run.as_consumer())
    with pytest.raises(ConfigurationError, match="needs id from the URL"):
        await client.got()


async def test_a_subclass_of_such_a_consumer_has_its_own_settings() -> None:
    class Served(Run.as_consumer()):  # type: ignore[misc]
        send_completion = True

    client = own_route(Served, "greeting")
    await client.connect()
    assert await client.got() == {"action": "said", "payload": "welcome"}
    await client.disconnect()


@pytest.mark.parametrize("name", ["run:1", "run.3a1", "a" * 200, "ä:ö", "run 1", "lobby", "x" * 95, ":" * 40])
def test_groups_of_topics_have_legal_names(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9\-_.]{1,99}", Run.group_name(name))


def test_two_topics_never_share_a_group() -> None:
    names = ["run:1", "run.3a1", "run.1", "run-1", "run_1", "run1", "RUN:1", "a" * 90, "a" * 91, "a" * 92]
    assert len({Run.group_name(name) for name in names}) == len(names)
    for wrong in ("", "x" * 257):
        with pytest.raises(ValueError, match="is no topic"):
            Run.group_name(wrong)


def test_what_cannot_be() -> None:
    class Runs(Topic):
        pattern = "run:{number}"

    class Wants(Topic):
        pattern = "wants"

        async def authorize(self, id: str) -> bool:
            return True

    class Kind(Topic):
        pattern = "kind"
        discriminator_field = "kind"

    class Nameless(Topic):
        pass

    for topics, text in (
        ([Run, Runs], "for the same names as Run"),
        ([PingMessage], "is no class of topics"),
        ([Wants], "authorize takes id"),
        ([Kind], "has the discriminator_field 'kind'"),
        ([Nameless], "it is a pattern such as"),
    ):
        consumer = type("Wrong", (Hub,), {"topics": topics})
        with pytest.raises(ConfigurationError, match=text):
            _ = consumer.outgoing_message_adapter  # type: ignore[attr-defined]


async def test_all_of_it_the_long_way() -> None:
    class Payload(BaseModel):
        some_text: str

    class Camel(BaseMessage):
        action: Literal["camel"] = "camel"
        payload: Payload

    class Cased(Topic):
        pattern = "cased"

        @ws_handler
        async def handle_camel(self, message: Camel) -> Camel:
            return message

    class Long(AsyncJsonWebsocketConsumer):
        topics = [Cased]
        camelize = True
        log_websocket_message = True

    client = await opened(Long)
    await subscribed(client, "cased")
    frame = {"action": "camel", "payload": {"someText": "x"}, "topic": "cased", "ref": 1}
    assert await client.ask(frame) == topic("camel", "cased", {"someText": "x"}, ref=1)
    await client.disconnect()


def test_what_a_consumer_may_send_is_what_its_topics_send_too() -> None:
    adapter = Hub.outgoing_message_adapter
    assert adapter is not None
    assert isinstance(adapter.validate_python({"action": "said", "payload": "x", "topic": "run:1"}), Said)
    assert isinstance(adapter.validate_python(json.loads('{"action":"step","payload":1}')), Step)
