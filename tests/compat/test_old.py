"""Consumers of chanx 0.12: what document 000 says of them, and COMPAT's frames. Django is not in use here."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import types
import uuid
from collections.abc import Iterable
from typing import Any, Generic, Literal, TypeVar

import anyio
import pytest
from pydantic import BaseModel, ConfigDict

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.testing import WebsocketCommunicator
from chanx.compat import old, settings
from chanx.compat.authenticators import AuthenticationResult
from chanx.exceptions import ConfigurationError
from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseChannelEvent, BaseGroupMessage, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage

pytestmark = pytest.mark.anyio

ALLOWED = {
    "action": "authentication",
    "payload": {"status_code": 200, "status_text": "OK", "data": {"detail": "OK"}},
}
PONG = {"action": "pong", "payload": None}
COMPLETE = {"action": "complete", "payload": None}
GROUP_COMPLETE = {"action": "group_complete", "payload": None}
FAILED = {"action": "error", "payload": {"detail": "Failed to process message"}}


class Say(BaseMessage):
    action: Literal["say"] = "say"
    payload: str


class Boom(BaseMessage):
    action: Literal["boom"] = "boom"
    payload: None = None


class Raw(BaseMessage):
    action: Literal["raw"] = "raw"
    payload: dict[str, Any]


class Said(BaseGroupMessage):
    action: Literal["chat_g"] = "chat_g"
    payload: dict[str, str]


class Notify(BaseChannelEvent):
    handler: Literal["notify"] = "notify"
    payload: str


class Count(BaseChannelEvent):
    class Payload(BaseModel):
        number: int

    handler: Literal["count"] = "count"
    payload: Payload


class Told(BaseMessage):
    action: Literal["told"] = "told"
    payload: Any


Incoming = Say | Boom | Raw | PingMessage
Events = Notify | Count


class User:
    def __init__(self, pk: Any) -> None:
        self.pk = pk


class Consumer(AsyncJsonWebsocketConsumer[Incoming, Events, Said]):
    groups = ["room"]
    send_authentication_message: bool | None = False

    async def receive_message(self, message: Incoming, **kwargs: Any) -> None:
        match message:
            case PingMessage():
                await self.send_message(PongMessage())
            case Say(payload=text):
                await self.send_group_message(Said(payload={"text": text}), exclude_current=False)
            case Raw(payload=content):
                await self.send_to_groups(content, exclude_current=False)
            case Boom():
                raise LookupError("a secret")

    async def receive_event(self, event: Events) -> None:
        match event:
            case Notify(payload="boom"):
                raise LookupError("a secret")
            case Notify(payload=text):
                await self.send_message(Told(payload=text))
            case Count():
                await self.send_message(Told(payload=event.payload.number))


class Client(WebsocketCommunicator):
    """A client that speaks JSON."""

    async def say(self, content: Any) -> None:
        await self.send_to(text_data=content if isinstance(content, str) else json.dumps(content))

    async def ask(self, content: Any) -> Any:
        await self.say(content)
        return await self.got()

    async def got(self) -> Any:
        return json.loads(await self.receive_from())


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


@pytest.fixture(autouse=True)
def _without_django(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of the same process may have configured it."""
    monkeypatch.setattr(old, "django_settings", lambda: None)


@pytest.fixture
def chanx(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Django's setting CHANX would say."""
    said: dict[str, Any] = {}
    monkeypatch.setattr(settings, "given", lambda: said)
    return said


async def opened(consumer: Any, path: str = "/", user: Any = None, **kwargs: Any) -> Client:
    client = Client(consumer.as_asgi(**kwargs), path)
    if user is not None:
        client.scope["user"] = user
    connected, _ = await client.connect()
    assert connected
    return client


async def ended(*clients: Client) -> None:
    for client in clients:
        assert await client.receive_nothing(0.01)
        await client.disconnect()


# -- what a class says ----------------------------------------------------------------------------------


def test_a_class_without_parameters_is_refused_with_how_to_write_it() -> None:
    with pytest.raises(ValueError, match=r"Bare.*AsyncJsonWebsocketConsumer\[IC\].*\[IC, Event, OG, M\]"):

        class Bare(AsyncJsonWebsocketConsumer):  # type: ignore[type-arg]
            async def receive_message(self, message: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize("said", [None, Any])
def test_a_parameter_that_says_nothing_is_refused(said: Any) -> None:
    with pytest.raises(ValueError, match="does not say what its clients may send"):
        types.new_class("Vague", (AsyncJsonWebsocketConsumer[said],))


T = TypeVar("T", bound=BaseMessage)


class Base(AsyncJsonWebsocketConsumer[T, None, None], Generic[T]):
    """A class of a project's own between its consumers and chanx."""

    send_authentication_message = False

    async def receive_message(self, message: T, **kwargs: Any) -> None:
        await self.send_message(Told(payload=type(message).__name__))


class OfBase(Base[Say | PingMessage]): ...


class OfOfBase(OfBase): ...


class Quoted(AsyncJsonWebsocketConsumer["Later | PingMessage", None]):
    send_authentication_message = False

    async def receive_message(self, message: Any, **kwargs: Any) -> None:
        await self.send_message(Told(payload=type(message).__name__))


class Later(BaseMessage):
    action: Literal["later"] = "later"
    payload: None = None


@pytest.mark.parametrize(
    ("consumer", "frame"),
    [
        (OfBase, {"action": "say", "payload": "x"}),
        (OfOfBase, {"action": "say", "payload": "x"}),
        (Quoted, {"action": "later"}),
    ],
)
async def test_parameters_by_way_of_other_classes_and_in_quotes(consumer: Any, frame: dict[str, Any]) -> None:
    client = await opened(consumer)
    assert await client.ask({"action": "ping"}) == {"action": "told", "payload": "PingMessage"}
    assert await client.ask(frame) == {"action": "told", "payload": frame["action"].capitalize()}
    await ended(client)


def test_a_parameter_that_is_left_open_has_to_be_filled() -> None:
    with pytest.raises(ValueError, match="Open does not say what its clients may send"):
        type("Open", (Base,), {})


def test_a_class_without_receive_message_is_refused_when_it_is_served() -> None:
    class Mute(AsyncJsonWebsocketConsumer[PingMessage]): ...

    with pytest.raises(TypeError, match=r"Mute has no receive_message; write `async def receive_message"):
        Mute.as_asgi()


def test_a_plain_receive_message_is_refused_when_it_is_served() -> None:
    class Plain(AsyncJsonWebsocketConsumer[PingMessage]):
        def receive_message(self, message: PingMessage, **kwargs: Any) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]

    with pytest.raises(TypeError, match=r"Plain\.receive_message is no coroutine function"):
        Plain.as_asgi()


async def test_a_name_in_quotes_that_is_nowhere_is_a_mistake_that_is_told() -> None:
    class Wrong(AsyncJsonWebsocketConsumer["Nowhere"]):  # type: ignore[name-defined]
        async def receive_message(self, message: Any, **kwargs: Any) -> None: ...

    client = Client(Wrong.as_asgi(), "/")
    with pytest.raises(ConfigurationError, match=r"Wrong cannot be read: name 'Nowhere' is not defined"):
        await client.connect()


# -- frames ---------------------------------------------------------------------------------------------


async def test_a_message_goes_to_receive_message_and_its_answer_to_its_client_alone() -> None:
    one, other = await opened(Consumer), await opened(Consumer)
    assert await one.ask({"action": "ping"}) == PONG
    await ended(one, other)


async def test_what_receive_message_returns_is_not_sent() -> None:
    class Returns(AsyncJsonWebsocketConsumer[PingMessage]):
        send_authentication_message = False

        async def receive_message(self, message: PingMessage, **kwargs: Any) -> Any:
            return PongMessage()

    client = await opened(Returns)
    await client.say({"action": "ping"})
    await ended(client)


async def test_a_handler_that_raises_is_told_without_a_detail(caplog: pytest.LogCaptureFixture) -> None:
    client = await opened(Consumer)
    assert await client.ask({"action": "boom"}) == FAILED
    assert "a secret" in caplog.text
    assert await client.ask({"action": "ping"}) == PONG
    await ended(client)


WRONG: list[tuple[Any, list[Any]]] = [
    ({"action": "say"}, [{"type": "missing", "loc": ["say", "payload"], "msg": "Field required"}]),
    (
        {"action": "nope"},
        [
            {
                "type": "union_tag_invalid",
                "loc": [],
                "msg": "Input tag 'nope' found using 'action' does not match any of the expected tags: "
                "'boom', 'ping', 'raw', 'say'",
            }
        ],
    ),
    ({}, [{"type": "union_tag_not_found", "loc": [], "msg": "Unable to extract tag using discriminator 'action'"}]),
]


@pytest.mark.parametrize(("frame", "payload"), WRONG, ids=["shape", "action", "no action"])
async def test_a_wrong_frame_is_answered_with_findings(frame: Any, payload: Any) -> None:
    client = await opened(Consumer)
    assert await client.ask(frame) == {"action": "error", "payload": payload}
    assert await client.ask({"action": "ping"}) == PONG
    await ended(client)


@pytest.mark.parametrize("completion", [False, True])
@pytest.mark.parametrize("frame", ["{", "", "[]", "5", '"ping"', "null", b"\x00"])
async def test_a_frame_that_is_no_object_is_answered_and_the_connection_goes_on(frame: Any, completion: bool) -> None:
    client = await opened(type("Own", (Consumer,), {"send_completion": completion}))
    if isinstance(frame, bytes):
        await client.send_to(bytes_data=frame)
    else:
        await client.send_to(text_data=frame)
    got = await client.got()
    assert got["action"] == "error"
    assert isinstance(got["payload"], list)
    if completion:
        assert await client.got() == COMPLETE
    assert await client.ask({"action": "ping"}) == PONG
    if completion:
        assert await client.got() == COMPLETE
    await ended(client)


async def test_what_2_x_puts_beside_a_message_means_nothing_here() -> None:
    class Strict(PingMessage):
        model_config = ConfigDict(extra="forbid")

    class OfStrict(AsyncJsonWebsocketConsumer[Strict]):
        send_authentication_message = False

        async def receive_message(self, message: Strict, **kwargs: Any) -> None:
            await self.send_message(PongMessage())

    client = await opened(Consumer)
    assert await client.ask({"action": "ping", "ref": "a1", "topic": "x", "version": 1}) == PONG
    await ended(client)
    client = await opened(OfStrict)
    assert await client.ask({"action": "ping"}) == PONG
    [finding] = (await client.ask({"action": "ping", "ref": "a1"}))["payload"]
    assert finding["type"] == "extra_forbidden"
    await ended(client)


@pytest.mark.parametrize(("at_once", "begun"), [(None, ["+a", "+b", "+c"]), (1, ["+a"])])
async def test_messages_are_handled_at_once_or_one_at_a_time(at_once: int | None, begun: list[str]) -> None:
    handled: list[str] = []
    gate = asyncio.Event()

    class InOrder(AsyncJsonWebsocketConsumer[Say]):
        send_authentication_message = False
        concurrency = at_once or AsyncJsonWebsocketConsumer.concurrency

        async def receive_message(self, message: Say, **kwargs: Any) -> None:
            handled.append(f"+{message.payload}")
            await gate.wait()
            handled.append(f"-{message.payload}")
            if message.payload == "c":
                await self.send_message(PongMessage())

    client = await opened(InOrder)
    for text in "abc":
        await client.say({"action": "say", "payload": text})
    await anyio.wait_all_tasks_blocked()
    assert handled == begun
    gate.set()
    assert await client.got() == PONG
    assert [one for one in handled if one[0] == "+"] == ["+a", "+b", "+c"]
    assert at_once is None or handled == ["+a", "-a", "+b", "-b", "+c", "-c"]
    await ended(client)


async def test_arguments_of_receive_json_reach_receive_message() -> None:
    class More(AsyncJsonWebsocketConsumer[PingMessage]):
        send_authentication_message = False

        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await super().receive_json(content, more=content.pop("more"), **kwargs)

        async def receive_message(self, message: PingMessage, **kwargs: Any) -> None:
            await self.send_message(Told(payload=kwargs))

    client = await opened(More)
    assert (await client.ask({"action": "ping", "more": 1}))["payload"] == {"more": 1}
    await ended(client)


# -- completions ----------------------------------------------------------------------------------------


class Completing(Consumer):
    send_completion = True


async def test_complete_follows_each_frame_each_event_and_group_complete_each_group_message() -> None:
    one, other = await opened(Completing), await opened(Completing)
    assert [await one.ask({"action": "ping"}), await one.got()] == [PONG, COMPLETE]
    assert [await one.ask({"action": "boom"}), await one.got()] == [FAILED, COMPLETE]
    assert [(await one.ask({"action": "nope"}))["action"], await one.got()] == ["error", COMPLETE]
    await one.say({"action": "say", "payload": "hi"})
    got = [await one.got() for _ in range(3)]
    assert [each["action"] for each in got] == ["complete", "chat_g", "group_complete"]
    assert got[0] == COMPLETE
    assert got[2] == GROUP_COMPLETE
    assert [(await other.got())["action"], await other.got()] == ["chat_g", GROUP_COMPLETE]
    await Completing.asend_channel_event("room", Notify(payload="x"))
    assert [await one.got(), await one.got()] == [{"action": "told", "payload": "x"}, COMPLETE]
    await Completing.asend_channel_event("room", Notify(payload="boom"))
    assert [await one.got(), await one.got()] == [FAILED, COMPLETE]
    assert [(await other.got())["action"] for _ in range(4)] == ["told", "complete", "error", "complete"]
    await ended(one, other)


# -- groups ---------------------------------------------------------------------------------------------


def said(text: str, *, mine: bool, current: bool) -> dict[str, Any]:
    return {"action": "chat_g", "payload": {"text": text}, "is_mine": mine, "is_current": current}


async def test_a_group_message_says_whose_it_is() -> None:
    clients = [await opened(Consumer, user=user) for user in (User(1), User(1), User(2), None)]
    await clients[0].say({"action": "say", "payload": "hi"})
    got = [await client.got() for client in clients]
    assert got == [
        said("hi", mine=True, current=True),
        said("hi", mine=True, current=False),
        said("hi", mine=False, current=False),
        said("hi", mine=False, current=False),
    ]
    assert list(got[0]) == ["action", "payload", "is_mine", "is_current"]
    await ended(*clients)


@pytest.mark.parametrize("user", [None, User(None), User(0), User("")])
async def test_of_nobody_nothing_is_mine(user: Any) -> None:
    client = await opened(Consumer, user=user)
    assert await client.ask({"action": "say", "payload": "hi"}) == said("hi", mine=False, current=True)
    await ended(client)


async def test_a_key_that_is_neither_text_nor_number_is_compared_as_text() -> None:
    key = uuid.UUID(int=7)
    one, other = await opened(Consumer, user=User(key)), await opened(Consumer, user=User(uuid.UUID(int=8)))
    assert await one.ask({"action": "say", "payload": "hi"}) == said("hi", mine=True, current=True)
    assert await other.got() == said("hi", mine=False, current=False)
    await ended(one, other)


async def test_a_dictionary_goes_to_groups_as_it_is() -> None:
    client = await opened(Consumer)
    assert await client.ask({"action": "raw", "payload": {"a": 1}}) == {"a": 1, "is_mine": False, "is_current": True}
    await ended(client)


async def test_the_sender_is_left_out_unless_it_is_told_not_to_be() -> None:
    class Others(Consumer):
        async def receive_message(self, message: Any, **kwargs: Any) -> None:
            await self.send_group_message(Said(payload={"text": "a"}))
            await self.send_to_groups({"b": 1})
            await self.send_to_groups(Said(payload={"text": "c"}), kind="message")
            await self.send_to_groups({"d": 1}, ["elsewhere"])
            await self.send_to_groups({"e": 1}, [])

    one, other = await opened(Others), await opened(Others)
    await one.say({"action": "ping"})
    assert [await other.got() for _ in range(3)] == [
        said("a", mine=False, current=False),
        {"b": 1, "is_mine": False, "is_current": False},
        said("c", mine=False, current=False),
    ]
    await ended(one, other)


async def test_what_is_no_frame_is_not_sent_to_groups() -> None:
    class Wrong(Consumer):
        async def receive_message(self, message: Any, **kwargs: Any) -> None:
            with pytest.raises(TypeError, match="a dictionary or a message, not list"):
                await self.send_to_groups([1])
            await self.send_message(PongMessage())

    client = await opened(Wrong)
    assert await client.ask({"action": "ping"}) == PONG
    await ended(client)


async def test_payloads_on_the_channel_layer_are_those_of_the_original(layer: InMemoryChannelLayer) -> None:
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    client = await opened(Consumer, user=User(3))
    await client.ask({"action": "say", "payload": "hi"})
    got = await layer.receive(channel)
    sender = got.pop("from_channel")
    assert got == {
        "type": "send_group_member",
        "content": said("hi", mine=False, current=False),
        "kind": "message",
        "exclude_current": False,
        "from_user_pk": 3,
    }
    assert isinstance(sender, str)
    await Consumer.asend_channel_event("room", Count(payload=Count.Payload(number=1)))
    assert await layer.receive(channel) == {
        "type": "handle_channel_event",
        "event_data": {"handler": "count", "payload": {"number": 1}},
    }
    await client.got()
    await ended(client)


async def test_build_groups_adds_to_the_attribute() -> None:
    seen: list[list[str]] = []

    class Built(Consumer):
        async def build_groups(self) -> Iterable[str]:
            self.group_name = "built"
            return (one for one in (self.group_name, "room"))

        async def disconnect(self, code: int) -> None:
            seen.append(sorted(self.groups))

    client = await opened(Built)
    other = await opened(Consumer)
    for group in ("built", "room"):
        await Consumer.asend_channel_event(group, Notify(payload=group))
        assert await client.got() == {"action": "told", "payload": group}
    assert await other.got() == {"action": "told", "payload": "room"}
    await client.say({"action": "say", "payload": "x"})
    assert await client.got() == await client.got()  # it comes by way of each group that it goes to
    await other.got()
    await ended(client, other)
    assert seen == [["built", "room"]]


async def test_a_client_that_is_told_that_it_may_stay_is_in_its_groups() -> None:
    class Told(Consumer):
        send_authentication_message = True

    client = await opened(Told)
    assert await client.got() == ALLOWED
    await Told.asend_channel_event("room", Notify(payload="x"))
    assert (await client.got())["payload"] == "x"
    await ended(client)


async def test_a_name_that_groups_are_extended_by_is_one_group() -> None:
    groups: list[Any] = []

    class Joins(Consumer):
        async def receive_message(self, message: Any, **kwargs: Any) -> None:
            self.groups.extend("annex")
            self.groups += "attic"
            self.groups += ["cellar"]
            await self.send_message(PongMessage())

        async def disconnect(self, code: int) -> None:
            groups.append(list(self.groups))

    client = await opened(Joins)
    await client.ask({"action": "ping"})
    await ended(client)
    assert groups == [["room", "annex", "attic", "cellar"]]


@pytest.mark.parametrize("by", ["attribute", "build_groups"])
async def test_groups_that_are_one_string_are_refused(by: str) -> None:
    class Text(AsyncJsonWebsocketConsumer[PingMessage]):
        send_authentication_message = False

        async def build_groups(self) -> Any:
            return "room" if by == "build_groups" else []

        async def receive_message(self, message: PingMessage, **kwargs: Any) -> None: ...

    if by == "attribute":
        Text.groups = "room"
    client = Client(Text.as_asgi(), "/")
    await client.send_input({"type": "websocket.connect"})
    with pytest.raises(TypeError, match=r"string.*\[.room.\]"):
        await client.wait()


# -- events ---------------------------------------------------------------------------------------------


async def test_an_event_is_sent_from_a_thread_and_not_from_a_running_loop() -> None:
    client = await opened(Consumer)
    await asyncio.to_thread(Consumer.send_channel_event, "room", Notify(payload="Ada"))
    assert await client.got() == {"action": "told", "payload": "Ada"}
    with pytest.raises(RuntimeError, match=r"await Consumer\.asend_channel_event"):
        Consumer.send_channel_event("room", Notify(payload="Ada"))
    await ended(client)


async def test_events_are_validated_and_others_go_by(layer: InMemoryChannelLayer) -> None:
    client = await opened(Consumer)
    for data in ({"handler": "other", "payload": 1}, {"handler": "count", "payload": {"number": "x"}}):
        await layer.group_send("room", {"type": "handle_channel_event", "event_data": data})
    await Consumer.asend_channel_event("room", Count(payload=Count.Payload(number=5)))
    assert await client.got() == {"action": "told", "payload": 5}
    await ended(client)


async def test_an_event_that_nothing_handles_is_an_error_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Unready(AsyncJsonWebsocketConsumer[PingMessage, Notify]):
        groups = ["room"]
        send_authentication_message = False

        async def receive_message(self, message: PingMessage, **kwargs: Any) -> None: ...

    client = await opened(Unready)
    await Unready.asend_channel_event("room", Notify(payload="x"))
    assert await client.got() == FAILED
    assert "write `async def receive_event(self, event)` in" in caplog.text
    await ended(client)


# -- authentication, without Django -----------------------------------------------------------------------


class Guard:
    async def authenticate(self, scope: Any) -> AuthenticationResult:
        if scope["path"] == "/boom":
            raise LookupError("a secret")
        if scope["path"] == "/denied":
            return AuthenticationResult(False, 403, "Forbidden", {"detail": "no"})
        return AuthenticationResult(True, 200, "OK", {"detail": "OK"}, User(4), "the object")


class Guarded(Consumer):
    authenticator_class = Guard
    send_authentication_message = None

    async def post_authentication(self) -> None:
        assert self.connecting
        await self.send_message(Told(payload=[self.user.pk, self.obj]))

    async def receive_message(self, message: Any, **kwargs: Any) -> None:
        await self.send_message(Told(payload=self.connecting))


async def test_who_may_stay_is_told_so_first() -> None:
    client = await opened(Guarded)
    assert [await client.got(), await client.got()] == [ALLOWED, {"action": "told", "payload": [4, "the object"]}]
    assert (await client.ask({"action": "ping"}))["payload"] is False
    await ended(client)


@pytest.mark.parametrize(
    ("path", "status", "phrase", "detail"),
    [("/denied", 403, "Forbidden", "no"), ("/boom", 500, "Internal Server Error", "Internal server error")],
)
async def test_who_may_not_stay_is_told_so_and_closed_without_a_code(
    path: str, status: int, phrase: str, detail: str
) -> None:
    client = await opened(Guarded, path)
    payload = {"status_code": status, "status_text": phrase, "data": {"detail": detail}}
    assert await client.got() == {"action": "authentication", "payload": payload}
    assert await client.receive_output() == {"type": "websocket.close"}
    await client.disconnect()


# -- settings -------------------------------------------------------------------------------------------


async def test_settings_count_for_connections_that_begin_after_them(chanx: dict[str, Any]) -> None:
    class Plain(Consumer):
        send_authentication_message = None

    client = await opened(Plain)
    assert await client.got() == ALLOWED
    assert await client.ask({"action": "ping"}) == PONG
    await ended(client)
    chanx |= {"SEND_COMPLETION": True, "SEND_AUTHENTICATION_MESSAGE": False}
    client = await opened(Plain)
    assert [await client.ask({"action": "ping"}), await client.got()] == [PONG, COMPLETE]
    await ended(client)


async def test_names_are_in_camel_case_where_the_setting_says_so(chanx: dict[str, Any]) -> None:
    class Named(BaseMessage):
        action: Literal["named"] = "named"
        user_name: str
        payload: None = None

    class Camel(AsyncJsonWebsocketConsumer[Named]):
        groups = ["room"]

        async def receive_message(self, message: Named, **kwargs: Any) -> None:
            await self.send_to_groups({"user_name": message.user_name}, exclude_current=False)

    chanx["CAMELIZE"] = True
    client = await opened(Camel)
    assert (await client.got())["payload"] == {"statusCode": 200, "statusText": "OK", "data": {"detail": "OK"}}
    got = await client.ask({"action": "named", "userName": "Ada"})
    assert got == {"userName": "Ada", "isMine": False, "isCurrent": True}
    await ended(client)


async def test_messages_may_be_told_by_another_field(chanx: dict[str, Any]) -> None:
    class Kind(BaseMessage):
        kind: Literal["kind"] = "kind"
        action: str = ""
        payload: None = None

    class Other(AsyncJsonWebsocketConsumer[Kind]):
        send_authentication_message = False

        async def receive_message(self, message: Kind, **kwargs: Any) -> None:
            await self.send_message(PongMessage())

    class Both(AsyncJsonWebsocketConsumer[PingMessage]):
        send_authentication_message = False

        async def receive_message(self, message: PingMessage, **kwargs: Any) -> None:
            await self.send_message(PongMessage())

    client = await opened(Both)
    assert await client.ask({"action": "ping"}) == PONG
    await ended(client)
    chanx["MESSAGE_ACTION_KEY"] = "kind"
    client = await opened(Other)
    assert await client.ask({"kind": "kind"}) == PONG
    await ended(client)
    with pytest.raises(ConfigurationError, match="kind"):
        await opened(Both)
    chanx.clear()
    client = await opened(Both)
    assert await client.ask({"action": "ping"}) == PONG
    await ended(client)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    found = (re.match(r"Consumer (?:#\d+ )?(received|sent) (\w+)", message) for message in messages)
    return [" ".join(one.groups()) for one in found if one]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, ["received ping", "sent pong", "received say", "sent chat_g"]),
        ({"log_received_message": False}, ["sent pong", "sent chat_g"]),
        ({"log_sent_message": False}, ["received ping", "received say"]),
        ({"log_ignored_actions": ["ping", "pong"]}, ["received say", "sent chat_g"]),
        ({"log_received_message": False, "log_sent_message": False}, []),
    ],
)
async def test_what_is_logged(
    attributes: dict[str, Any], expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chanx")
    client = await opened(type("Consumer", (Consumer,), {**attributes, "__qualname__": "Consumer"}))
    assert await client.ask({"action": "ping"}) == PONG
    await client.ask({"action": "say", "payload": "hi"})
    await ended(client)
    assert logged(caplog) == expected


@pytest.mark.parametrize("action", [["ping"], {"a": 1}, 5, None])
async def test_an_action_that_is_no_text_is_logged_and_answered(action: Any) -> None:
    client = await opened(Consumer)
    assert (await client.ask({"action": action}))["action"] == "error"
    assert await client.ask({"action": "ping"}) == PONG
    await ended(client)


# -- names that belong to users -----------------------------------------------------------------------------


async def test_names_of_2_x_are_free() -> None:
    class Own(AsyncJsonWebsocketConsumer[PingMessage | Boom]):
        send_authentication_message = False

        async def post_authentication(self) -> None:
            self.url_params = {"own": 1}

        async def join_group(self, one: int, two: int) -> int:
            return one + two

        def should_send_completion(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
            raise LookupError

        async def receive_message(self, message: Any, **kwargs: Any) -> None:
            await self.send_message(Told(payload=[self.url_params, await self.join_group(1, 2)]))

    client = await opened(Own)
    assert (await client.ask({"action": "ping"}))["payload"] == [{"own": 1}, 3]
    await ended(client)
