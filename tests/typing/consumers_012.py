"""Consumers of chanx 0.12, as document 000 writes them, for type checkers."""

from collections.abc import Iterable
from typing import Any, Literal, assert_type

from pydantic import BaseModel

from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseChannelEvent, BaseGroupMessage, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import ErrorMessage, PongMessage
from chanx.testing import WebsocketCommunicator


class ChatPayload(BaseModel):
    content: str


class ChatMessage(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: ChatPayload


class ChatGroupMessage(BaseGroupMessage):
    action: Literal["chat_group"] = "chat_group"
    payload: dict[str, str]


class NotifyEvent(BaseChannelEvent):
    class Payload(BaseModel):
        content: str
        level: str = "info"

    handler: Literal["notify"] = "notify"
    payload: Payload


class CountEvent(BaseChannelEvent):
    handler: Literal["count"] = "count"
    payload: int


class Room:
    title: str = ""


ChatIncomingMessage = ChatMessage | PingMessage
ChatEvent = NotifyEvent | CountEvent


class MyConsumer(AsyncJsonWebsocketConsumer[PingMessage]):
    async def receive_message(self, message: PingMessage, **kwargs: Any) -> None:
        match message:
            case PingMessage():
                await self.send_message(PongMessage())


class SimpleConsumer(AsyncJsonWebsocketConsumer[PingMessage]): ...


class FullConsumer(AsyncJsonWebsocketConsumer[ChatIncomingMessage, ChatEvent, ChatGroupMessage, Room]):
    authentication_classes = [object]
    permission_classes = [object]
    queryset = object()
    auth_method = "get"
    lookup_field = "title"
    lookup_url_kwarg = "title"
    send_completion = True
    send_message_immediately = True
    log_received_message = True
    log_sent_message = True
    log_ignored_actions = ["ping", "pong"]
    send_authentication_message = True
    groups: list[str]

    async def build_groups(self) -> list[str]:
        assert self.obj
        assert_type(self.obj, Room)
        self.group_name = self.obj.title
        return [self.group_name]

    async def post_authentication(self) -> None:
        assert self.user is not None
        self.user_status = "online"

    async def receive_message(self, message: ChatIncomingMessage, **kwargs: Any) -> None:
        try:
            match message:
                case ChatMessage(payload=payload):
                    await self.send_group_message(
                        ChatGroupMessage(payload={"content": payload.content}), exclude_current=False
                    )
                    await self.send_to_groups({"a": 1}, groups=["room"])
                    await self.channel_layer.group_add("room", self.channel_name)
                    self.groups.extend(["room"])
                case PingMessage():
                    await self.send_message(PongMessage())
        except ValueError as e:
            await self.send_message(ErrorMessage(payload={"detail": str(e)}))

    async def receive_event(self, event: ChatEvent) -> None:
        match event:
            case NotifyEvent():
                assert_type(event.payload.level, str)
            case CountEvent():
                assert_type(event.payload, int)


class OfEvents(AsyncJsonWebsocketConsumer[PingMessage, NotifyEvent]):
    groups = ["announcements"]

    async def build_groups(self) -> Iterable[str]:
        return ()

    async def receive_message(self, message: ChatMessage, **kwargs: Any) -> None:  # error
        ...

    async def receive_event(self, event: NotifyEvent) -> None:
        await self.send_group_message(ChatGroupMessage(payload={}))  # error


def send_notification() -> None:
    OfEvents.send_channel_event("announcements", NotifyEvent(payload=NotifyEvent.Payload(content="x")))
    FullConsumer.send_channel_event("announcements", CountEvent(payload=1))
    OfEvents.send_channel_event("announcements", CountEvent(payload=1))  # error
    SimpleConsumer()  # error


async def async_send_notification() -> None:
    await FullConsumer.asend_channel_event("announcements", NotifyEvent(payload=NotifyEvent.Payload(content="x")))


async def test() -> None:
    communicator = WebsocketCommunicator(MyConsumer.as_asgi(), "/ws/", headers=[(b"a", b"b")])
    connected, _ = await communicator.connect()
    assert_type(connected, bool)
    await communicator.assert_authenticated_status_ok()
    await communicator.send_message(PingMessage())
    assert_type(await communicator.receive_all_json(), list[dict[str, Any]])
    if auth := await communicator.wait_for_auth():
        assert_type(auth.payload.status_code, int)


class Wrong(AsyncJsonWebsocketConsumer[str]):  # error
    ...
