"""What may be configured and overridden in consumers of chanx 2.x."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from chanx.channels.exceptions import StopConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.compat import settings
from chanx.compat.authenticators import BaseAuthenticator
from chanx.core.config import config
from chanx.core.decorators import event_handler, ws_handler
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import ErrorMessage, PongMessage
from tests.compat.client import PONG, Client, error, opened

pytestmark = pytest.mark.anyio

COMPLETE = {"action": "complete", "payload": None}


class Payload(BaseModel):
    some_text: str


class Chat(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: Payload


class Quiet(BaseMessage):
    action: Literal["quiet"] = "quiet"
    payload: str = ""


class Boom(BaseMessage):
    action: Literal["boom"] = "boom"
    payload: None = None


class Base(AsyncJsonWebsocketConsumer[Quiet]):
    groups = ["room"]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler
    async def handle_chat(self, message: Chat) -> Chat:
        return message

    @ws_handler
    async def handle_quiet(self, message: Quiet) -> None:
        if message.payload:
            await self.broadcast_message(message)

    @ws_handler
    async def handle_boom(self, message: Boom) -> None:
        raise LookupError("a secret")

    @event_handler
    async def event(self, event: Quiet) -> None:
        if event.payload == "boom":
            raise LookupError("a secret")


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


@pytest.fixture
def chanx_settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    said: dict[str, Any] = {}
    monkeypatch.setattr(settings, "given", lambda: said)
    return said


# -- completions ----------------------------------------------------------------------------------------


async def test_a_completion_ends_what_a_message_led_to_and_not_a_rejected_frame() -> None:
    class Consumer(Base):
        send_completion = True

    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    assert await client.got() == COMPLETE
    assert await client.ask({"action": "quiet"}) == COMPLETE
    assert await client.ask({"action": "boom"}) == error({"detail": "Failed to process message for boom"})
    assert await client.got() == COMPLETE
    assert (await client.ask({"action": "nope"}))["action"] == "error"
    assert await client.got() == COMPLETE
    assert (await client.ask("{"))["action"] == "error"
    assert (await client.ask("[]"))["action"] == "error"
    assert await client.ask({"action": "ping", "ref": 1}) == {**PONG, "version": 1, "ref": 1}
    assert await client.got() == {**COMPLETE, "version": 1, "ref": 1}
    await client.disconnect()


async def test_group_messages_and_events_have_completions_of_their_own() -> None:
    class Consumer(Base):
        send_completion = True

    client = await opened(Consumer)
    await Consumer.broadcast_event(Quiet())
    assert await client.got() == {"action": "event_complete", "payload": None}
    await Consumer.broadcast_event(Quiet(payload="boom"))
    assert await client.got() == error({"detail": "Failed to process event for quiet"})
    assert await client.got() == {"action": "event_complete", "payload": None}
    assert await client.ask({"action": "quiet", "payload": "hello"}) == COMPLETE
    assert await client.got() == {"action": "quiet", "payload": "hello", "is_current": True}
    assert await client.got() == {"action": "group_complete", "payload": None}
    await client.disconnect()


async def test_a_setting_counts_where_the_class_says_nothing(chanx_settings: dict[str, Any]) -> None:
    class Never(Base):
        send_completion = False

    chanx_settings["SEND_COMPLETION"] = True
    client, never = await opened(Base), await opened(Never)
    assert await client.ask({"action": "quiet"}) == COMPLETE
    assert await never.ask({"action": "ping"}) == PONG
    assert await never.receive_nothing()
    chanx_settings.clear()
    later = await opened(Base)
    assert await later.ask({"action": "ping"}) == PONG
    assert await later.receive_nothing()
    for one in (client, never, later):
        await one.disconnect()


async def test_an_instance_may_change_its_mind() -> None:
    class Consumer(Base):
        async def handle_quiet(self, message: Quiet) -> None:
            self.send_completion = True

    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    assert await client.ask({"action": "quiet"}) == COMPLETE
    await client.disconnect()


def test_the_settings_have_their_defaults() -> None:
    assert (config.send_completion, config.send_message_immediately, config.camelize) == (False, True, False)
    assert (config.log_websocket_message, list(config.log_ignored_actions)) == (False, [])
    assert config.discriminator_field == "action"
    with pytest.raises(AttributeError, match="no setting 'nothing'"):
        _ = config.nothing


# -- names ----------------------------------------------------------------------------------------------


async def test_names_are_in_camel_case_on_the_wire_both_ways() -> None:
    class Consumer(Base):
        camelize = True

        @ws_handler
        async def handle_chat(self, message: Chat) -> Chat:
            await self.broadcast_message({"action": "x", "two_words": {"and_more": 1, "a key": 2, "AB_c": 3}})
            return message

    client = await opened(Consumer)
    chat = {"action": "chat", "payload": {"someText": "a_b"}}
    assert await client.ask(chat) == chat
    assert await client.got() == {
        "action": "x",
        "twoWords": {"andMore": 1, "a key": 2, "AB_c": 3},
        "isCurrent": True,
    }
    assert await client.ask({**chat, "ref": "r"}) == {**chat, "version": 1, "ref": "r"}
    assert (await client.got())["isCurrent"]
    [finding] = (await client.ask({"action": "chat", "payload": {}}))["payload"]
    assert finding["loc"] == ["chat", "payload", "some_text"]
    await client.disconnect()


async def test_another_field_may_tell_messages_apart() -> None:
    class Knock(BaseModel):
        kind: Literal["knock"] = "knock"
        times: int = 1

    class Consumer(AsyncJsonWebsocketConsumer):
        discriminator_field = "kind"

        @ws_handler
        async def handle_knock(self, message: Knock) -> Knock:
            return Knock(times=message.times + 1)

    client = await opened(Consumer)
    assert await client.ask({"kind": "knock", "times": 2}) == {"kind": "knock", "times": 3}
    [finding] = (await client.ask({"kind": "x"}))["payload"]
    assert finding["msg"] == "Input tag 'x' found using 'kind' does not match any of the expected tags: 'knock'"
    await client.disconnect()


# -- logs -----------------------------------------------------------------------------------------------


async def test_messages_are_logged_but_for_actions_that_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    class Consumer(Base):
        log_websocket_message = True
        log_ignored_actions = ["ping", "pong"]
        send_completion = True

    caplog.set_level(logging.INFO, "chanx")
    client = await opened(Consumer)
    await client.ask({"action": "ping"})
    await client.got()
    assert caplog.messages == []
    await client.ask({"action": "chat", "payload": {"some_text": "x"}})
    await client.got()
    received, sent = caplog.messages
    assert "received chat" in received
    assert "sent chat" in sent
    assert received.endswith(")")
    assert received.split("(")[-1] == sent.split("(")[-1]  # the number of the message
    await client.disconnect()
    assert caplog.messages[-1].endswith("disconnected with 1000")


async def test_nothing_is_logged_unless_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "chanx")
    client = await opened(Base)
    await client.ask({"action": "ping"})
    await client.ask({"action": "quiet", "payload": "x"})
    await client.disconnect()
    assert caplog.messages == []


# -- what may be overridden -----------------------------------------------------------------------------

HOOKS = [
    "websocket_receive",
    "receive",
    "decode_json",
    "receive_json",
    "handle_json",
    "receive_message",
    "handle_result",
    "send_message",
    "send_json",
    "encode_json",
]


@pytest.mark.parametrize("name", HOOKS)
async def test_each_method_on_the_way_of_a_message_may_be_overridden(name: str) -> None:
    called: list[str] = []
    base: Any = AsyncJsonWebsocketConsumer

    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(name)
        return await getattr(super(Consumer, self), name)(*args, **kwargs)

    async def of_class(cls: Any, *args: Any) -> Any:
        called.append(name)
        return await getattr(base, name)(*args)

    Consumer: Any = type("Consumer", (Base,), {name: classmethod(of_class) if name[2:6] == "code" else method})
    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    assert called == [name]
    assert await client.ask({"action": "ping", "ref": "x"}) == {**PONG, "version": 1, "ref": "x"}
    assert called == [name, name]
    await client.disconnect()


async def test_errors_may_be_answered_otherwise() -> None:
    seen: list[Any] = []

    class Consumer(Base):
        async def handle_validation_error(self, error: ValidationError) -> None:
            await self.send_message(ErrorMessage(payload=error.error_count()))

        async def handle_json_processing_error(self, error: Exception) -> None:
            await self.send_message(ErrorMessage(payload="processing"))

        async def handle_message_handler_error(self, error: Exception, action: str, message: Any) -> None:
            seen.append((type(error), action, message))
            await self.send_message(ErrorMessage(payload="handler"))

        async def handle_event_handler_error(self, error: Exception, action: str, event: Any) -> None:
            seen.append((type(error), action, event))
            await self.send_message(ErrorMessage(payload="event"))

        async def receive_message(self, message: Any, **kwargs: Any) -> None:
            if isinstance(message, Quiet):
                raise LookupError
            await super().receive_message(message, **kwargs)

    client = await opened(Consumer)
    assert await client.ask({}) == error(1)
    assert await client.ask("{") == error(1)
    assert await client.ask({"action": "boom"}) == error("handler")
    assert await client.ask({"action": "quiet"}) == error("processing")
    await Consumer.broadcast_event(Quiet(payload="boom"))
    assert await client.got() == error("event")
    assert seen == [(LookupError, "boom", Boom()), (LookupError, "quiet", Quiet(payload="boom"))]
    await client.disconnect()


async def test_a_handler_that_awaits_what_was_cancelled_has_failed() -> None:
    class Consumer(Base):
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task
            return PongMessage()

    client = await opened(Consumer)
    for frame in ({"action": "ping"}, {"action": "ping"}):
        assert await client.ask(frame) == error({"detail": "Failed to process message for ping"})
    await client.disconnect()


async def test_a_handler_may_end_its_consumer() -> None:
    class Consumer(Base):
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            raise StopConsumer

    client = await opened(Consumer)
    await client.tell({"action": "ping"})
    await client.wait()


async def test_a_client_that_has_left_is_no_failure_of_a_handler(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[int] = []

    class Consumer(Base):
        async def disconnect(self, code: int) -> None:
            ended.append(code)

    events = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": '{"action":"ping"}'},
        {"type": "websocket.receive", "text": '{"action":"ping","ref":1}'},
        {"type": "websocket.disconnect", "code": 1001},
    ]

    async def receive() -> Any:
        return events.pop(0)

    async def send(event: Any) -> None:
        if event["type"] == "websocket.send":
            raise OSError

    await Consumer.as_asgi()({"type": "websocket"}, receive, send)
    assert ended == [1001]
    assert caplog.messages == []


async def test_groups_are_lists() -> None:
    class Text(Base):
        groups: Any = "room"

    class Extra(Base):
        extra_groups = "room"

    for consumer in (Text, Extra):
        client = Client(consumer.as_asgi(), "/")
        with pytest.raises(TypeError, match=r"\['room'\]|\[\"room\"\]"):
            await client.connect()


async def test_a_validator_that_is_broken_is_no_fault_of_the_client(caplog: pytest.LogCaptureFixture) -> None:
    from pydantic import field_validator

    class Odd(BaseMessage):
        action: Literal["odd"] = "odd"
        payload: str

        @field_validator("payload")
        @classmethod
        def broken(cls, value: str) -> str:
            raise LookupError("a secret")

    class Consumer(Base):
        @ws_handler
        async def handle_odd(self, message: Odd) -> None: ...

    client = await opened(Consumer)
    assert await client.ask({"action": "odd", "payload": ""}) == error({"detail": "Failed to process message"})
    assert "a secret" in caplog.text
    await client.disconnect()


async def test_a_message_may_be_checked_before_it_is_sent() -> None:
    class Other(BaseMessage):
        action: Literal["other"] = "other"
        payload: None = None

    class Consumer(Base):
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            await self.send_message(PongMessage(), validate=True)
            with pytest.raises(ValidationError):
                await self.send_message(Other(), validate=True)
            with pytest.raises(TypeError, match="dict is no message"):
                await self.send_message({"action": "pong"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            await self.send_message(Other())
            return PongMessage()

    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    assert await client.got() == {"action": "other", "payload": None}
    assert await client.got() == PONG
    await client.disconnect()


async def test_findings_are_told_up_to_a_hundred() -> None:
    class Many(BaseMessage):
        action: Literal["many"] = "many"
        payload: list[int]

    class Consumer(Base):
        send_completion = True

        @ws_handler
        async def handle_many(self, message: Many) -> None: ...

    client = await opened(Consumer)
    assert len((await client.ask({"action": "many", "payload": [""] * 100}))["payload"]) == 100
    assert await client.got() == COMPLETE
    finding = {"type": "too_many", "loc": [], "msg": "101 values of the message are invalid"}
    assert await client.ask({"action": "many", "payload": [""] * 101}) == error([finding])
    assert await client.got() == COMPLETE
    await client.disconnect()


async def test_models_that_forbid_what_they_do_not_know_allow_a_ref() -> None:
    class Strict(BaseMessage):
        model_config = ConfigDict(extra="forbid")
        action: Literal["strict"] = "strict"
        payload: None = None

    class Consumer(Base):
        @ws_handler
        async def handle_strict(self, message: Strict) -> Strict:
            return message

    client = await opened(Consumer)
    strict = {"action": "strict", "payload": None}
    assert await client.ask({**strict, "ref": "x", "version": 1}) == {**strict, "version": 1, "ref": "x"}
    assert (await client.ask({**strict, "other": "x"}))["payload"][0]["type"] == "extra_forbidden"
    await client.disconnect()


async def test_a_field_may_be_called_ref() -> None:
    class Own(BaseMessage):
        action: Literal["own"] = "own"
        payload: None = None
        ref: str

    class Consumer(Base):
        @ws_handler
        async def handle_own(self, message: Own) -> Own:
            return message

    client = await opened(Consumer)
    own = {"action": "own", "payload": None, "ref": "x"}
    assert await client.ask(own) == own
    await client.disconnect()


# -- the connection -------------------------------------------------------------------------------------


async def test_groups_are_those_of_all_classes_and_end_with_the_connection(layer: InMemoryChannelLayer) -> None:
    class Mixin:
        extra_groups = ["extra"]

    class Consumer(Mixin, Base):
        extra_groups = ["more", "room"]

        async def post_authentication(self) -> None:
            await self.join_group("joined")
            await self.join_group("left")
            await self.leave_group("left")
            await self.channel_layer.group_add("appended", self.channel_name)
            self.groups.append("appended")

    one, other = await opened(Consumer), await opened(Base)
    for group in ("room", "extra", "more", "joined", "appended"):
        await Consumer.broadcast_event(Quiet(payload="boom"), group)
        assert (await one.got())["action"] == "error"
    await Consumer.broadcast_event(Quiet(payload="boom"), "left")
    assert await one.receive_nothing()
    assert Base.groups == ["room"]
    await one.disconnect()
    await other.disconnect()
    assert layer._mailboxes == {}


async def test_what_the_path_has_captured_is_told_by_name() -> None:
    told: list[Any] = []

    class Consumer(Base):
        async def post_authentication(self) -> None:
            told.append(self.url_params)

    app = Consumer.as_asgi()

    async def routed(scope: Any, receive: Any, send: Any) -> None:
        kwargs = {"room": "7"}
        await app({**scope, "path_params": {"tail": "x"}, "url_route": {"args": (), "kwargs": kwargs}}, receive, send)

    client = Client(routed, "/")
    await client.connect()
    assert told == [{"room": "7", "tail": "x"}]
    await client.disconnect()


class Token(BaseAuthenticator):
    user: str | None = None

    async def authenticate(self, *args: Any) -> bool:
        self.user = self.get_query_param("name")
        return self.user is not None


class Guarded(Base):
    authenticator_class = Token
    authenticator: Token
    ended: list[int] = []

    async def post_authentication(self) -> None:
        await self.send_message(Quiet(payload=f"{self.authenticator.user} is {self.user}"))

    async def disconnect(self, code: int) -> None:
        self.ended.append(code)


async def test_nothing_is_handled_for_a_client_that_is_not_let_in() -> None:
    client = await opened(Guarded, "/?name=Ada")
    assert await client.got() == {"action": "quiet", "payload": "Ada is Ada"}
    assert await client.ask({"action": "ping"}) == PONG
    stranger = await opened(Guarded)
    await stranger.tell({"action": "ping"})
    assert (await stranger.receive_output())["code"] == 4401
    await Guarded.broadcast_event(Quiet(payload="boom"))
    assert (await client.got())["action"] == "error"
    assert await stranger.receive_nothing()
    await stranger.disconnect()
    await client.disconnect()
    assert len(Guarded.ended) == 2
