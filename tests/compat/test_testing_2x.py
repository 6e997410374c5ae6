"""What tests of chanx 2.x consumers are written with: `chanx.core.testing`, `chanx.channels.testing` and their like."""

from __future__ import annotations

import unittest
from typing import Any, Literal

import tests.django_project  # noqa: F401 - what follows wants its settings

# isort: split

import pytest
from channels.testing import WebsocketCommunicator as ChannelsCommunicator
from django.test import override_settings
from pydantic import BaseModel, ValidationError

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.routing import ProtocolTypeRouter, URLRouter, path
from chanx.channels.testing import WebsocketCommunicator, WebsocketTestCase
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.constants import ACTION_COMPLETE, EVENT_ACTION_COMPLETE, GROUP_ACTION_COMPLETE
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.decorators import event_handler, ws_handler
from chanx.core.testing import (
    CapturedBroadcastEvent,
    WebsocketCommunicatorMixin,
    capture_broadcast_events,
    capture_topic_broadcasts,
)
from chanx.core.topic import Topic
from chanx.fast_channels.testing import WebsocketCommunicator as FastCommunicator
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import AuthenticationMessage, ErrorMessage, PongMessage
from chanx.messages.topic import SubscribeMessage
from tests.compat.client import PONG

pytestmark = pytest.mark.anyio


class Names(BaseModel):
    full_name: str


class Say(BaseMessage):
    action: Literal["say"] = "say"
    payload: Names


class Said(BaseMessage):
    action: Literal["said"] = "said"
    payload: Names


class Happened(BaseMessage):
    action: Literal["happened"] = "happened"
    payload: int


class Undeclared(BaseMessage):
    action: Literal["undeclared"] = "undeclared"
    payload: None = None


ADA = Names(full_name="Ada Lovelace")


class Run(Topic):
    pattern = "run:{id}"
    passthrough_events = [Happened]


class Chat(AsyncJsonWebsocketConsumer[Happened]):
    groups = ["room"]
    topics = [Run]
    send_completion = True

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler(output_type=Said)
    async def handle_say(self, message: Say) -> None:
        await self.broadcast_message(Said(payload=message.payload))

    @ws_handler
    async def handle_undeclared(self, message: Undeclared) -> None:
        await self.send_message(message)

    @event_handler
    async def handle_happened(self, event: Happened) -> Happened:
        return event


class Guard(BaseAuthenticator):
    async def authenticate(self) -> bool:
        return self.get_query_param("token") == "secret"


class Guarded(Chat):
    authenticator_class = Guard


@pytest.fixture(autouse=True)
def layer() -> None:
    register_channel_layer("default", InMemoryChannelLayer())


@pytest.mark.parametrize("communicator", [WebsocketCommunicator, FastCommunicator])
async def test_messages_go_and_come(communicator: type[WebsocketCommunicator]) -> None:
    async with communicator(Chat.as_asgi(), "/", consumer=Chat) as client:
        await client.send_message(PingMessage())
        assert await client.receive_all_messages() == [PongMessage()]
        await client.send_message(PingMessage())
        assert await client.receive_all_json() == [PONG]
        await client.send_message(Say(payload=ADA))
        assert await client.receive_all_messages(stop_action=GROUP_ACTION_COMPLETE) == [Said(payload=ADA)]
        await Chat.broadcast_event(Happened(payload=1))
        assert await client.receive_all_messages(EVENT_ACTION_COMPLETE, timeout=1) == [Happened(payload=1)]
        await client.send_json_to({"action": "nope"})
        [error] = await client.receive_all_messages(ACTION_COMPLETE)
        assert isinstance(error, ErrorMessage)
    assert client.future.done()


async def test_the_consumer_is_known_by_its_application() -> None:
    async with WebsocketCommunicator(Chat.as_asgi(), "/") as client:
        assert client.consumer is Chat
        await client.send_message(PingMessage())
        assert await client.receive_all_messages() == [PongMessage()]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await Chat.as_asgi()(scope, receive, send)

    client = WebsocketCommunicator(application, "/")
    assert await client.connect() == (True, None)
    with pytest.raises(TypeError, match="consumer="):
        await client.receive_all_messages()
    await client.disconnect()


async def test_without_completions_all_of_the_time_is_waited_and_the_application_goes_on() -> None:
    class Quiet(Chat):
        send_completion = False

    async with WebsocketCommunicator(Quiet.as_asgi(), "/") as client:
        for _ in range(2):
            await client.send_message(PingMessage())
            assert await client.receive_all_messages(timeout=0.05) == [PongMessage()]
            assert await client.receive_all_json(timeout=0.01) == []


async def test_a_message_that_the_consumer_does_not_tell_of() -> None:
    async with WebsocketCommunicator(Chat.as_asgi(), "/") as client:
        await client.send_message(Undeclared())
        with pytest.raises(ValidationError):
            await client.receive_all_messages()


async def test_camel_case() -> None:
    class Camel(Chat):
        camelize = True

    async with WebsocketCommunicator(Camel.as_asgi(), "/") as client:
        await client.send_message(Say(payload=ADA))
        assert await client.receive_all_messages(GROUP_ACTION_COMPLETE) == [Said(payload=ADA)]
        await client.send_message(Say(payload=ADA))
        [said] = await client.receive_all_json(wait_group=True)
        assert said["payload"] == {"fullName": "Ada Lovelace"}


async def test_topics() -> None:
    async with WebsocketCommunicator(Chat.as_asgi(), "/") as client:
        await client.send_json_to({**SubscribeMessage().model_dump(), "topic": "run:1"})
        assert (await client.receive_until_action("subscribed", inclusive=True))[0]["topic"] == "run:1"
        await Run.broadcast("run:1", Happened(payload=1), seq=3)
        got = await client.receive_all_messages(EVENT_ACTION_COMPLETE)
        assert got == [Happened(payload=1)]


async def test_a_client_that_is_turned_away() -> None:
    client = WebsocketCommunicator(Guarded.as_asgi(), "/?token=wrong")
    assert await client.connect() == (True, None)
    await client.assert_closed()
    assert await client.receive_all_messages() == []
    await client.disconnect()
    async with WebsocketCommunicator(Guarded.as_asgi(), "/?token=secret") as client:
        with pytest.raises(AssertionError, match="not closed"):
            await client.assert_closed(timeout=0.1)


async def test_the_verdict_on_a_connection() -> None:
    class Told(Guard):
        async def authenticate(self) -> bool:
            self.status_code = 200 if await super().authenticate() else 403
            payload = {"status_code": self.status_code, "status_text": "", "data": None}
            await self.send_message(AuthenticationMessage.model_validate({"payload": payload}))
            return self.status_code == 200

    class Verdict(Chat):
        authenticator_class = Told

    application = Verdict.as_asgi()
    async with WebsocketCommunicator(application, "/?token=secret") as client:
        await client.assert_authenticated_status_ok(5)
        await client.send_message(PingMessage())
        assert await client.receive_all_json(5) == [PONG]
    async with WebsocketCommunicator(application, "/") as client:
        with pytest.raises(AssertionError, match="may not stay"):
            await client.assert_authenticated_status_ok(5)
        await client.assert_closed()


async def test_what_the_application_raises_is_told_at_the_end() -> None:
    class Broken(Chat):
        async def post_authentication(self) -> None:
            raise LookupError("broken")

    with pytest.raises(LookupError, match="broken"):
        async with WebsocketCommunicator(Broken.as_asgi(), "/") as client:
            await client.receive_all_json()
    with pytest.raises(KeyError, match="of the test"):
        async with WebsocketCommunicator(Broken.as_asgi(), "/"):
            raise KeyError("of the test")


async def test_the_mixin_stands_before_a_communicator_of_channels() -> None:
    class Mixed(WebsocketCommunicatorMixin, ChannelsCommunicator):  # type: ignore[misc]
        pass

    async with Mixed(Chat.as_asgi(), "/", consumer=Chat) as client:
        await client.send_message(PingMessage())
        assert await client.receive_all_messages() == [PongMessage()]


# -- what is broadcast --------------------------------------------------------------------------------


async def test_broadcast_events_are_captured_and_sent() -> None:
    class Other(Chat):
        groups = ["other"]

    async with WebsocketCommunicator(Chat.as_asgi(), "/") as client:
        with capture_broadcast_events() as events, capture_broadcast_events(Other) as others:
            await Chat.broadcast_event(Happened(payload=1))
            await Other.broadcast_event(Happened(payload=2), groups="a")
        await Chat.broadcast_event(Happened(payload=3))
        assert events == [
            CapturedBroadcastEvent(Happened(payload=1), ["room"], Chat),
            CapturedBroadcastEvent(Happened(payload=2), ["a"], Other),
        ]
        assert others == events[1:]
        assert await client.receive_all_messages(EVENT_ACTION_COMPLETE) == [Happened(payload=1)]


async def test_broadcasts_to_topics_are_captured() -> None:
    with capture_topic_broadcasts() as found, capture_topic_broadcasts(Run) as of_runs:
        await Run.broadcast("run:1", Happened(payload=1), seq=4)
        with pytest.raises(ValueError, match="no topic"):
            await Run.broadcast("walk:1", Happened(payload=1))
    assert [(one.topic, one.event, one.seq, one.topic_class) for one in found] == [
        ("run:1", Happened(payload=1), 4, Run)
    ]
    assert of_runs == found


# -- Django's test case -------------------------------------------------------------------------------

APPLICATION = ProtocolTypeRouter(
    {"websocket": URLRouter([path("ws/chat/<str:room>/", Chat.as_asgi()), path("ws/guarded/", Guarded.as_asgi())])}
)


class Case(WebsocketTestCase):
    __test__ = False  # Django's own runner runs it below
    databases = ()
    ws_path = "/ws/chat/attic/"
    made: Any = []

    async def test_talk(self) -> None:
        client = self.auth_communicator
        assert client is self.auth_communicator
        assert client.consumer is Chat
        await client.connect()
        await client.send_message(PingMessage())
        assert await client.receive_all_messages() == [PongMessage()]
        guarded = self.create_communicator(ws_path="/ws/guarded/?token=secret")
        assert guarded.consumer is Guarded
        await guarded.connect()
        own = self.create_communicator(ws_path="/nowhere", consumer=Chat, router=Chat.as_asgi())
        await own.connect()
        assert self.create_communicator(ws_path="/nowhere").consumer is None
        self.made[:] = [client, guarded, own]
        assert not any(one.future.done() for one in self.made)


def test_djangos_test_case_finds_the_application_and_closes_all() -> None:
    with override_settings(ASGI_APPLICATION=f"{__name__}.APPLICATION"):
        result = unittest.TestResult()
        Case("test_talk")(result)
    assert result.testsRun == 1
    assert result.wasSuccessful(), result.errors + result.failures
    assert len(Case.made) == 3
    assert all(one.future.done() and not one.future.cancelled() for one in Case.made)
