"""Consumers of chanx 2.x: what documents 001 and 002 say of them, and COMPAT's frames."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import event_handler, ws_handler
from chanx.messages.base import BaseChannelEvent, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import PONG, error, opened

pytestmark = pytest.mark.anyio


class ChatPayload(BaseModel):
    some_text: str


class Chat(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: ChatPayload


class Boom(BaseMessage):
    action: Literal["boom"] = "boom"
    payload: None = None


class Said(BaseMessage):
    action: Literal["said"] = "said"
    payload: str


class Joined(BaseMessage):
    action: Literal["joined"] = "joined"
    payload: str


class Hired(BaseChannelEvent):
    handler: Literal["hired"] = "hired"
    payload: str


class Consumer(AsyncJsonWebsocketConsumer[Joined | Hired]):
    groups = ["room"]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler(output_type=Said)
    async def handle_chat(self, message: Chat) -> None:
        await self.broadcast_message(Said(payload=message.payload.some_text))

    @ws_handler
    async def handle_boom(self, message: Boom) -> None:
        raise LookupError("a secret")

    @event_handler
    async def handle_joined(self, event: Joined) -> Said:
        if event.payload == "boom":
            raise LookupError("a secret")
        return Said(payload=f"{event.payload} joined")

    @event_handler
    async def handle_hired(self, event: Hired) -> Said:
        return Said(payload=f"{event.payload} was hired")


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


# -- frames ---------------------------------------------------------------------------------------------


async def test_what_a_handler_returns_is_sent_to_its_client_alone() -> None:
    one, other = await opened(Consumer), await opened(Consumer)
    assert await one.ask({"action": "ping"}) == PONG
    assert await other.receive_nothing()
    await one.disconnect()
    await other.disconnect()


WRONG = [
    (
        {"action": "chat", "payload": {}},
        [{"type": "missing", "loc": ["chat", "payload", "some_text"], "msg": "Field required"}],
    ),
    (
        {"action": "nope"},
        [
            {
                "type": "union_tag_invalid",
                "loc": [],
                "msg": "Input tag 'nope' found using 'action' does not match any of the expected tags: "
                "'boom', 'chat', 'ping'",
            }
        ],
    ),
    (
        {},
        [
            {
                "type": "union_tag_not_found",
                "loc": [],
                "msg": "Unable to extract tag using discriminator 'action'",
            }
        ],
    ),
    (
        "{",
        [{"type": "json_invalid", "loc": [], "msg": "Invalid JSON: EOF while parsing an object at line 1 column 1"}],
    ),
    ({"action": "boom"}, {"detail": "Failed to process message for boom"}),
]


@pytest.mark.parametrize(("frame", "payload"), WRONG, ids=["shape", "action", "no action", "no JSON", "raises"])
async def test_a_wrong_frame_is_answered_and_the_connection_goes_on(frame: Any, payload: Any) -> None:
    client = await opened(Consumer)
    assert await client.ask(frame) == error(payload)
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()


@pytest.mark.parametrize("frame", ["[]", "5", '"ping"', "null"])
async def test_a_frame_that_is_no_object_is_answered(frame: str) -> None:
    client = await opened(Consumer)
    [finding] = (await client.ask(frame))["payload"]
    assert finding["loc"] == []
    await client.send_to(bytes_data=b"\x00")
    assert (await client.got())["payload"][0]["type"] == "json_invalid"
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()


NASTY = [
    "",
    " ",
    "\ufeff{}",
    "[" * 100_000,
    '{"a":' * 100_000,
    '{"ref":' * 100_000,
    '{"action":"ping","ref":' + "[" * 100_000 + "]" * 100_000 + "}",
    '{"action":"chat","payload":NaN}',
    '{"action":"chat","payload":1e999}',
    '{"action":' + "9" * 5000 + "}",
    '{"action":"chat","payload":{"some_text":' + "9" * 5000 + "}}",
    '{"action":["ping"],"ref":1}',
    '{"action":null}',
    '{"action":"\\ud800"}',
    '{"action":"\ud800"}',
    '{"action":"ping\x00"}',
    '{"ref":"\ud800"}',
    '["ref"]',
    '"topic"',
    '{"action":"nope","ref":{"a":1}}',
]


@pytest.mark.parametrize("camelize", [False, True], ids=["short way", "long way"])
async def test_no_frame_ends_a_consumer(camelize: bool) -> None:
    client = await opened(type("Consumer", (Consumer,), {"camelize": camelize}))
    for frame in NASTY:
        assert (await client.ask(frame))["action"] == "error", frame[:50]
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()


async def test_an_answer_carries_the_ref_of_its_message() -> None:
    client = await opened(Consumer)
    expected = {"action": "pong", "payload": None, "version": 1, "ref": "a1"}
    got = await client.ask({"action": "ping", "ref": "a1"})
    assert got == expected
    assert list(got) == list(expected)
    assert (await client.ask({"action": "boom", "ref": 7}))["ref"] == 7
    assert (await client.ask({"action": "nope", "ref": "x"}))["ref"] == "x"
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()


# -- events and groups ----------------------------------------------------------------------------------


async def test_an_event_reaches_the_groups_of_the_class_and_what_its_handler_returns_the_client() -> None:
    client = await opened(Consumer)
    await Consumer.broadcast_event(Joined(payload="Ada"))
    assert await client.got() == {"action": "said", "payload": "Ada joined"}
    await Consumer.broadcast_event(Hired(payload="Bo"), groups="room")
    assert await client.got() == {"action": "said", "payload": "Bo was hired"}
    await client.disconnect()


async def test_an_event_is_sent_from_a_thread_and_not_from_a_running_loop() -> None:
    client = await opened(Consumer)
    await asyncio.to_thread(Consumer.broadcast_event_sync, Joined(payload="Ada"), ["room"])
    assert await client.got() == {"action": "said", "payload": "Ada joined"}
    with pytest.raises(RuntimeError, match=r"await Consumer\.broadcast_event"):
        Consumer.broadcast_event_sync(Joined(payload="Ada"))
    with pytest.raises(RuntimeError, match=r"await Consumer\.send_event"):
        Consumer.send_event_sync(Joined(payload="Ada"), "specific.x!y")
    await client.disconnect()


async def test_a_message_to_groups_says_whose_it_is() -> None:
    one, other = await opened(Consumer), await opened(Consumer)
    message = {"action": "said", "payload": "hello"}
    assert await one.ask({"action": "chat", "payload": {"some_text": "hello"}}) == {**message, "is_current": True}
    assert await other.got() == {**message, "is_current": False}
    await one.disconnect()
    await other.disconnect()


async def test_a_failing_event_handler_is_told_and_an_unknown_event_goes_by(layer: InMemoryChannelLayer) -> None:
    client = await opened(Consumer)
    await layer.group_send("room", {"type": "handle_channel_event", "event_data": {"action": "other", "payload": 1}})
    await layer.group_send("room", {"type": "handle_channel_event", "event_data": {"action": "joined"}})
    await Consumer.broadcast_event(Joined(payload="boom"))
    assert await client.got() == error({"detail": "Failed to process event for joined"})
    await client.disconnect()


# -- what is wrong with a class -------------------------------------------------------------------------


def test_two_handlers_for_one_action_are_refused_with_both_names() -> None:
    with pytest.raises(TypeError, match=r"'ping': handle_ping and ping_again"):

        class Twice(Consumer):
            @ws_handler
            async def ping_again(self, message: PingMessage) -> PongMessage:
                return PongMessage()


async def test_a_handler_may_be_overridden() -> None:
    class Other(Consumer):
        async def handle_ping(self, message: PingMessage) -> Any:
            return Said(payload="pong")

    client = await opened(Other)
    assert await client.ask({"action": "ping"}) == {"action": "said", "payload": "pong"}
    await client.disconnect()
