"""What decorators and attributes make of classes of chanx 2.x: handlers, mixins, events that pass through, plans."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import pytest

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.compat.compiled import compiled
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.core.websocket import ChanxWebsocketConsumerMixin
from chanx.exceptions import ConfigurationError
from chanx.messages.base import BaseChannelEvent, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import ErrorMessage, PongMessage
from tests.compat.client import PONG, opened

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class UserJoined(BaseMessage):
    action: Literal["user_joined"] = "user_joined"
    payload: str = ""


class UserLeft(BaseMessage):
    action: Literal["user_left"] = "user_left"
    payload: str = ""


class MessageUpdated(BaseMessage):
    action: Literal["message_updated"] = "message_updated"
    payload: str = ""


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


class Pings:
    """A mixin, which is no consumer."""

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


# -- decorators -----------------------------------------------------------------------------------------


def test_decorators_return_what_they_are_given() -> None:
    async def handler(self: Any, message: PingMessage) -> None: ...

    async def of_events(self: Any, event: PingMessage) -> None: ...

    class Consumer: ...

    assert ws_handler(handler) is handler
    assert ws_handler(summary="x")(handler) is handler
    assert event_handler(of_events) is of_events
    assert event_handler(tags=["x"])(of_events) is of_events
    assert channel(Consumer) is Consumer
    assert channel(name="x")(Consumer) is Consumer


async def test_a_handler_says_by_an_argument_what_it_takes() -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler(input_type=PingMessage, output_type=PongMessage)
        async def one(self, message):  # type: ignore[no-untyped-def]
            return PongMessage()

        @ws_handler(input_type=UserJoined | UserLeft)
        async def two(self, message: Any) -> Any:
            return message

    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    assert await client.ask({"action": "user_left"}) == {"action": "user_left", "payload": ""}
    await client.disconnect()


async def test_a_handler_may_take_a_union_and_be_wrapped() -> None:
    def counting(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        async def counted(*args: Any) -> Any:
            calls.append(function.__name__)
            return await function(*args)

        return counted

    calls: list[str] = []

    class Consumer(AsyncJsonWebsocketConsumer):
        @counting
        @ws_handler
        async def users(self, message: UserJoined | UserLeft) -> UserJoined | UserLeft | None:
            return message if isinstance(message, UserJoined) else None

        @ws_handler
        @counting
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

    client = await opened(Consumer)
    assert await client.ask({"action": "user_joined"}) == {"action": "user_joined", "payload": ""}
    await client.tell({"action": "user_left"})
    assert await client.ask({"action": "ping"}) == PONG
    assert calls == ["users", "users", "handle_ping"]
    await client.disconnect()


async def test_several_messages_are_sent_in_their_order() -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler(output_type=[UserJoined, UserLeft])
        async def handle_ping(self, message: PingMessage) -> list[UserJoined | UserLeft]:
            return [UserJoined(), UserLeft()]

    client = await opened(Consumer)
    assert (await client.ask({"action": "ping", "ref": 1}))["action"] == "user_joined"
    assert await client.got() == {"action": "user_left", "payload": "", "version": 1, "ref": 1}
    await client.disconnect()


def test_a_handler_without_a_type_is_refused_where_its_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"annotate 'message', or give input_type="):

        class Untyped(AsyncJsonWebsocketConsumer):
            @ws_handler
            async def handle(self, message): ...  # type: ignore[no-untyped-def]

    with pytest.raises(TypeError, match="takes no message"):

        class Empty(AsyncJsonWebsocketConsumer):
            @ws_handler
            async def handle(self) -> None: ...

    with pytest.raises(TypeError, match="is no message"):

        class Other(AsyncJsonWebsocketConsumer):
            @ws_handler
            async def handle(self, message: int) -> None: ...

    with pytest.raises(TypeError, match="an `async def` in a class"):
        ws_handler(5)  # type: ignore[call-overload]


def test_a_name_that_only_checkers_know_matters_where_it_is_what_is_handled() -> None:
    class Returning(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle(self, message: PingMessage) -> Unknown: ...

    assert compiled(Returning).methods == {PingMessage: "handle"}

    class Taking(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle(self, message: Unknown) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Taking\.handle: .*Unknown"):
        compiled(Taking)


def test_a_message_may_be_defined_after_its_handler() -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle(self, message: Later) -> None: ...

    assert compiled(Consumer).methods == {Later: "handle"}


class Later(BaseMessage):
    action: Literal["later"] = "later"
    payload: None = None


def test_a_message_without_a_literal_action_is_refused_at_first_use() -> None:
    class Vague(BaseMessage):
        payload: None = None

    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle(self, message: Vague) -> None: ...

    with pytest.raises(ConfigurationError, match="Vague"):
        compiled(Consumer)


# -- mixins ---------------------------------------------------------------------------------------------


async def test_handlers_of_mixins_are_the_consumers_own() -> None:
    class Consumer(Pings, AsyncJsonWebsocketConsumer):
        @ws_handler
        async def later(self, message: Later) -> Later:
            return message

    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    assert await client.ask({"action": "later", "payload": None}) == {"action": "later", "payload": None}
    await client.disconnect()


def test_two_handlers_in_two_classes_are_refused_too() -> None:
    class Other:
        @ws_handler
        async def other(self, message: PingMessage | Later) -> None: ...

    with pytest.raises(TypeError, match=r"Consumer has two handlers for the action 'ping': \w+ and \w+") as raised:

        class Consumer(Pings, Other, AsyncJsonWebsocketConsumer): ...

    assert "handle_ping" in str(raised.value)
    assert "other" in str(raised.value)
    with pytest.raises(TypeError, match="for the event 'user_left': one and two"):

        class Events(AsyncJsonWebsocketConsumer):
            @event_handler
            async def one(self, event: UserLeft) -> None: ...

            @event_handler
            async def two(self, event: UserLeft | UserJoined) -> None: ...


async def test_a_message_and_an_event_may_have_one_action() -> None:
    class Consumer(AsyncJsonWebsocketConsumer[UserLeft]):
        groups = ["all"]

        @ws_handler
        async def told(self, message: UserLeft) -> UserLeft:
            return UserLeft(payload="message")

        @event_handler
        async def heard(self, event: UserLeft) -> UserLeft:
            return UserLeft(payload="event")

    client = await opened(Consumer)
    assert (await client.ask({"action": "user_left"}))["payload"] == "message"
    await Consumer.broadcast_event(UserLeft())
    assert (await client.got())["payload"] == "event"
    await client.disconnect()


async def test_the_parameter_means_nothing_at_run_time() -> None:
    class Base(Pings, ChanxWebsocketConsumerMixin[UserLeft]): ...

    class Generics(AsyncJsonWebsocketConsumer, Generic[T]):
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

    for consumer in (Base, Generics[int], type("Consumer", (Base,), {})):
        client = await opened(consumer)
        assert await client.ask({"action": "ping"}) == PONG
        await client.disconnect()


# -- events that pass through ---------------------------------------------------------------------------


class Presence:
    passthrough_events = [UserJoined, UserLeft]


class Passing(Presence, AsyncJsonWebsocketConsumer):
    groups = ["all"]
    passthrough_events = [MessageUpdated, UserLeft]


async def test_events_pass_through_by_methods_with_names() -> None:
    assert compiled(Passing).event_methods == {
        UserJoined: "handle_passthrough_user_joined",
        UserLeft: "handle_passthrough_user_left",
        MessageUpdated: "handle_passthrough_message_updated",
    }
    client = await opened(Passing)
    for event in (UserJoined(payload="1"), UserLeft(payload="2"), MessageUpdated(payload="3")):
        await Passing.broadcast_event(event)
        assert await client.got() == event.model_dump()
    await client.disconnect()
    for name in compiled(Passing).event_methods.values():
        assert callable(getattr(Passing, name))


def test_the_prefix_of_the_methods_may_be_another() -> None:
    class Forwarding(Presence, AsyncJsonWebsocketConsumer):
        passthrough_method_prefix = "forward_"

    class Renamed(Passing):
        passthrough_method_prefix = "pass_"

    assert list(compiled(Forwarding).event_methods.values()) == ["forward_user_joined", "forward_user_left"]
    assert callable(Forwarding.forward_user_left)  # type: ignore[attr-defined]
    assert set(compiled(Renamed).event_methods.values()) == {
        *("pass_user_joined", "pass_user_left", "pass_message_updated"),
    }


async def test_an_explicit_handler_takes_the_event_over() -> None:
    class Explicit(Passing):
        @event_handler
        async def own(self, event: UserJoined) -> UserJoined:
            return UserJoined(payload=event.payload.upper())

    assert compiled(Explicit).event_methods[UserJoined] == "own"
    client = await opened(Explicit)
    await Explicit.broadcast_event(UserJoined(payload="ada"))
    assert (await client.got())["payload"] == "ADA"
    await Explicit.broadcast_event(UserLeft(payload="ada"))
    assert (await client.got())["payload"] == "ada"
    await client.disconnect()


async def test_a_generated_method_may_be_overridden_by_its_name() -> None:
    class Own(Passing):
        async def handle_passthrough_user_left(self, event: UserLeft) -> None:
            await self.send_message(UserLeft(payload="own"))

    client = await opened(Own)
    await Own.broadcast_event(UserLeft())
    assert (await client.got())["payload"] == "own"
    await client.disconnect()


# -- the plan -------------------------------------------------------------------------------------------


@channel(name="room", description="A room.", tags=["rooms"])
class Told(Presence, AsyncJsonWebsocketConsumer):
    """A docstring."""

    emits = [MessageUpdated]

    @ws_handler(action="ping_it", summary="Ping", tags=["a"])
    async def handle_ping(self, message: PingMessage) -> PongMessage | None:
        """Answers.

        At length.
        """
        return PongMessage()

    @ws_handler(output_type=UserJoined | UserLeft)
    async def later(self, message: Later) -> None: ...

    @event_handler
    async def fails(self, event: MessageUpdated) -> ErrorMessage:
        return ErrorMessage()


def test_the_plan_tells_documents_of_each_method() -> None:
    made = compiled(Told)
    assert compiled(Told) is made
    assert (made.channel.name, made.channel.description, made.tags) == ("room", "A room.", ("rooms",))
    told = {one.name: one for one in made.plan.operations}
    ping = told["ping_it"]
    assert (ping.kind, ping.inputs, ping.returns, ping.silent) == ("on", (PingMessage,), (PongMessage,), True)
    assert (ping.summary, ping.description, ping.tags) == ("Ping", "Answers.\n\nAt length.", ("a",))
    assert (told["later"].outputs, told["later"].returns) == ((UserJoined, UserLeft), ())
    assert __file__ in ping.where
    assert told["fails"].returns == (ErrorMessage,)
    assert told["handle_passthrough_user_left"].returns == (UserLeft,)
    assert (told["message_updated"].kind, told["message_updated"].outputs) == ("event", (MessageUpdated,))
    assert {one.kind for one in told.values()} == {"on", "event"}


def test_what_is_emitted_may_be_called_like_a_method() -> None:
    class Hired(BaseChannelEvent):
        handler: Literal["hired"] = "hired"
        payload: None = None

    class Consumer(AsyncJsonWebsocketConsumer):
        emits = [UserLeft]

        @event_handler
        async def user_left(self, event: Hired) -> UserLeft:
            return UserLeft()

    assert [one.outputs or one.returns for one in compiled(Consumer).plan.operations] == [(UserLeft,), (UserLeft,)]


def test_a_class_is_called_by_its_name_unless_it_says_another() -> None:
    class ChatRoom(Told):
        """Another docstring."""

    made = compiled(ChatRoom)
    assert (made.channel.name, made.channel.description, made.tags) == ("ChatRoom", "Another docstring.", ())
    assert (ChatRoom.name, ChatRoom.snake_name) == ("ChatRoom", "chat_room")


def test_two_classes_under_one_tag_may_be_sent() -> None:
    class Fault(BaseMessage):
        action: Literal["error"] = "error"
        payload: str = ""

    class Consumer(Pings, AsyncJsonWebsocketConsumer):
        @ws_handler
        async def later(self, message: Later) -> ErrorMessage | Fault:
            return Fault()

    made = compiled(Consumer)
    assert set(made.outgoing) >= {ErrorMessage, Fault}


def test_adapters_are_made_for_whoever_asks() -> None:
    adapter: Any = Told.incoming_message_adapter
    assert adapter.validate_python({"action": "ping"}) == PingMessage()
    event: Any = Told.incoming_event_adapter
    assert event.validate_python({"action": "user_left", "payload": "x"}) == UserLeft(payload="x")
    sent: Any = Told.outgoing_message_adapter
    assert sent.validate_python(PongMessage()) == PongMessage()
    assert AsyncJsonWebsocketConsumer.incoming_message_adapter is None
    assert AsyncJsonWebsocketConsumer.incoming_event_adapter is None


async def test_a_consumer_of_events_alone_refuses_all_messages() -> None:
    client = await opened(Passing)
    [finding] = (await client.ask({"action": "ping"}))["payload"]
    assert finding["type"] == "union_tag_invalid"
    assert finding["msg"].endswith("expected tags: ")
    assert (await client.ask("{"))["payload"][0]["type"] == "json_invalid"
    await client.disconnect()
