"""What all consumers have in common."""

from __future__ import annotations

from typing import TypeVar

from chanx.core.decorators import ws_handler
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from examples.fastapi_rooms.auth import TokenAuthenticator, User
from examples.fastapi_rooms.backend import Backend, backend_of

Event = TypeVar("Event", bound=BaseMessage)


class BaseConsumer(AsyncJsonWebsocketConsumer[Event]):
    """Knows its user, tells when a message has been handled, and answers a ping."""

    authenticator_class = TokenAuthenticator
    send_completion = True
    log_ignored_actions = ["ping", "pong"]

    @property
    def me(self) -> User:
        user: User = self.authenticator.user
        return user

    @property
    def backend(self) -> Backend:
        return backend_of(self.scope)

    @ws_handler(summary="Is anybody there?", tags=["system"])
    async def handle_ping(self, _message: PingMessage) -> PongMessage:
        return PongMessage()
