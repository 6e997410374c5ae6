"""The chat of the tutorial about Django Channels: its files as it prints them, and each sentence that is a promise."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import iscoroutinefunction
from websockets.sync.client import connect

from tests import django_project  # noqa: F401  # isort: skip - Django must be configured first
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.routing import ProtocolTypeRouter, URLRouter
from chanx.channels.testing import WebsocketCommunicator
from tests import servers
from tests.compat.documents import as_chanx, printed

pytestmark = pytest.mark.anyio

CONSUMERS = """
import json
from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer

class ChatConsumer(WebsocketConsumer):
    def connect(self):
        self.room_name = self.scope['url_route']['kwargs']['room_name']
        self.room_group_name = 'chat_%s' % self.room_name

        # Join room group
        async_to_sync(self.channel_layer.group_add)(
            self.room_group_name,
            self.channel_name
        )

        self.accept()

    def disconnect(self, close_code):
        # Leave room group
        async_to_sync(self.channel_layer.group_discard)(
            self.room_group_name,
            self.channel_name
        )

    # Receive message from WebSocket
    def receive(self, text_data):
        text_data_json = json.loads(text_data)
        message = text_data_json['message']

        # Send message to room group
        async_to_sync(self.channel_layer.group_send)(
            self.room_group_name,
            {
                'type': 'chat_message',
                'message': message
            }
        )

    # Receive message from room group
    def chat_message(self, event):
        message = event['message']

        # Send message to WebSocket
        self.send(text_data=json.dumps({
            'message': message
        }))
"""

ROUTING = r"""
from django.urls import re_path

from . import consumers

websocket_urlpatterns = [
    re_path(r'ws/chat/(?P<room_name>\w+)/$', consumers.ChatConsumer.as_asgi()),
]
"""

ASGI = """
import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
import chat.routing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = ProtocolTypeRouter({
    "http": get_asgi_application(),
    "websocket": AuthMiddlewareStack(
        URLRouter(
            chat.routing.websocket_urlpatterns
        )
    ),
})
"""

# What earlier parts of the series have made.
MANAGE = """
import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
execute_from_command_line(sys.argv)
"""

SETTINGS = """
SECRET_KEY = "of the tests"
DEBUG = True
INSTALLED_APPS = ["daphne", "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "chat"]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "chanx.channels.layers.InMemoryChannelLayer"}}
"""

URLS = """
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("the page of the chat"))]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "chat/__init__.py": "",
        "chat/consumers.py": as_chanx(CONSUMERS),
        "chat/routing.py": ROUTING,
        "config/__init__.py": "",
        "config/asgi.py": as_chanx(ASGI),
        "config/settings.py": SETTINGS,
        "config/urls.py": URLS,
        "manage.py": MANAGE,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.hosts
@pytest.mark.parametrize("server", ["manage.py runserver", "uvicorn", "daphne"])
def test_two_tabs_see_each_others_messages(project: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    # "Run the development server", and others; "open a browser tab, type in the name of the room …"
    monkeypatch.setitem(servers.SERVERS, "manage.py runserver", "manage runserver {host}:{port} --noreload")
    env = {"PYTHONPATH": f"{project}:{servers.ROOT}", "DJANGO_SETTINGS_MODULE": "config.settings"}
    with servers.serve(server, "config.asgi:application", env=env) as running:
        assert httpx.get(running.http(), trust_env=False, verify=False).text == "the page of the chat"
        at = running.ws("/ws/chat/lobby/")
        with connect(at) as one, connect(at) as two, connect(running.ws("/ws/chat/other/")) as elsewhere:
            one.send(json.dumps({"message": "hello"}))
            assert json.loads(one.recv(10)) == {"message": "hello"}
            assert json.loads(two.recv(10)) == {"message": "hello"}
            two.send(json.dumps({"message": "good bye"}))
            assert json.loads(one.recv(10)) == {"message": "good bye"}
            elsewhere.send(json.dumps({"message": "in the other room"}))
            assert json.loads(elsewhere.recv(10)) == {"message": "in the other room"}
        with connect(at) as late:  # the others have left
            late.send(json.dumps({"message": "alone"}))
            assert json.loads(late.recv(10)) == {"message": "alone"}
        assert "Traceback" not in running.log


# -- sentences ------------------------------------------------------------------------------------------


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


@pytest.fixture
def chat() -> Any:
    return printed(CONSUMERS)["ChatConsumer"]


@pytest.fixture
def application(chat: Any) -> Any:
    class Consumers:
        ChatConsumer = chat

    routes = printed(ROUTING.replace("from . import consumers", ""), consumers=Consumers)["websocket_urlpatterns"]
    return ProtocolTypeRouter({"websocket": URLRouter(routes)})


async def opened(application: Any, room: str) -> WebsocketCommunicator:
    client = WebsocketCommunicator(application, f"/ws/chat/{room}/")
    assert await client.connect() == (True, None)
    return client


async def test_whoever_has_the_name_of_a_channel_can_send_to_it(layer: InMemoryChannelLayer) -> None:
    await layer.send("mailbox", {"type": "note", "text": "hi"})
    assert await layer.receive("mailbox") == {"type": "note", "text": "hi"}


async def test_whoever_has_the_name_of_a_group_can_add_remove_and_send(layer: InMemoryChannelLayer) -> None:
    for channel in ("a", "b"):
        await layer.group_add("both", channel)
    await layer.group_discard("both", "b")
    await layer.group_send("both", {"type": "note"})
    assert await layer.receive("a") == {"type": "note"}
    await layer.send("b", {"type": "last"})
    assert await layer.receive("b") == {"type": "last"}


def test_all_methods_of_a_channel_layer_are_asynchronous(layer: InMemoryChannelLayer) -> None:
    for name in ("send", "receive", "new_channel", "group_add", "group_discard", "group_send", "flush"):
        assert iscoroutinefunction(getattr(layer, name)), name


async def test_connect_is_called_when_a_websocket_is_opened_with_the_room_from_its_route(
    layer: InMemoryChannelLayer, application: Any
) -> None:
    client = await opened(application, "lobby")
    assert layer.group_layer.members.count("chat_lobby") == 1
    await client.disconnect()


async def test_disconnect_is_called_when_it_is_closed(layer: InMemoryChannelLayer, application: Any, chat: Any) -> None:
    codes: list[int] = []
    leave = chat.disconnect

    def disconnect(self: Any, code: int) -> None:
        codes.append(code)
        leave(self, code)

    chat.disconnect = disconnect
    client = await opened(application, "lobby")
    await client.disconnect(4002)
    assert codes == [4002]
    assert layer.group_layer.members.count("chat_lobby") == 0


async def test_each_consumer_has_the_layer_and_a_channel_of_its_own(
    layer: InMemoryChannelLayer, application: Any, chat: Any
) -> None:
    found: list[Any] = []
    connect = chat.connect

    def looking(self: Any) -> None:
        found.append((self.channel_layer, self.channel_name, threading.current_thread()))
        connect(self)

    chat.connect = looking
    clients = [await opened(application, "lobby") for _ in range(2)]
    assert [one for one, _, _ in found] == [layer, layer]
    assert found[0][1] != found[1][1]
    assert threading.main_thread() not in {one for _, _, one in found}  # it is synchronous
    for client in clients:
        await client.disconnect()


async def test_a_message_comes_to_all_in_the_room_and_to_nobody_else(
    layer: InMemoryChannelLayer, application: Any
) -> None:
    clients = [await opened(application, room) for room in ("lobby", "lobby", "other")]
    await clients[0].send_json_to({"message": "hello"})
    for client in clients[:2]:
        assert await client.receive_json_from() == {"message": "hello"}
    await clients[2].send_json_to({"message": "mine"})
    assert await clients[2].receive_json_from() == {"message": "mine"}
    for client in clients:
        assert client.output_queue.empty()
        await client.disconnect()


async def test_the_method_for_an_event_is_named_by_its_type_with_underscores_for_periods(
    layer: InMemoryChannelLayer, application: Any, chat: Any
) -> None:
    chat.chat_join = lambda self, event: self.send(text_data=json.dumps({"joined": event["who"]}))
    client = await opened(application, "lobby")
    await layer.group_send("chat_lobby", {"type": "chat.join", "who": "Ada"})
    assert await client.receive_json_from() == {"joined": "Ada"}
    await layer.group_send("chat_lobby", {"type": "chat.message", "message": "hello"})
    assert await client.receive_json_from() == {"message": "hello"}
    await client.disconnect()


async def test_as_asgi_makes_an_instance_for_each_connection(
    layer: InMemoryChannelLayer, application: Any, chat: Any
) -> None:
    made: list[Any] = []
    connect = chat.connect

    def noting(self: Any) -> None:
        made.append(self)
        connect(self)

    chat.connect = noting
    for client in [await opened(application, "lobby") for _ in range(2)]:
        await client.disconnect()
    assert len({id(one) for one in made}) == 2


async def test_other_paths_have_no_route(layer: InMemoryChannelLayer, application: Any) -> None:
    with pytest.raises(ValueError, match="No route found for path 'ws/chat/'"):
        await WebsocketCommunicator(application, "/ws/chat/").connect()
