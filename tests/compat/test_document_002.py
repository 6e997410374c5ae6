"""The core of chanx 2.x, as its reference has it: what there is, with which parameters, and what it promises.

What consumers do is shown in `test_decorated.py` and the files beside it, authenticators in `test_authenticators.py`.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Literal

import pytest

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.core import config, decorators
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.websocket import ChanxWebsocketConsumerMixin
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import PONG, Client, opened

pytestmark = pytest.mark.anyio

NONE = None
#: Parameters by name, with their defaults; `...` for those without one.
DECORATORS = {
    "channel": {"name": NONE, "description": NONE, "tags": NONE},
    "ws_handler": {
        "func": NONE,
        "action": NONE,
        "input_type": NONE,
        "output_type": NONE,
        "description": NONE,
        "summary": NONE,
        "tags": NONE,
    },
    "event_handler": {
        "func": NONE,
        "input_type": NONE,
        "output_type": NONE,
        "description": NONE,
        "summary": NONE,
        "tags": NONE,
    },
}
METHODS: dict[str, dict[str, Any]] = {
    "broadcast_event": {"event": ..., "groups": NONE},
    "broadcast_event_sync": {"event": ..., "groups": NONE},
    "broadcast_message": {"message": ..., "groups": NONE, "exclude_current": False},
    "handle_channel_event": {"event_payload": ...},
    "handle_event_handler_error": {"error": ..., "action": ..., "event": ...},
    "handle_group_message": {"event": ...},
    "handle_json": {"content": ..., "kwargs": ...},
    "handle_json_processing_error": {"error": ...},
    "handle_message_handler_error": {"error": ..., "action": ..., "message": ...},
    "handle_result": {"result": ...},
    "handle_validation_error": {"error": ...},
    "post_authentication": {},
    "receive_event": {"event": ...},
    "receive_json": {"content": ..., "kwargs": ...},
    "receive_message": {"message": ...},
    "send_event": {"event": ..., "channel_name": ...},
    "send_event_sync": {"event": ..., "channel_name": ...},
    "send_json": {"content": ..., "close": False},
    "send_message": {"message": ..., "validate": False},
    "websocket_connect": {"message": ...},
    "websocket_disconnect": {"message": ...},
}
SYNCHRONOUS = ("broadcast_event_sync", "send_event_sync")
OF_THE_CLASS = ("broadcast_event", "broadcast_event_sync", "send_event", "send_event_sync")


def parameters(function: Any) -> dict[str, Any]:
    found = inspect.signature(function).parameters.values()
    return {one.name: ... if one.default is one.empty else one.default for one in found if one.name != "self"}


@pytest.mark.parametrize("name", DECORATORS)
def test_decorators_have_the_parameters_of_the_reference(name: str) -> None:
    has = parameters(getattr(decorators, name))
    assert {key: has.get(key, "missing") for key in DECORATORS[name]} == DECORATORS[name]


@pytest.mark.parametrize("name", METHODS)
def test_methods_have_the_parameters_of_the_reference(name: str) -> None:
    method = getattr(ChanxWebsocketConsumerMixin, name)
    has = parameters(method)
    assert {key: has.get(key, "missing") for key in METHODS[name]} == METHODS[name]
    assert inspect.iscoroutinefunction(method) == (name not in SYNCHRONOUS)
    assert inspect.ismethod(method) == (name in OF_THE_CLASS)


@pytest.mark.parametrize("name", ["all_log_ignored_actions", "should_camelize", "should_send_completion"])
def test_properties_are_properties(name: str) -> None:
    assert isinstance(inspect.getattr_static(ChanxWebsocketConsumerMixin, name), property)


def test_the_attributes_of_the_configuration() -> None:
    assert isinstance(config.config, config.Config)
    assert config.Config().send_completion is False
    assert config.Config().send_message_immediately is True
    assert config.Config().log_websocket_message is False
    assert list(config.Config().log_ignored_actions) == []
    assert config.Config().camelize is False
    assert config.Config().discriminator_field == "action"


async def test_what_is_not_logged_are_the_consumers_own_actions_and_completions() -> None:
    consumer = Echo()
    consumer.log_ignored_actions = ["ping"]
    assert consumer.all_log_ignored_actions == {"ping", "complete", "group_complete", "event_complete"}
    assert (consumer.should_camelize, consumer.should_send_completion) == (False, False)
    consumer.camelize = consumer.send_completion = True
    assert (consumer.should_camelize, consumer.should_send_completion) == (True, True)


class Note(BaseMessage):
    action: Literal["note"] = "note"
    payload: str = ""


class Echo(ChanxWebsocketConsumerMixin[Note]):
    groups = ["all"]

    @decorators.ws_handler(action="named")
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @decorators.ws_handler
    async def handle_note(self, message: Note) -> None:
        await self.broadcast_message(message, exclude_current=message.payload == "others")

    @decorators.event_handler
    async def heard(self, event: Note) -> Note:
        return event


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


async def test_a_message_goes_to_others_only(layer: InMemoryChannelLayer) -> None:
    one, other = await opened(Echo), await opened(Echo)
    await one.tell({"action": "note", "payload": "others"})
    assert await other.got() == {"action": "note", "payload": "others", "is_current": False}
    assert await one.receive_nothing()
    await one.disconnect()
    await other.disconnect()


async def test_payloads_on_the_channel_layer_are_those_of_the_original(layer: InMemoryChannelLayer) -> None:
    await layer.group_add("watched", "watcher")
    names: list[str] = []

    class Watched(Echo):
        groups = ["watched"]

        async def post_authentication(self) -> None:
            names.append(self.channel_name)

    client = await opened(Watched)
    await client.tell({"action": "note", "payload": "x"})
    await client.got()
    await Watched.broadcast_event(Note(payload="y"))
    note = {"action": "note", "payload": "x"}
    assert await layer.receive("watcher") == {
        "type": "handle_group_message",
        "message": note,
        "exclude_current": False,
        "from_channel": names[0],
    }
    assert await layer.receive("watcher") == {
        "type": "handle_channel_event",
        "event_data": {"action": "note", "payload": "y"},
    }
    await client.disconnect()


async def test_a_consumer_accepts_asks_joins_and_then_calls_the_hook() -> None:
    happened: list[str] = []

    class Told(BaseAuthenticator):
        async def authenticate(self, *args: Any) -> bool:
            happened.append("asked")
            await self.send_message(Note(payload="asked"))
            return True

    class Consumer(Echo):
        authenticator_class = Told

        async def accept(self, *args: Any, **kwargs: Any) -> None:
            happened.append("accepted")
            await super().accept(*args, **kwargs)

        async def post_authentication(self) -> None:
            happened.append("hook")
            await self.broadcast_message(Note(payload="in the group"))

    client = await opened(Consumer)
    assert await client.got() == {"action": "note", "payload": "asked"}
    assert (await client.got())["payload"] == "in the group"
    assert list(dict.fromkeys(happened)) == ["accepted", "asked", "hook"]
    await client.disconnect()


async def test_a_consumer_may_be_reached_by_the_name_of_its_channel() -> None:
    names: list[str] = []

    class Consumer(Echo):
        async def post_authentication(self) -> None:
            names.append(self.channel_name)

    client = await opened(Consumer)
    await Consumer.send_event(Note(payload="1"), names[0])
    assert (await client.got())["payload"] == "1"
    await asyncio.to_thread(Consumer.send_event_sync, Note(payload="2"), names[0])
    assert (await client.got())["payload"] == "2"
    await client.disconnect()


async def test_send_json_may_close() -> None:
    class Consumer(Echo):
        async def handle_ping(self, message: PingMessage) -> Any:
            await self.send_json({"last": True}, close=True)

    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == {"last": True}
    assert (await client.receive_output())["type"] == "websocket.close"
    await client.disconnect()


async def test_a_consumer_may_close_with_a_code_and_a_reason() -> None:
    class Consumer(Echo):
        async def handle_ping(self, message: PingMessage) -> Any:
            await self.close(4000, "enough")

    client = await opened(Consumer)
    await client.tell({"action": "ping"})
    assert await client.receive_output() == {"type": "websocket.close", "code": 4000, "reason": "enough"}
    await client.disconnect()


async def test_without_a_channel_layer_messages_are_handled_and_groups_are_told_of() -> None:
    from chanx.channels.exceptions import InvalidChannelLayerError

    class Alone(ChanxWebsocketConsumerMixin):
        channel_layer_alias = "nowhere"

        @decorators.ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

    client = Client(Alone.as_asgi(), "/")
    await client.connect()
    assert await client.ask({"action": "ping"}) == PONG
    with pytest.raises(InvalidChannelLayerError, match="Alone has no channel layer"):
        await Alone.broadcast_event(Note(), "room")
    await client.disconnect()
