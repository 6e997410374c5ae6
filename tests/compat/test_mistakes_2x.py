"""Mistakes that users of chanx 2.x make: each is refused as early as it can be seen, and told what to write."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.testing import WebsocketCommunicator
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.exceptions import ConfigurationError
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import PONG, opened

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def layer() -> None:
    register_channel_layer("default", InMemoryChannelLayer())


class Vague(BaseMessage):
    payload: None = None


class Loose(BaseMessage):
    action: str = "loose"


class Left(BaseMessage):
    action: Literal["left"] = "left"
    payload: str


class Pings(AsyncJsonWebsocketConsumer):
    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


# -- decorators -----------------------------------------------------------------------------------------


def test_a_name_is_no_class_to_describe() -> None:
    decorator: Any = channel
    with pytest.raises(TypeError, match=r"@channel\(name='chat'\)"):
        decorator("chat")


def test_a_method_is_a_handler_of_messages_or_of_events() -> None:
    with pytest.raises(TypeError, match=r"Both\.handle is marked by ws_handler and by event_handler"):

        class Both(AsyncJsonWebsocketConsumer):
            @ws_handler
            @event_handler
            async def handle(self, message: PingMessage) -> None: ...


def test_a_handler_that_needs_more_than_a_message_is_refused() -> None:
    with pytest.raises(TypeError, match=r"More\.handle is called with a message and nothing else: give 'room', 'who'"):

        class More(AsyncJsonWebsocketConsumer):
            @ws_handler
            async def handle(self, message: PingMessage, room: str, *, who: str) -> None: ...


def given_more(function: Any) -> Callable[[Any, PingMessage], Awaitable[PongMessage]]:
    @functools.wraps(function)
    async def wrapper(self: Any, message: PingMessage) -> PongMessage:
        result: PongMessage = await function(self, message, "ada")
        return result

    return wrapper


async def test_what_a_decorator_gives_to_the_method_is_its_own_affair() -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler
        @given_more
        async def handle(self, message: PingMessage, who: str, why: str = "") -> PongMessage:
            assert who == "ada"
            return PongMessage()

    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()


def test_events_that_pass_through_are_message_classes() -> None:
    with pytest.raises(TypeError, match=r"Passing\.passthrough_events: 'Left' is no class of events"):

        class Passing(AsyncJsonWebsocketConsumer):
            passthrough_events = (PingMessage, "Left")


# -- before anybody connects ----------------------------------------------------------------------------


@pytest.mark.parametrize(("message", "written"), [(Vague, "vague"), (Loose, "loose")])
def test_a_message_without_a_literal_action_is_refused_when_its_consumer_is_to_be_served(
    message: Any, written: str
) -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler(input_type=message)
        async def handle(self, message: Any) -> None: ...

    with pytest.raises(ConfigurationError, match=f'write `action: Literal\\["{written}"\\] = "{written}"`'):
        Consumer.as_asgi()


def test_what_a_consumer_names_may_still_come_when_it_is_routed_to() -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle(self, message: Later) -> None: ...

        @ws_handler
        async def other(self, message: Incomplete) -> None: ...

    Consumer.as_asgi()


def test_an_authenticator_is_a_class() -> None:
    class Guarded(Pings):
        authenticator_class = "TokenAuthenticator"

    with pytest.raises(TypeError, match=r"Guarded\.authenticator_class is 'TokenAuthenticator'; name a class"):
        Guarded.as_asgi()


async def test_a_class_in_a_route_of_starlettes_is_told_from_its_application() -> None:
    app = Starlette(routes=[WebSocketRoute("/", Pings)])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"route to Pings\.as_asgi\(\)"):
        await WebsocketCommunicator(app, "/").connect()


# -- later ----------------------------------------------------------------------------------------------


async def test_a_plain_authenticate_is_told_what_to_write(caplog: pytest.LogCaptureFixture) -> None:
    class Plain(BaseAuthenticator):
        def authenticate(self, scope: Any) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            return True

    class Guarded(Pings):
        authenticator_class = Plain

    client = await opened(Guarded)
    assert await client.receive_output() == {"type": "websocket.close", "code": 4500}
    assert "write `async def authenticate`" in caplog.text


async def test_what_is_sent_to_no_group_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    class Lost(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle(self, message: PingMessage) -> PongMessage:
            await self.channel_layer.group_add("room", self.channel_name)
            await self.broadcast_message(Left(payload="ada"))
            return PongMessage()

    client = await opened(Lost)
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()
    await Lost.broadcast_event(Left(payload="ada"))
    await Lost.broadcast_event(Left(payload="ada"), groups=[])  # somebody has chosen so
    first, second = [record.getMessage() for record in caplog.records]
    assert "Lost.broadcast_message: nobody gets Left" in first
    assert "Lost.broadcast_event: nobody gets Left" in second


class Later(BaseMessage):
    action: Literal["later"] = "later"


class Incomplete(BaseMessage):
    payload: NotThereYet
    action: Literal["incomplete"] = "incomplete"


class NotThereYet(BaseMessage):
    action: Literal["x"] = "x"
