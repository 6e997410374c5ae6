"""Frames of consumers of chanx 2.x as they travel: the same text on all ways through a consumer."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.compat.casing import camelized, snaked
from chanx.core.decorators import ws_handler
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import PONG, Client, opened

pytestmark = pytest.mark.anyio


class Payload(BaseModel):
    some_text: str


class Chat(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: Payload


class Boom(BaseMessage):
    action: Literal["boom"] = "boom"
    payload: None = None


class Ratio(BaseMessage):
    action: Literal["ratio"] = "ratio"
    payload: float


class Day(BaseMessage):
    model_config = ConfigDict(strict=True)
    action: Literal["day"] = "day"
    payload: date


class Raw(BaseMessage):
    action: Literal["raw"] = "raw"
    payload: int


class Consumer(AsyncJsonWebsocketConsumer):
    groups = ["room"]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler(output_type=Chat)
    async def handle_chat(self, message: Chat) -> None:
        await self.broadcast_message(message)

    @ws_handler
    async def handle_boom(self, message: Boom) -> None:
        raise LookupError("a secret")

    @ws_handler
    async def handle_ratio(self, message: Ratio) -> Ratio:
        return message

    @ws_handler
    async def handle_day(self, message: Day) -> Day:
        return message


class Long(Consumer):
    """Each message takes the long way in and out."""

    async def handle_json(self, content: Any, **kwargs: Any) -> None:
        await super().handle_json(content, **kwargs)

    async def send_json(self, content: Any, close: bool = False) -> None:
        await super().send_json(content, close)


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


async def answer(client: Client, text: str) -> str:
    await client.send_to(text_data=text)
    got = await client.receive_from()
    assert isinstance(got, str)
    return got


FRAMES = [
    ('{"action":"ping"}', '{"action":"pong","payload":null}'),
    ('{"action":"ping","ref":"a1"}', '{"action":"pong","payload":null,"version":1,"ref":"a1"}'),
    ('{"action":"boom"}', '{"action":"error","payload":{"detail":"Failed to process message for boom"}}'),
    (
        '{"action":"chat","payload":{}}',
        '{"action":"error","payload":[{"type":"missing","loc":["chat","payload","some_text"],"msg":"Field required"}]}',
    ),
    (
        '{"action":"nope"}',
        (
            '{"action":"error","payload":[{"type":"union_tag_invalid","loc":[],"msg":"Input tag \'nope\' found using '
            "'action' does not match any of the expected tags: 'boom', 'chat', 'day', 'ping', 'ratio'\"}]}"
        ),
    ),
    (
        "{}",
        (
            '{"action":"error","payload":[{"type":"union_tag_not_found","loc":[],'
            '"msg":"Unable to extract tag using discriminator \'action\'"}]}'
        ),
    ),
    (
        "[]",
        '{"action":"error","payload":[{"type":"dict_type","loc":[],"msg":"Input should be an object"}]}',
    ),
    (
        '{"action":"ping","payload":1}',
        '{"action":"error","payload":[{"type":"none_required","loc":["ping","payload"],"msg":"Input should be null"}]}',
    ),
    (
        '{"action":"chat","payload":{"some_text":"é"},"ref":1}',
        '{"action":"chat","payload":{"some_text":"é"},"is_current":true}',
    ),
    ('{"action":"ratio","payload":NaN}', '{"action":"ratio","payload":null}'),
    ('{"action":"ratio","payload":NaN,"ref":1}', '{"action":"ratio","payload":null,"version":1,"ref":1}'),
    ('{"action":"day","payload":"2020-01-01"}', '{"action":"day","payload":"2020-01-01"}'),
]


@pytest.mark.parametrize("consumer", [Consumer, Long])
async def test_frames_are_the_same_on_each_way(consumer: Any) -> None:
    client = await opened(consumer)
    for frame, expected in FRAMES:
        assert await answer(client, frame) == expected
    half = await answer(client, '{"action":"chat","payload":{"some_text":"\\ud800"}}')
    assert half.startswith('{"action":"error","payload":[{"type":"json_invalid","loc":[],"msg":"Invalid JSON: ')
    await client.disconnect()


async def test_frames_in_camel_case_are_written_alike() -> None:
    client = await opened(type("Consumer", (Consumer,), {"camelize": True}))
    assert await answer(client, FRAMES[0][0]) == FRAMES[0][1]
    chat = '{"action":"chat","payload":{"someText":"hello"}'
    assert await answer(client, chat + "}") == chat + ',"isCurrent":true}'
    await client.disconnect()


async def test_what_the_application_makes_of_a_frame_may_be_more_than_json() -> None:
    class Decoding(Consumer):
        @classmethod
        async def decode_json(cls, text_data: str) -> Any:
            return {"action": "day", "payload": date(2020, 1, 1)}

    client = await opened(Decoding)
    assert await answer(client, "?") == FRAMES[-1][1]
    await client.disconnect()


async def test_numbers_are_not_too_large_for_a_group() -> None:
    class Large(Consumer):
        async def post_authentication(self) -> None:
            await self.handle_group_message({"message": {"action": "raw", "payload": 10**30}, "from_channel": "x"})
            await self.handle_group_message({"message": {"action": "raw", "payload": "\ud800"}, "from_channel": "x"})

    client = await opened(Large)
    for payload in (str(10**30), '"\\ud800"'):
        assert await client.receive_from() == f'{{"action":"raw","payload":{payload},"is_current":false}}'
    await client.disconnect()


class Anything(BaseMessage):
    action: Literal["anything"] = "anything"
    payload: Any = None


@pytest.mark.parametrize("base", [Consumer, Long])
@pytest.mark.parametrize("attributes", [{}, {"camelize": True}, {"log_websocket_message": True}])
async def test_a_frame_that_is_too_deep_is_no_json_on_each_way(
    base: Any, attributes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Deep(base):  # type: ignore[misc]
        @ws_handler
        async def handle_anything(self, message: Anything) -> Anything:
            return message

    client = await opened(type("Deep", (Deep,), attributes))
    for depth in (400, 700, 960, 965, 970, 975, 980, 2000, 100_000):
        got = await answer(client, '{"action":"anything","payload":' + "[" * depth + "]" * depth + "}")
        assert got.startswith('{"action":"error","payload":[{"type":"json_invalid","loc":[],"msg":"Invalid JSON: '), (
            depth
        )
    await client.disconnect()
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []


@pytest.mark.parametrize("action", [["ping"], {"a": 1}, 5, None])
async def test_an_action_that_is_no_text_is_logged_and_answered(action: Any) -> None:
    client = await opened(type("Consumer", (Consumer,), {"log_websocket_message": True}))
    assert (await client.ask({"action": action}))["action"] == "error"
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()


async def test_an_action_makes_no_line_of_its_own_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chanx")
    client = await opened(type("Consumer", (Consumer,), {"log_websocket_message": True}))
    await client.ask({"action": "nope\nWARNING all is lost"})
    await client.ask({"action": "n" * 10_000})
    await client.disconnect()
    assert caplog.messages[0].startswith(r"Consumer received 'nope\nWARNING all is lost': {")
    assert not any("\n" in one or len(one) > 1200 for one in caplog.messages)


HOOKS = [
    ("handle_validation_error", "{}"),
    ("handle_validation_error", "{"),
    ("handle_message_handler_error", '{"action":"boom"}'),
    ("handle_json_processing_error", '{"action":"boom"}'),
]


@pytest.mark.parametrize(("hook", "frame"), HOOKS)
async def test_what_tells_of_an_error_may_fail_itself(hook: str, frame: str, caplog: pytest.LogCaptureFixture) -> None:
    async def fails(*_: Any) -> None:
        raise LookupError("a secret")

    class Failing(Consumer):
        async def receive_message(self, message: Any) -> None:
            if hook == "handle_json_processing_error" and isinstance(message, Boom):
                raise LookupError("another secret")
            await super().receive_message(message)

    client = await opened(type("Failing", (Failing,), {hook: fails}))
    await client.tell(frame)
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()
    assert caplog.messages[-1] == "Failing failed to tell its client of an error"


class Counts(BaseMessage):
    action: Literal["counts"] = "counts"
    payload: dict[str, list[int]]


async def test_a_long_key_is_not_repeated_for_each_finding() -> None:
    class Counting(Consumer):
        @ws_handler
        async def handle_counts(self, message: Counts) -> None: ...

    client = await opened(Counting)
    key = "k" * 10_000
    findings = (await client.ask({"action": "counts", "payload": {key: ["x"] * 100}}))["payload"]
    assert [one["loc"] for one in findings] == [["counts", "payload", f"{key[:100]}…", place] for place in range(100)]
    await client.disconnect()


def test_a_key_that_is_too_long_for_a_name_is_none() -> None:
    for long in ("a" + "A" * 100_000, "a_b" * 100):
        for renamed in (snaked, camelized):
            assert renamed({long: 1}) == {long: 1}
    assert len(next(iter(camelized({"a_b" + "c" * 97: 1})))) == 99
