"""The blocks of document 001 that let Django REST Framework decide who stays connected."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.test import Client as Browser
from django.test import TransactionTestCase, override_settings
from django.urls import path
from pydantic import BaseModel

from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.layers import get_channel_layer
from chanx.channels.routing import URLRouter
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.config import config
from chanx.core.decorators import channel, ws_handler
from chanx.messages.base import BaseChannelEvent, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from chanx.settings import chanx_settings
from tests.compat import document_001 as document
from tests.compat.client import Client
from tests.compat.documents import printed
from tests.compat.in_django.rooms.models import Room


class ChatPayload(BaseModel):
    message: str


class JoinRoomPayload(BaseModel):
    room: str


class UserPayload(BaseModel):
    username: str


class UserJoinedPayload(BaseModel):
    username: str
    message: str


class ChatNotificationPayload(BaseModel):
    message: str
    username: str
    room_id: int


class ChatNotificationMessage(BaseMessage):
    action: Literal["chat_notification"] = "chat_notification"
    payload: ChatNotificationPayload


class UserJoinedMessage(BaseMessage):
    action: Literal["user_joined"] = "user_joined"
    payload: UserJoinedPayload


NAMES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        *(ChatPayload, JoinRoomPayload, UserPayload, UserJoinedPayload, ChatNotificationPayload),
        *(ChatNotificationMessage, UserJoinedMessage, BaseMessage, BaseChannelEvent, AsyncJsonWebsocketConsumer),
    )
}
NAMES |= {"ChatRoom": Room, "channel": channel, "Literal": Literal}


class Blocks(TransactionTestCase):
    """Ada is logged in, and there is a room."""

    def setUp(self) -> None:
        ada: Any = get_user_model().objects.create_user("ada")
        self.room = Room.objects.create(name="den", owner=ada)
        browser = Browser()
        browser.force_login(ada)
        self.cookies = [(b"cookie", browser.cookies.output(header="", sep=";").strip().encode())]

    def served(self, consumer: Any) -> Any:
        return AuthMiddlewareStack(URLRouter([path("rooms/<int:pk>/", consumer.as_asgi())]))

    def client_of(self, consumer: Any, *, known: bool = True) -> Client:
        headers = [(b"host", b"testserver"), *(self.cookies if known else [])]
        return Client(self.served(consumer), f"/rooms/{self.room.pk}/", headers)

    def test_the_integration(self) -> None:
        consumer = printed(document.DJANGO_AUTHENTICATION, **NAMES)["ChatConsumer"]

        async def run() -> None:
            client = self.client_of(consumer)
            self.assertEqual(await client.connect(5), (True, None))
            self.assertEqual((await client.got())["payload"]["status_code"], 200)
            self.assertEqual((await client.ask({}))["action"], "error")  # it has entered its groups before
            await self.tell_room()
            self.assertEqual(await client.got(), {"text": "hello", "is_current": False})
            await client.disconnect()
            await self.refused(consumer)

        asyncio.run(run())

    def test_the_complete_example(self) -> None:
        names = printed(document.COMPLETE, **NAMES)
        consumer = names["RoomChatConsumer"]

        async def run() -> None:
            client = self.client_of(consumer)
            self.assertEqual(await client.connect(5), (True, None))
            self.assertEqual((await client.got())["action"], "authentication")
            got = await client.ask({"action": "chat", "payload": {"message": "hello"}})
            payload = {"message": "hello", "username": "ada", "room_id": self.room.pk}
            self.assertEqual(got, {"action": "chat_notification", "payload": payload, "is_current": True})
            event = names["UserJoinedEvent"](payload={"username": "bob"})
            await asyncio.to_thread(consumer.broadcast_event_sync, event, [f"room_{self.room.pk}"])
            payload = {"username": "bob", "message": "bob joined the room"}
            self.assertEqual(await client.got(), {"action": "user_joined", "payload": payload})
            await client.disconnect()
            await self.refused(consumer)

        asyncio.run(run())

    def test_the_settings_count_when_a_client_connects(self) -> None:
        class Echo(AsyncJsonWebsocketConsumer):
            @ws_handler
            async def handle_ping(self, message: PingMessage) -> PongMessage:
                return PongMessage()

        async def answers() -> list[str]:
            client = Client(Echo.as_asgi(), "/")
            await client.connect()
            got = [(await client.ask({"action": "ping"}))["action"]]
            while not await client.receive_nothing():
                got.append((await client.got())["action"])
            await client.disconnect()
            return got

        self.assertEqual(asyncio.run(answers()), ["pong"])
        with override_settings(CHANX={"SEND_COMPLETION": True}):
            self.assertEqual(asyncio.run(answers()), ["pong", "complete"])
            self.assertIs(config.send_completion, True)
            self.assertIs(chanx_settings.SEND_COMPLETION, True)
        self.assertEqual(asyncio.run(answers()), ["pong"])
        self.assertIs(config.send_completion, False)

    async def tell_room(self) -> None:
        message = {
            "type": "handle_group_message",
            "message": {"text": "hello"},
            "from_channel": "",
            "exclude_current": False,
        }
        await get_channel_layer().group_send(f"room_{self.room.pk}", message)

    async def refused(self, consumer: Any) -> None:
        stranger = self.client_of(consumer, known=False)
        self.assertEqual(await stranger.connect(5), (True, None))
        self.assertEqual((await stranger.got())["payload"]["status_code"], 403)
        self.assertEqual((await stranger.receive_output(5))["code"], 4403)
        await stranger.disconnect()
