"""Unusual classes of consumers of chanx 2.x: methods of other kinds, names that are hard to turn back, properties."""

from __future__ import annotations

import asyncio
import enum
from typing import Any, Literal

import pytest
from asgiref.sync import sync_to_async
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.compat.casing import camelized, snaked
from chanx.core.decorators import ws_handler
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import ErrorMessage, PongMessage
from tests.compat.client import PONG, error, opened

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def layer() -> None:
    register_channel_layer("default", InMemoryChannelLayer())


# -- methods --------------------------------------------------------------------------------------------


def test_a_handler_that_cannot_be_awaited_is_refused_where_its_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Plain\.handle_ping is no coroutine function"):

        class Plain(AsyncJsonWebsocketConsumer):
            @ws_handler  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
            def handle_ping(self, message: PingMessage) -> PongMessage:
                return PongMessage()

    with pytest.raises(TypeError, match=r"Streaming\.handle_ping is no coroutine function"):

        class Streaming(AsyncJsonWebsocketConsumer):
            @ws_handler  # pyright: ignore[reportArgumentType]
            async def handle_ping(self, message: PingMessage) -> Any:
                yield PongMessage()

    with pytest.raises(TypeError, match="and not <staticmethod"):
        ws_handler(staticmethod(print))  # type: ignore[type-var]


async def test_a_plain_method_that_runs_in_a_thread_is_a_handler() -> None:
    class Below(AsyncJsonWebsocketConsumer):
        @ws_handler
        @sync_to_async
        def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

    class Above(AsyncJsonWebsocketConsumer):
        @sync_to_async  # type: ignore[type-var]
        @ws_handler  # pyright: ignore[reportCallIssue, reportArgumentType]
        def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

    for consumer in (Below, Above):
        client = await opened(consumer)
        assert await client.ask({"action": "ping"}) == PONG
        await client.disconnect()


async def test_a_decorator_need_not_tell_what_it_wraps() -> None:
    def quietly(function: Any) -> Any:
        def called(self: Any, message: Any) -> Any:
            return function(self, message)

        return called

    class Wrapped(AsyncJsonWebsocketConsumer):
        @ws_handler(input_type=PingMessage)
        @quietly
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

        @classmethod
        @ws_handler(input_type=ErrorMessage)
        async def handle_error(cls, message: ErrorMessage) -> ErrorMessage:
            return message

    client = await opened(Wrapped)
    assert await client.ask({"action": "ping"}) == PONG
    assert await client.ask(error("of a class method")) == error("of a class method")
    await client.disconnect()


async def test_lists_of_classes_may_be_unions_and_single_classes() -> None:
    class Forwarding(AsyncJsonWebsocketConsumer):
        groups = ["room"]
        passthrough_events = PongMessage
        emits = ErrorMessage | PingMessage

    client = await opened(Forwarding)
    await Forwarding.broadcast_event(PongMessage())
    assert await client.got() == PONG
    await client.disconnect()


async def test_an_action_may_be_of_an_enumeration() -> None:
    class Action(str, enum.Enum):  # noqa: UP042 - whose text is another
        BOOM = "boom"

    class Boom(BaseMessage):
        action: Literal[Action.BOOM] = Action.BOOM
        payload: None = None

    class Failing(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle_boom(self, message: Boom) -> None:
            raise LookupError

    client = await opened(Failing)
    assert await client.ask({"action": "boom"}) == error({"detail": "Failed to process message for boom"})
    await client.disconnect()


# -- names in camel case --------------------------------------------------------------------------------


class Point(BaseModel):
    point_x_y: int
    a_b_c: int
    is_a_member: bool
    line_2: str
    some_text: str = ""


class Aliased(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    user_name: str


class Drawn(BaseMessage):
    action: Literal["drawn"] = "drawn"
    payload: Point | Aliased


async def test_all_that_is_sent_in_camel_case_can_be_sent_back() -> None:
    class Camel(AsyncJsonWebsocketConsumer):
        camelize = True

        @ws_handler
        async def handle_drawn(self, message: Drawn) -> Drawn:
            return message

    names = {name: name for name in Point.model_fields}
    assert snaked(camelized(names)) == names
    client = await opened(Camel)
    drawn = {"point_x_y": 1, "a_b_c": 2, "isAMember": True, "line_2": "x", "someText": "y"}
    for payload in (drawn, {"userName": "Ada"}):
        frame = {"action": "drawn", "payload": payload}
        assert await client.ask(frame) == frame
    await client.disconnect()


# -- properties -----------------------------------------------------------------------------------------


async def test_whether_names_are_in_camel_case_and_completions_sent_may_be_a_property_of_ones_own() -> None:
    class Camel(AsyncJsonWebsocketConsumer):
        @property
        def should_camelize(self) -> bool:
            return "camel" in self.scope["query_string"].decode()

        @property
        def should_send_completion(self) -> bool:
            return self.should_camelize

        @ws_handler
        async def handle_ping(self, message: PingMessage) -> ErrorMessage:
            return ErrorMessage(payload={"some_text": ""})

    client = await opened(Camel, "/?camel")
    assert await client.ask({"action": "ping"}) == error({"someText": ""})
    assert await client.got() == {"action": "complete", "payload": None}
    await client.disconnect()
    client = await opened(Camel)
    assert await client.ask({"action": "ping"}) == error({"some_text": ""})
    assert await client.receive_nothing()
    await client.disconnect()


async def test_others_run_after_each_message_that_a_method_sends_and_not_after_what_it_returns() -> None:
    ran: list[str] = []
    seen: list[list[str]] = []

    class Sending(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            seen.append([*ran])
            asyncio.get_running_loop().call_soon(ran.append, "after the ping")
            return PongMessage()

        @ws_handler
        async def handle_error(self, message: ErrorMessage) -> None:
            seen.append([*ran])
            asyncio.get_running_loop().call_soon(ran.append, "after the error")
            await self.send_message(message)
            seen.append([*ran])

    for immediately in (True, False):
        ran.clear()
        seen.clear()
        client = await opened(type("Sending", (Sending,), {"send_message_immediately": immediately}))
        for frame in ('{"action":"ping"}', '{"action":"error","payload":""}'):
            client.input_queue.put_nowait({"type": "websocket.receive", "text": frame})
        assert [await client.got(), await client.got()] == [PONG, error("")]
        await client.disconnect()
        assert seen == [[], [], ["after the ping", "after the error"] if immediately else []]


async def test_what_is_no_message_and_no_event_is_told_to_whoever_sends_it() -> None:
    client = await opened(type("Consumer", (AsyncJsonWebsocketConsumer,), {"groups": ["room"]}))
    with pytest.raises(TypeError, match="a dictionary or a message, not int"):
        await AsyncJsonWebsocketConsumer.broadcast_message(AsyncJsonWebsocketConsumer(), 5, ["room"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="an event is a pydantic model, such as a subclass of BaseMessage, not dict"):
        await AsyncJsonWebsocketConsumer.broadcast_event({"action": "x"}, ["room"])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    assert await client.receive_nothing()
    await client.disconnect()
