"""Consumers of chanx 2.x, as type checkers see them: an error on each marked line, and on no other."""

from collections.abc import Collection
from typing import Any, Literal, assert_type

from pydantic import BaseModel, ValidationError

from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.core.websocket import ChanxWebsocketConsumerMixin
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer as FastConsumer
from chanx.messages.base import BaseChannelEvent, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import ErrorMessage, PongMessage


class ChatPayload(BaseModel):
    message: str


class ChatMessage(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: ChatPayload


class UserJoined(BaseMessage):
    action: Literal["user_joined"] = "user_joined"
    payload: str


class Hired(BaseChannelEvent):
    handler: Literal["hired"] = "hired"
    payload: str


class MyAuthenticator(BaseAuthenticator):
    user: str | None = None

    async def authenticate(self) -> bool:
        self.user = self.get_query_param("name")
        return self.user is not None


class PresenceMixin:
    passthrough_events = [UserJoined]
    extra_groups = ["presence"]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


@channel(name="chat", description="A chat.", tags=["chat"])
class ChatConsumer(PresenceMixin, AsyncJsonWebsocketConsumer[UserJoined | Hired]):
    authenticator_class = MyAuthenticator
    authenticator: MyAuthenticator
    groups = ["room"]
    passthrough_events = [UserJoined]
    emits = [ErrorMessage]
    send_completion = True
    log_ignored_actions = ["ping", "pong"]
    camelize = False
    discriminator_field = "action"
    channel_layer_alias = "default"

    async def post_authentication(self) -> None:
        assert_type(self.authenticator.user, str | None)
        await self.join_group(f"room_{self.url_params['room_id']}")
        self.groups.append("more")

    @ws_handler(summary="Chat", output_type=ChatMessage, tags=["chat"])
    async def handle_chat(self, message: ChatMessage) -> None:
        await self.broadcast_message(message, groups=["room"], exclude_current=True)
        await self.broadcast_message({"action": "chat"}, ["room"])
        await self.send_message(PongMessage(), validate=True)
        await self.send_json({"action": "x"}, close=True)

    @ws_handler(input_type=UserJoined | PingMessage, output_type=[PongMessage, ErrorMessage])
    async def both(self, message: UserJoined | PingMessage) -> PongMessage | ErrorMessage:
        return PongMessage()

    @event_handler
    async def hired(self, event: Hired) -> UserJoined:
        return UserJoined(payload=event.payload)

    @event_handler(output_type=UserJoined | PongMessage)
    async def joined(self, event: UserJoined) -> UserJoined | None:
        return event

    async def handle_message_handler_error(self, error: Exception, action: str, message: BaseMessage) -> None:
        await super().handle_message_handler_error(error, action, message)

    async def receive_json(self, content: dict[str, Any], **kwargs: Any) -> None:
        await super().receive_json(content, **kwargs)


class Documented(AsyncJsonWebsocketConsumer[UserJoined]):
    """Overrides with the very signatures that the reference prints."""

    @classmethod
    async def broadcast_event(cls, event: UserJoined, groups: Collection[str] | str | None = None) -> None:
        await super().broadcast_event(event, groups)

    @classmethod
    async def send_event(cls, event: UserJoined, channel_name: str) -> None:
        await super().send_event(event, channel_name)

    async def broadcast_message(
        self, message: BaseMessage | dict[str, Any], groups: list[str] | None = None, *, exclude_current: bool = False
    ) -> None:
        await super().broadcast_message(message, groups, exclude_current=exclude_current)

    async def handle_event_handler_error(self, error: Exception, action: str, event: BaseMessage) -> None:
        await super().handle_event_handler_error(error, action, event)

    async def handle_json(self, content: dict[str, Any], **kwargs: Any) -> None:
        await super().handle_json(content, **kwargs)

    async def handle_result(self, result: BaseMessage) -> None:
        await super().handle_result(result)

    async def handle_validation_error(self, error: ValidationError) -> None:
        await super().handle_validation_error(error)

    async def receive_event(self, event: BaseMessage) -> None:
        await super().receive_event(event)

    async def receive_message(self, message: BaseMessage) -> None:
        await super().receive_message(message)

    async def send_json(self, content: dict[str, Any], close: bool = False) -> None:
        await super().send_json(content, close)

    async def send_message(self, message: BaseMessage, *, validate: bool = False) -> None:
        await super().send_message(message, validate=validate)

    @property
    def should_send_completion(self) -> bool:
        return super().should_send_completion


class Bare(FastConsumer):
    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


class Mixed(ChanxWebsocketConsumerMixin[Hired]): ...


async def send() -> None:
    await ChatConsumer.broadcast_event(UserJoined(payload="x"), groups=["room"])
    await ChatConsumer.send_event(Hired(payload="x"), "specific.x!y")
    ChatConsumer.broadcast_event_sync(Hired(payload="x"), "room")
    ChatConsumer.send_event_sync(Hired(payload="x"), channel_name="specific.x!y")
    await Bare.broadcast_event(Hired(payload="x"))
    await Mixed.broadcast_event(Hired(payload="x"))
    await Mixed.broadcast_event(UserJoined(payload="x"))  # error
    await ChatConsumer.broadcast_event(PingMessage())  # error
    await ChatConsumer.send_event(Hired(payload="x"))  # error
    await Bare.broadcast_event("x")  # error
    ChatConsumer.broadcast_event_sync(Hired(payload="x"), groups=5)  # error


async def call(consumer: ChatConsumer) -> None:
    await consumer.send_message({"action": "pong"})  # error
    assert_type(await consumer.handle_ping(PingMessage()), PongMessage)
    assert_type(await consumer.hired(Hired(payload="x")), UserJoined)
    await consumer.handle_ping(UserJoined(payload="x"))  # error


@ws_handler  # error
def plain(self: Any, message: PingMessage) -> PongMessage:
    return PongMessage()


@event_handler(action="x")  # error
async def named(self: Any, event: Hired) -> None: ...
