"""Consumers of chanx 2.x, as the page "Consumers & Decorators" has them: each block, and what it promises."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from celery import Celery
from pydantic import BaseModel, BeforeValidator

import tests.django_project  # noqa: F401 - its settings
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.compat.compiled import compiled
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat import document_001 as document
from tests.compat.client import PONG, Client, opened
from tests.compat.documents import methods, printed
from tests.compat.test_django import run

pytestmark = pytest.mark.anyio

#: What a block leaves to the reader, as `...`.
Anything = Annotated[Any, BeforeValidator(lambda value: "anything" if value is ... else value)]


def message(tag: str, payload: Any = Anything) -> Any:
    """A class of messages that the document names and does not show."""
    names = {
        "__annotations__": {"action": Literal[tag], "payload": payload},
        "__module__": __name__,
        "action": tag,
    }
    return type("".join(word.title() for word in tag.split("_")), (BaseMessage,), names)


class ChatPayload(BaseModel):
    message: str = ""


class StatusPayload(BaseModel):
    status: str
    timestamp: datetime


NAMES: dict[str, Any] = {
    "AsyncJsonWebsocketConsumer": AsyncJsonWebsocketConsumer,
    "BaseMessage": BaseMessage,
    "Literal": Literal,
    "channel": channel,
    "ws_handler": ws_handler,
    "event_handler": event_handler,
    "PingMessage": PingMessage,
    "PongMessage": PongMessage,
    "ChatPayload": ChatPayload,
    "ChatMessage": message("chat", ChatPayload),
    "ChatNotificationMessage": message("chat_notification", ChatPayload),
    "UserMessage": message("user_message"),
    "SystemEchoMessage": message("system_echo"),
    "RoomNotificationMessage": message("room_notification"),
    "LogMessage": message("log"),
    "Response": message("response"),
    "JobResult": message("job_result", str),
    "JobStatusMessage": message("job_status"),
    "ComplexEvent": message("complex"),
    "Notification": message("notification"),
    "UserJoinedNotification": message("user_joined"),
    "UserLeftNotification": message("user_left"),
    "MessageUpdated": message("message_updated"),
    "SystemNotification": message("system_notification"),
    "SystemNotifyEvent": message("system_notify"),
    "SystemAnnouncementEvent": message("system_announcement"),
    "GetStatusMessage": message("get_status", None),
    "StatusMessage": message("status", StatusPayload),
    "UserJoinedMessage": message("user_joined"),
    "StatusPayload": StatusPayload,
    "datetime": datetime,
    "logger": logging.getLogger("of the document"),
}
for name in ("UserJoinedNotification", "UserLeftNotification", "MessageUpdated"):
    NAMES[name].__name__ = name


@pytest.fixture(autouse=True)
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


def consumer(block: str, **surroundings: Any) -> Any:
    """The consumer that a block, the inside of a class, is the inside of."""
    base = type("Base", (AsyncJsonWebsocketConsumer,), {"groups": ["all"]})
    return methods(block, base, **{**NAMES, **surroundings})


def shown(block: str, **surroundings: Any) -> dict[str, Any]:
    return printed(block, **{**NAMES, **surroundings})


# -- the base class, and @channel -----------------------------------------------------------------------


async def test_both_import_paths_and_the_generic_parameter() -> None:
    for names in (shown(document.IMPORTS), shown(document.GENERIC)):
        client = await opened(names["ChatConsumer"])
        assert (await client.ask({"action": "ping"}))["action"] == "error"
        await client.disconnect()
    made = compiled(shown(document.IMPORTS)["ChatConsumer"])
    assert (made.channel.name, made.channel.description) == ("chat", "Real-time chat system")


def test_channel_says_for_documents_what_a_consumer_is() -> None:
    made = compiled(shown(document.CHANNEL)["NotificationConsumer"])
    assert (made.channel.name, made.channel.description) == ("notifications", "User notification system")
    assert made.tags == ("notifications", "real-time")
    bare = compiled(channel(type("Bare", (AsyncJsonWebsocketConsumer,), {"__doc__": "A docstring."})))
    assert (bare.channel.name, bare.channel.description) == ("Bare", "A docstring.")


# -- @ws_handler ----------------------------------------------------------------------------------------


async def test_the_example_of_ws_handler() -> None:
    example = shown(document.WS_HANDLER)["ExampleConsumer"]
    grouped = type("Grouped", (example,), {"groups": ["all"]})
    one, other = await opened(grouped), await opened(grouped)
    assert await one.ask({"action": "ping", "payload": None}) == PONG
    await one.tell({"action": "chat", "payload": {"message": "hello"}})
    expected = {"action": "chat_notification", "payload": {"message": "User: hello"}}
    assert await one.got() == {**expected, "is_current": True}
    assert await other.got() == {**expected, "is_current": False}
    told = {one.name: one for one in compiled(example).plan.operations}
    chat = told["handle_chat"]
    assert (chat.summary, chat.tags) == ("Handle chat messages", ("chat", "messaging"))
    assert chat.description == "Process chat messages and broadcast to room members"
    await one.disconnect()
    await other.disconnect()


async def test_what_is_returned_goes_to_the_sender_only() -> None:
    made = consumer(document.RETURNING)
    one, other = await opened(made), await opened(made)
    assert await one.ask({"action": "user_message", "payload": 1}) == {"action": "system_echo", "payload": "anything"}
    assert await other.receive_nothing()
    await one.disconnect()
    await other.disconnect()


async def test_what_is_broadcast_goes_to_many() -> None:
    made = consumer(document.BROADCASTING)
    made.groups = ["room_general"]
    one, other = await opened(made), await opened(made)
    await one.tell({"action": "chat", "payload": {}})
    for client in (one, other):
        assert (await client.got())["action"] == "room_notification"
        await client.disconnect()


async def test_a_handler_may_send_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = await opened(consumer(document.SILENT))
    await client.tell({"action": "log", "payload": "this"})
    assert await client.receive_nothing()
    assert caplog.messages == ["Received: this"]
    await client.disconnect()


# -- @event_handler -------------------------------------------------------------------------------------


async def test_messages_come_from_clients_and_events_from_the_server() -> None:
    made = consumer(document.TWO_KINDS)
    client = await opened(made)
    assert (await client.ask({"action": "job_result", "payload": "x"}))["payload"][0]["type"] == "union_tag_invalid"
    await made.broadcast_event(NAMES["JobResult"](payload="x"))
    await client.tell({"action": "user_message", "payload": "x"})
    assert await client.receive_nothing()
    await client.disconnect()


async def test_an_event_goes_to_one_client_or_to_those_in_groups(layer: InMemoryChannelLayer) -> None:
    made = consumer(document.EVENT_RETURNING)
    names: list[str] = []

    async def post_authentication(self: Any) -> None:
        names.append(self.channel_name)

    made.post_authentication = post_authentication
    one, other = await opened(made), await opened(made)
    event = NAMES["JobResult"](payload="done")
    expected = {"action": "job_status", "payload": {"status": "result", "message": "done"}}
    await made.send_event(event, names[0])
    assert await one.got() == expected
    assert await other.receive_nothing()
    await made.broadcast_event(event, groups=["all"])
    assert [await one.got(), await other.got()] == [expected, expected]
    await one.disconnect()
    await other.disconnect()


async def test_an_event_handler_may_send_several_messages() -> None:
    made = consumer(document.EVENT_SENDING)
    client = await opened(made)
    await made.broadcast_event(NAMES["ComplexEvent"](payload=None))
    assert [(await client.got())["payload"] for _ in range(2)] == ["Processing...", "Complete!"]
    await client.disconnect()


# -- passthrough events ---------------------------------------------------------------------------------


def forwarded(made: Any) -> dict[str, str]:
    return {cls.__name__: method for cls, method in compiled(made).event_methods.items()}


@pytest.mark.parametrize("block", [document.REPETITIVE, document.PASSTHROUGH, document.MIXIN])
async def test_events_are_forwarded_as_they_are(block: str) -> None:
    made: Any = type("Grouped", (shown(block)["ChatConsumer"],), {"groups": ["all"]})
    assert set(forwarded(made)) == {"UserJoinedNotification", "UserLeftNotification", "MessageUpdated"}
    client = await opened(made)
    for name in forwarded(made):
        event = NAMES[name](payload=name)
        await made.broadcast_event(event)
        assert await client.got() == event.model_dump()
    told = [one for one in compiled(made).plan.operations if one.kind == "event"]
    assert {cls.__name__ for one in told for cls in one.returns} == set(forwarded(made))
    await client.disconnect()


async def test_an_explicit_handler_takes_priority() -> None:
    joined: list[Any] = []
    made = shown(document.MIXING, log_user_joined=joined.append)["ChatConsumer"]
    assert forwarded(made) == {
        "UserJoinedNotification": "handle_user_joined",
        "UserLeftNotification": "handle_passthrough_user_left_notification",
    }
    grouped: Any = type("Grouped", (made,), {"groups": ["all"]})
    client = await opened(grouped)
    event = NAMES["UserJoinedNotification"](payload="Ada")
    await grouped.broadcast_event(event)
    assert await client.got() == event.model_dump()
    assert joined == [event]
    await client.disconnect()


def test_the_prefix_may_be_chosen() -> None:
    made = shown(document.PREFIX)["ChatConsumer"]
    assert list(forwarded(made).values()) == ["forward_user_joined_notification", "forward_user_left_notification"]
    assert callable(made.forward_user_left_notification)


# -- documents ------------------------------------------------------------------------------------------


def test_what_documents_are_told_of_messages() -> None:
    told = {one.name: one for one in compiled(consumer(document.ASYNCAPI_MESSAGES)).plan.operations}
    assert {one.kind for one in told.values()} == {"on"}
    replies = {
        name: [cls.model_fields["action"].default for cls in (*one.returns, *one.outputs)] for name, one in told.items()
    }
    assert replies == {"handle_ping": ["pong"], "handle_chat": ["chat_notification"], "handle_log": []}


def test_what_documents_are_told_of_events() -> None:
    told = {one.name: one for one in compiled(consumer(document.ASYNCAPI_EVENTS)).plan.operations}
    assert {one.kind for one in told.values()} == {"event"}
    assert told["handle_job_result"].returns == (NAMES["JobResult"],)
    assert told["handle_system_notify"].outputs == (NAMES["SystemNotification"],)


# -- message types and routing --------------------------------------------------------------------------


async def test_messages_and_events_are_told_by_their_action() -> None:
    class UserPayload(BaseModel):
        name: str

    messages = shown(document.MESSAGES)
    events = shown(document.EVENTS, UserPayload=UserPayload, NotificationPayload=ChatPayload)
    got: list[Any] = []

    class Consumer(AsyncJsonWebsocketConsumer):
        groups = ["all"]

        @ws_handler(input_type=messages["ChatMessage"] | messages["PingMessage"])
        async def both(self, message: Any) -> PongMessage:
            got.append(message)
            return PongMessage()

        @event_handler(input_type=[events["UserJoinedEvent"], events["SystemNotifyEvent"]])
        async def hear(self, event: Any) -> PongMessage:
            got.append(event)
            return PongMessage()

    client = await opened(Consumer)
    assert await client.ask({"action": "chat", "payload": {"message": "Hello"}}) == PONG
    assert await client.ask({"action": "ping"}) == PONG
    await Consumer.broadcast_event(events["UserJoinedEvent"](payload={"name": "Ada"}))
    assert await client.got() == PONG
    await Consumer.broadcast_event(events["SystemNotifyEvent"](payload={}))
    assert await client.got() == PONG
    assert [type(one).__name__ for one in got] == ["ChatMessage", "PingMessage", "UserJoinedEvent", "SystemNotifyEvent"]
    assert got[0].payload == ChatPayload(message="Hello")
    assert got[2].payload == UserPayload(name="Ada")
    await client.disconnect()


# -- output messages and groups -------------------------------------------------------------------------


async def test_a_direct_response() -> None:
    client = await opened(consumer(document.DIRECT))
    got = await client.ask({"action": "get_status", "payload": None})
    assert got["payload"]["status"] == "online"
    assert datetime.fromisoformat(got["payload"]["timestamp"]).year > 2000
    await client.disconnect()


async def test_groups_of_the_class_and_others() -> None:
    made = consumer(document.TO_GROUPS)
    moderator = type("Moderator", (made,), {"groups": ["moderators"]})
    one, other = await opened(made), await opened(moderator)
    await one.tell({"action": "chat", "payload": {"message": "x"}})
    for client in (one, other):
        assert (await client.got())["payload"] == {"message": "x"}
        assert await client.receive_nothing()
        await client.disconnect()


async def test_a_room_of_the_url() -> None:
    app = shown(document.GROUPS)["RoomChatConsumer"].as_asgi()

    async def entered(room: str, user: int) -> Client:
        async def routed(scope: Any, receive: Any, send: Any) -> None:
            parts = {"path_params": {"room_id": room}, "user": SimpleNamespace(id=user)}
            await app({**scope, **parts}, receive, send)

        client = Client(routed, f"/{room}")
        assert await client.connect() == (True, None)
        return client

    first = await entered("7", 1)
    other, second = await entered("8", 3), await entered("7", 2)
    assert await first.got() == {"action": "user_joined", "payload": {"user_id": 2}, "is_current": False}
    for client in (first, second, other):
        assert await client.receive_nothing()
        await client.disconnect()


# -- events from anywhere -------------------------------------------------------------------------------


@pytest.fixture
def myapp(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The project that the blocks import from."""

    class Passing(AsyncJsonWebsocketConsumer):
        groups = ["news_feed", "all_users"]
        passthrough_events = [message("new_post"), message("payment_complete"), NAMES["SystemAnnouncementEvent"]]

    package, consumers, events = (ModuleType(name) for name in ("myapp", "myapp.consumers", "myapp.events"))
    for name in ("NotificationConsumer", "PaymentConsumer", "AnnouncementConsumer"):
        setattr(consumers, name, Passing)
    vars(events).update(NewPostEvent=Passing.passthrough_events[0], PaymentCompleteEvent=Passing.passthrough_events[1])
    for module in (package, consumers, events):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return Passing


async def test_from_a_view(myapp: Any) -> None:
    post = SimpleNamespace(id=5, title="News")
    posts = SimpleNamespace(objects=SimpleNamespace(create=lambda given: post if given is ... else None))
    view = shown(document.VIEW, Post=posts)["create_post"]
    client = await opened(myapp)
    response = await asyncio.to_thread(view, None)
    assert response.content == b'{"status": "created"}'
    assert await client.got() == {"action": "new_post", "payload": {"post_id": 5, "title": "News"}}
    with pytest.raises(RuntimeError, match=r"await .*\.broadcast_event"):
        view(None)
    await client.disconnect()


async def test_from_a_task(myapp: Any, layer: InMemoryChannelLayer) -> None:
    Celery("tests", set_as_current=True).conf.task_always_eager = True
    names = {"process_payment_logic": lambda number: f"{number} is paid", "payment": SimpleNamespace(user_id=9)}
    task = shown(document.TASK, **names)["process_payment"]
    result = await asyncio.to_thread(task.delay, 3)
    assert result.successful()
    assert await layer.receive("user_9") == {
        "type": "handle_channel_event",
        "event_data": {"action": "payment_complete", "payload": {"status": "3 is paid"}},
    }


async def test_from_a_management_command(myapp: Any) -> None:
    from django.core.management import call_command

    command = shown(document.COMMAND)["Command"]()
    client = await opened(myapp)
    await asyncio.to_thread(call_command, command, "Hello all")
    assert await client.got() == {"action": "system_announcement", "payload": "Hello all"}
    await client.disconnect()


# -- configuration and authentication -------------------------------------------------------------------


async def test_a_consumer_is_configured_by_attributes(caplog: pytest.LogCaptureFixture) -> None:
    class MyAuthenticator(BaseAuthenticator):
        async def authenticate(self, *args: Any) -> bool:
            return True

    base = shown(document.CONFIGURATION, MyAuthenticator=MyAuthenticator)["MyConsumer"]

    class Consumer(base):  # type: ignore[valid-type,misc]
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

        @ws_handler(input_type=NAMES["UserMessage"])
        async def handle_chat(self, message: Any) -> None: ...

    caplog.set_level(logging.INFO, "chanx")
    client = await opened(Consumer)
    assert await client.ask({"action": "ping"}) == PONG
    await client.tell({"action": "user_message", "payload": 1})
    assert await client.receive_nothing()
    assert len(caplog.messages) == 1
    assert "user_message" in caplog.text
    await client.disconnect()


async def test_an_authenticator_of_ones_own() -> None:
    async def get_user_by_token(token: str) -> str | None:
        return {"secret": "Ada"}.get(token)

    base = shown(document.CUSTOM_AUTHENTICATION, get_user_by_token=get_user_by_token)["MyConsumer"]
    users: list[Any] = []

    class Consumer(base):  # type: ignore[valid-type,misc]
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            users.append(self.authenticator.user)
            return PongMessage()

    client = await opened(Consumer, "/?token=secret")
    assert await client.ask({"action": "ping"}) == PONG
    assert users == ["Ada"]
    await client.disconnect()
    for path in ("/", "/?token=wrong"):
        stranger = await opened(Consumer, path)
        assert (await stranger.receive_output())["code"] == 4401
        await stranger.disconnect()


def test_those_that_need_a_project_of_djangos(tmp_path: Path) -> None:
    """Both blocks with Django REST Framework; see `in_django/document_001.py`."""
    words = ("-W", "error", "-X", "dev", "-m", "django", "test", "-v", "2", "tests.compat.in_django.document_001")
    ran = run(tmp_path, *words, settings="tests.compat.in_django.rest_settings")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Ran 0 tests" not in ran.stderr
