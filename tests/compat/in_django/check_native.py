"""A native channel in a Django project: paths, users, origins, and groups shared with consumers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client, SimpleTestCase, TransactionTestCase, override_settings
from django.urls import path, re_path
from pydantic import BaseModel, ConfigDict
from starlette.requests import HTTPConnection

from chanx import Channel, Context, Depends, Path, Reject
from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.consumer import AsyncConsumer
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from chanx.channels.layers import get_channel_layer
from chanx.channels.routing import ProtocolTypeRouter, URLRouter
from chanx.channels.security.websocket import AllowedHostsOriginValidator
from chanx.channels.testing import WebsocketCommunicator


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str


class ChatMessage(BaseModel):
    """An event, from either side."""

    action: Literal["chat.message"] = "chat.message"
    text: str


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["strict.one"] = "strict.one"
    type: str = ""
    text: str


class Fast(msgspec.Struct, tag_field="action", tag="fast.one"):
    text: str


class Typed(msgspec.Struct, tag_field="action", tag="typed.one"):
    """Its own field `type` gives way to the tag: no message chooses a method by its data."""

    type: str


def current_user(connection: HTTPConnection) -> Any:
    user = connection.scope["user"]
    if not user.is_authenticated:
        raise Reject(401)
    return user


class Underscored(BaseModel):
    action: Literal["_underscored"] = "_underscored"


class Twice(BaseModel):
    action: Literal["twice"] = "twice"
    type: Literal["twice"] = "twice"


SAME_SITE = [(b"origin", b"http://testserver"), (b"host", b"testserver")]
CurrentUser = Annotated[Any, Depends(current_user, scope="connection")]
Room = Annotated[str, Path("room_name")]


def native(layer: Any = None) -> Channel:
    """A chat that lets users in, told by Django."""
    channel = Channel("chat", groups=None if layer is None else layer.group_layer)

    @channel.on_connect
    async def enter(ctx: Context, room: Room, user: CurrentUser) -> None:
        await ctx.join(f"room.{room}")

    @channel.on(Say)
    async def say(message: Say, ctx: Context, room: Room, user: CurrentUser) -> None:
        await ctx.broadcast(Said(who=user.username, text=message.text), group=f"room.{room}")

    return channel


class Rooms(TransactionTestCase):
    def cookie(self, name: str) -> list[tuple[bytes, bytes]]:
        client = Client()
        client.force_login(User.objects.create_user(name))
        return [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]

    def application(self) -> Any:
        routes = [re_path(r"^ws/chat/(?P<room_name>\w+)/$", native()), path("ws/room/<slug:room_name>", native())]
        return ProtocolTypeRouter(
            {"websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))},
        )

    def test_a_native_channel_has_the_path_and_the_user(self) -> None:
        cookie = self.cookie("ada")

        async def talk() -> None:
            application = self.application()
            for address in ("/ws/chat/lobby/", "/ws/room/lobby"):
                client = WebsocketCommunicator(application, address, headers=[*cookie, *SAME_SITE])
                self.assertEqual((await client.connect(5))[0], True)
                await client.send_json_to({"action": "say", "text": "hi"})
                self.assertEqual(await client.receive_json_from(5), {"action": "said", "who": "ada", "text": "hi"})
                await client.disconnect(timeout=5)

        async_to_sync(talk)()

    def test_who_is_not_logged_in_is_refused(self) -> None:
        async def talk() -> None:
            client = WebsocketCommunicator(self.application(), "/ws/chat/lobby/", headers=SAME_SITE)
            self.assertEqual((await client.connect(5))[0], False)
            await client.wait(5)

        async_to_sync(talk)()

    def test_a_page_of_another_site_is_refused(self) -> None:
        cookie = self.cookie("ada")

        async def talk() -> None:
            for origin, accepted in ((b"http://evil.example", False), (b"http://chat.example", True)):
                headers = [*cookie, (b"origin", origin), (b"host", b"chat.example")]
                client = WebsocketCommunicator(self.application(), "/ws/chat/lobby/", headers=headers)
                self.assertEqual((await client.connect(5))[0], accepted)
                await (client.disconnect(timeout=5) if accepted else client.wait(5))

        async_to_sync(talk)()


class AsyncSide(AsyncJsonWebsocketConsumer):
    groups = ["room.7"]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send("room.7", content)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json({"handled": event})

    async def typed_one(self, event: dict[str, Any]) -> None:
        await self.send_json({"handled": event})


class SyncSide(JsonWebsocketConsumer):
    groups = ["room.7"]

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        async_to_sync(self.channel_layer.group_send)("room.7", content)

    def chat_message(self, event: dict[str, Any]) -> None:
        self.send_json({"handled": event})

    def typed_one(self, event: dict[str, Any]) -> None:
        self.send_json({"handled": event})


class Mixed(SimpleTestCase):
    """Native channels and consumers in one group of one layer."""

    def setUp(self) -> None:
        settings = {"default": {"BACKEND": "chanx.channels.layers.InMemoryChannelLayer"}}
        self.enterContext(override_settings(CHANNEL_LAYERS=settings))  # makes a new one
        self.layer = get_channel_layer()
        self.channel = channel = Channel("native", groups=self.layer.group_layer)

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room.7")

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> None:
            await ctx.broadcast(Said(who="native", text=message.text), group="room.7")

        @channel.event(ChatMessage)
        async def chat_message(event: ChatMessage) -> Said:
            return Said(who="event", text=event.text)

        @channel.event(Strict)
        async def strict(event: Strict) -> Said:
            return Said(who="strict", text=event.text)

        @channel.event(Fast)
        async def fast(event: Fast) -> Said:
            return Said(who="fast", text=event.text)

    async def connected(self, application: Any) -> WebsocketCommunicator:
        client = WebsocketCommunicator(application, "/")
        self.assertEqual((await client.connect(5))[0], True)
        return client

    async def everybody(self) -> list[WebsocketCommunicator]:
        """A native connection, and a consumer of each kind."""
        return [await self.connected(one) for one in (self.channel, AsyncSide.as_asgi(), SyncSide.as_asgi())]

    async def leave(self, clients: list[WebsocketCommunicator]) -> None:
        for client in clients:
            self.assertTrue(await client.receive_nothing(0.01))
            await client.disconnect(timeout=5)
        members = self.layer.group_layer.members
        self.assertEqual([members.groups(), members.everyone(), self.layer._mailboxes], [[], [], {}])

    async def test_a_message_of_the_layer_reaches_events_and_methods(self) -> None:
        clients = await self.everybody()
        message = {"type": "chat.message", "text": "hi"}
        await clients[1].send_json_to(message)
        await get_channel_layer().group_send("room.7", message)
        for _ in range(2):
            self.assertEqual(await clients[0].receive_json_from(5), {"action": "said", "who": "event", "text": "hi"})
            for client in clients[1:]:
                self.assertEqual(await client.receive_json_from(5), {"handled": message})
        await self.leave(clients)

    async def test_an_event_of_a_native_channel_reaches_events_and_methods(self) -> None:
        clients = await self.everybody()
        await self.channel.emit(ChatMessage(text="hi"), group="room.7")
        self.assertEqual(await clients[0].receive_json_from(5), {"action": "said", "who": "event", "text": "hi"})
        for client in clients[1:]:
            handled = {"action": "chat.message", "text": "hi", "type": "chat.message"}
            self.assertEqual(await client.receive_json_from(5), {"handled": handled})
        await self.leave(clients)

    async def test_the_tag_chooses_the_method_whatever_the_fields_are_called(self) -> None:
        client = await self.connected(AsyncSide.as_asgi())
        await self.channel.emit(Typed(type="close"), group="room.7")
        self.assertEqual(await client.receive_json_from(5), {"handled": {"action": "typed.one", "type": "typed.one"}})
        await self.leave([client])

    async def test_a_broadcast_of_a_native_channel_reaches_all_clients_as_it_is(self) -> None:
        clients = await self.everybody()
        await clients[0].send_json_to({"action": "say", "text": "hi"})
        for client in clients:
            self.assertEqual(await client.receive_json_from(5), {"action": "said", "who": "native", "text": "hi"})
        await self.channel.broadcast(Said(who="server", text="from outside"), group="room.7")
        for client in clients:
            self.assertEqual(
                await client.receive_json_from(5), {"action": "said", "who": "server", "text": "from outside"}
            )
        await self.leave(clients)

    async def test_models_that_forbid_what_they_do_not_know_and_structs_read_the_layers_messages(self) -> None:
        client = await self.connected(self.channel)
        for kind, who in (("strict.one", "strict"), ("fast.one", "fast")):
            await self.layer.group_send("room.7", {"type": kind, "text": "hi"})
            self.assertEqual(await client.receive_json_from(5), {"action": "said", "who": who, "text": "hi"})
        await self.layer.group_send("room.7", {"type": "nobody.knows"})
        await self.layer.group_send("room.7", {"no": "type"})
        await self.leave([client])

    async def test_an_event_for_native_channels_goes_by_consumers_without_its_method(self) -> None:
        clients = await self.everybody()
        await self.channel.emit(Strict(text="native only"), group="room.7")
        await self.channel.emit(Underscored(), group="room.7")
        await self.channel.emit(Twice(), group="room.7")
        self.assertEqual((await clients[0].receive_json_from(5))["text"], "native only")
        await self.channel.emit(ChatMessage(text="both"), group="room.7")
        for client in clients:
            self.assertIn("both", await client.receive_from(5))
        await self.leave(clients)

    async def test_a_message_of_the_layer_without_a_method_ends_a_consumer_as_in_channels(self) -> None:
        for kind in ("no.method", "_private"):
            client = await self.connected(AsyncSide.as_asgi())
            await self.layer.group_send("room.7", {"type": kind})
            with self.assertRaisesRegex(ValueError, kind.replace(".", "_")):
                await client.wait(5)
        await self.leave([])

    async def test_one_connection_is_reached_by_its_name_from_either_side(self) -> None:
        names: list[str] = []

        class Named(AsyncSide):
            async def connect(self) -> None:
                names.append(self.channel_name)
                await self.accept()

        @self.channel.on_connect
        async def enter(ctx: Context) -> None:
            names.append(ctx.id)

        clients = [await self.connected(one) for one in (self.channel, Named.as_asgi(), AsyncSide.as_asgi())]
        await self.layer.send(names[0], {"type": "chat.message", "text": "to the native one"})
        self.assertEqual((await clients[0].receive_json_from(5))["text"], "to the native one")
        await self.channel.emit(ChatMessage(text="to the consumer"), connection=names[1])
        self.assertEqual((await clients[1].receive_json_from(5))["handled"]["text"], "to the consumer")
        await self.channel.broadcast(Said(who="x", text="y"), connection=names[1])
        self.assertEqual(await clients[1].receive_json_from(5), {"action": "said", "who": "x", "text": "y"})
        await self.leave(clients)

    async def test_the_sender_can_leave_out_consumers_too(self) -> None:
        names: list[str] = []

        class Named(AsyncSide):
            async def connect(self) -> None:
                names.append(self.channel_name)
                await self.accept()

        clients = [await self.connected(Named.as_asgi()) for _ in range(2)]
        await self.channel.emit(ChatMessage(text="to the other"), group="room.7", exclude=names[0])
        self.assertEqual((await clients[1].receive_json_from(5))["handled"]["text"], "to the other")
        await self.leave(clients)

    async def test_broadcasts_wait_for_nobody_who_is_not_accepted_and_skip_who_is_no_websocket_consumer(self) -> None:
        class Undecided(AsyncSide):
            async def connect(self) -> None:
                pass

            async def chat_message(self, event: dict[str, Any]) -> None:
                await self.accept()

        class Plain(AsyncConsumer):
            async def websocket_connect(self, event: dict[str, Any]) -> None:
                await self.channel_layer.group_add("room.7", self.channel_name)
                await self.send({"type": "websocket.accept"})

            async def chat_message(self, event: dict[str, Any]) -> None:
                await self.send({"type": "websocket.send", "text": '"handled"'})

            async def websocket_disconnect(self, event: dict[str, Any]) -> None:
                from chanx.channels.exceptions import StopConsumer

                raise StopConsumer

        undecided = WebsocketCommunicator(Undecided.as_asgi(), "/")
        await undecided.send_input({"type": "websocket.connect"})
        plain = await self.connected(Plain.as_asgi())
        await self.channel.broadcast(Said(who="x", text="to clients"), group="room.7")
        self.assertTrue(await undecided.receive_nothing(0.01))
        await self.channel.emit(ChatMessage(text="now"), group="room.7")
        self.assertEqual((await undecided.receive_output(5))["type"], "websocket.accept")
        self.assertEqual(await plain.receive_json_from(5), "handled")
        await self.channel.broadcast(Said(who="x", text="to clients"), group="room.7")
        self.assertEqual((await undecided.receive_json_from(5))["text"], "to clients")
        await self.leave([undecided, plain])

    async def test_a_consumer_of_channels_hears_events_and_no_broadcasts(self) -> None:
        from channels.generic.websocket import AsyncJsonWebsocketConsumer as Theirs

        class Their(Theirs):
            groups = ["room.7"]

            async def chat_message(self, event: dict[str, Any]) -> None:
                await self.send_json({"handled": event["text"]})

        client = await self.connected(Their.as_asgi())
        await self.channel.broadcast(Said(who="x", text="to clients"), group="room.7")
        await self.channel.emit(ChatMessage(text="hi"), group="room.7")
        self.assertEqual(await client.receive_json_from(5), {"handled": "hi"})
        await self.leave([client])

    def test_from_a_view(self) -> None:
        async def hear() -> WebsocketCommunicator:
            client = await self.connected(AsyncSide.as_asgi())
            from asgiref.sync import sync_to_async

            await sync_to_async(self.channel.emit_sync)(ChatMessage(text="from a view"), group="room.7")
            self.assertEqual((await client.receive_json_from(5))["handled"]["text"], "from a view")
            await self.leave([client])
            return client

        async_to_sync(hear)()
