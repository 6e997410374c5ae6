"""Authentication as the page about the consumers of chanx 2.x has it: its blocks, in a project with models."""

from __future__ import annotations

from typing import Any, Literal

from django.test import override_settings
from django.urls import path
from pydantic import BaseModel

from chanx.channels.routing import URLRouter
from chanx.channels.testing import WebsocketCommunicator
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import channel
from chanx.messages.base import BaseChannelEvent, BaseMessage
from tests.compat.documents import printed
from tests.compat.in_django.rest import NOT_GIVEN, PHRASES, Data, Headers, message
from tests.compat.in_django.rooms.models import Room

DJANGO_EXAMPLE = """
    from chanx.channels.authenticator import DjangoAuthenticator
    from rest_framework.permissions import IsAuthenticated

    class ChatAuthenticator(DjangoAuthenticator):
        permission_classes = [IsAuthenticated]
        # Optional: object-level permissions
        queryset = ChatRoom.objects.all()
        obj: ChatRoom

    @channel(name="chat")
    class ChatConsumer(AsyncJsonWebsocketConsumer):
        authenticator_class = ChatAuthenticator
        authenticator: ChatAuthenticator  # Type hint

        async def post_authentication(self) -> None:
            \"\"\"Called after successful authentication.\"\"\"
            # Access authenticated user and object
            user = self.authenticator.user
            room = self.authenticator.obj  # If using object-level auth

            # Join room-specific group
            await self.channel_layer.group_add(
                f"room_{room.id}",
                self.channel_name
            )
"""

COMPLETE_EXAMPLE = """
    from chanx.core.decorators import ws_handler, event_handler, channel
    from chanx.channels.websocket import AsyncJsonWebsocketConsumer
    from chanx.channels.authenticator import DjangoAuthenticator
    from rest_framework.permissions import IsAuthenticated

    # Messages
    class ChatMessage(BaseMessage):
        action: Literal["chat"] = "chat"
        payload: ChatPayload

    class JoinRoomMessage(BaseMessage):
        action: Literal["join_room"] = "join_room"
        payload: JoinRoomPayload

    # Events
    class UserJoinedEvent(BaseChannelEvent):
        handler: Literal["user_joined"] = "user_joined"
        payload: UserPayload

    # Authenticator
    class RoomAuthenticator(DjangoAuthenticator):
        permission_classes = [IsAuthenticated]
        queryset = ChatRoom.objects.all()
        obj: ChatRoom

    # Consumer (generic type is optional - either approach works)
    @channel(
        name="room_chat",
        description="Real-time chat for specific rooms",
        tags=["chat", "rooms"]
    )
    class RoomChatConsumer(AsyncJsonWebsocketConsumer[UserJoinedEvent]):  # Optional generic for type hints
        authenticator_class = RoomAuthenticator
        authenticator: RoomAuthenticator

        # Configuration
        log_ignored_actions = ["ping", "pong"]

        async def post_authentication(self) -> None:
            \"\"\"Join room group after authentication.\"\"\"
            room_group = f"room_{self.authenticator.obj.id}"
            await self.channel_layer.group_add(room_group, self.channel_name)
            self.groups.append(room_group)

        @ws_handler(
            summary="Handle chat messages",
            output_type=ChatNotificationMessage
        )
        async def handle_chat(self, message: ChatMessage) -> None:
            \"\"\"Process and broadcast chat messages.\"\"\"
            await self.broadcast_message(
                ChatNotificationMessage(
                    payload=ChatNotificationPayload(
                        message=message.payload.message,
                        username=self.authenticator.user.username,
                        room_id=self.authenticator.obj.id
                    )
                )
            )

        @event_handler(output_type=UserJoinedMessage)
        async def user_joined(self, event: UserJoinedEvent) -> UserJoinedMessage:
            \"\"\"Handle user join events from other parts of the app.\"\"\"
            return UserJoinedMessage(
                payload=UserJoinedPayload(
                    username=event.payload.username,
                    message=f"{event.payload.username} joined the room"
                )
            )
"""


class ChatPayload(BaseModel):
    message: str


class JoinRoomPayload(BaseModel):
    room: str


class UserPayload(BaseModel):
    username: str


class ChatNotificationPayload(BaseModel):
    message: str
    username: str
    room_id: int


class ChatNotificationMessage(BaseMessage):
    action: Literal["chat_notification"] = "chat_notification"
    payload: ChatNotificationPayload


class UserJoinedPayload(BaseModel):
    username: str
    message: str


class UserJoinedMessage(BaseMessage):
    action: Literal["user_joined"] = "user_joined"
    payload: UserJoinedPayload


TOKENS = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]}


@override_settings(REST_FRAMEWORK=TOKENS)
class Documented(Data):
    async def connected(self, consumer: Any, headers: Headers, room: int | None = None) -> tuple[Any, Any]:
        """A client, and the first frame that it gets."""
        application = URLRouter([path("rooms/<int:pk>/", consumer.as_asgi())])
        client = WebsocketCommunicator(application, f"/rooms/{self.room.pk if room is None else room}/", list(headers))
        self.assertEqual(await client.connect(5), (True, None))
        return client, await client.receive_json_from(5)

    async def test_the_example_for_django(self) -> None:
        surroundings = {"ChatRoom": Room, "channel": channel, "AsyncJsonWebsocketConsumer": AsyncJsonWebsocketConsumer}
        consumer = printed(DJANGO_EXAMPLE, **surroundings)["ChatConsumer"]
        client, first = await self.connected(consumer, self.bearer("ada"))
        self.assertEqual(first, message(200, "OK"))
        frame = {"action": "news", "payload": None}
        group = f"room_{self.room.pk}"
        await client.send_json_to({"action": "unknown"})  # it is handled when the group has been joined
        self.assertEqual((await client.receive_json_from(5))["action"], "error")
        layer = consumer.get_channel_layer()
        told = {"type": "handle_group_message", "message": frame, "exclude_current": False, "from_channel": "x"}
        await layer.group_send(group, told)
        self.assertEqual(await client.receive_json_from(5), {**frame, "is_current": False})
        await client.disconnect(timeout=5)

    async def test_who_is_refused_hears_why(self) -> None:
        surroundings = {"ChatRoom": Room, "channel": channel, "AsyncJsonWebsocketConsumer": AsyncJsonWebsocketConsumer}
        consumer = printed(DJANGO_EXAMPLE, **surroundings)["ChatConsumer"]
        for headers, room, status, detail in (
            ((), None, 401, NOT_GIVEN),
            (self.bearer("cleo"), None, 401, "User inactive or deleted."),
            (self.bearer("ada"), 0, 404, "No Room matches the given query."),
        ):
            client, first = await self.connected(consumer, headers, room)
            self.assertEqual(first, message(status, detail))
            closed = await client.receive_output(5)
            self.assertEqual((closed["type"], closed["code"]), ("websocket.close", 4000 + status), PHRASES[status])
            await client.disconnect(timeout=5)

    async def test_the_complete_example(self) -> None:
        taken = (BaseMessage, BaseChannelEvent, ChatPayload, JoinRoomPayload, UserPayload, ChatNotificationPayload)
        sent = (UserJoinedPayload, ChatNotificationMessage, UserJoinedMessage)
        surroundings = {one.__name__: one for one in (*taken, *sent)}
        names = printed(COMPLETE_EXAMPLE, ChatRoom=Room, Literal=Literal, **surroundings)
        consumer, event = names["RoomChatConsumer"], names["UserJoinedEvent"]
        ada, _ = await self.connected(consumer, self.bearer("ada"))
        bob, _ = await self.connected(consumer, self.bearer("bob"))
        await bob.send_json_to({"action": "chat", "payload": {"message": "hello"}})
        said = {"message": "hello", "username": "bob", "room_id": self.room.pk}
        for client, is_current in ((ada, False), (bob, True)):
            got = await client.receive_json_from(5)
            self.assertEqual(got, {"action": "chat_notification", "payload": said, "is_current": is_current})
        group = f"room_{self.room.pk}"
        await consumer.broadcast_event(event(payload={"username": "dan"}), groups=[group])
        joined = {"username": "dan", "message": "dan joined the room"}
        for client in (ada, bob):
            self.assertEqual(await client.receive_json_from(5), {"action": "user_joined", "payload": joined})
            await client.disconnect(timeout=5)
