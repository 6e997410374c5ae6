"""Consumers of chanx 2.x: methods that decorators mark as handlers (documents 001 and 002)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Generic

import msgspec
from pydantic import BaseModel
from typing_extensions import TypeVar

from chanx.compat import captured
from chanx.compat.compiled import Described, compiled
from chanx.compat.consumer import Application
from chanx.compat.handlers import Handlers
from chanx.compat.scope import url_params
from chanx.compat.sending import event_payload, frame_content, from_thread, names, needed, to_groups
from chanx.compat.structured import StructuredConsumer
from chanx.compat.subscriptions import Subscriptions
from chanx.compat.topic_routes import routes_of
from chanx.messages.base import BaseMessage

logger = logging.getLogger("chanx")

ReceiveEvent = TypeVar("ReceiveEvent", bound=BaseModel, default=BaseModel)


class ChanxWebsocketConsumerMixin(Handlers, StructuredConsumer, Generic[ReceiveEvent]):
    """One WebSocket whose messages and events are handled by the methods that decorators mark.

    The parameter says for type checkers what `send_event` and `broadcast_event` take; it means nothing at run time.

    Attributes:
        topics: classes of topics that clients may subscribe to.
        default_topic: the topic of frames that name none, and that the consumer has no handler for: a name, such as
            "lobby" or "run:{id}", or a class of `topics`; parameters come from the URL. Clients are subscribed to it
            when they connect.
        max_topics: how many subscriptions a connection may have.
    """

    topics: Any = ()
    default_topic: Any = None
    max_topics: int = 100
    name: ClassVar[str] = "ChanxWebsocketConsumerMixin"
    snake_name: ClassVar[str] = "chanx_websocket_consumer_mixin"

    _chanx_topics: Subscriptions | None = None

    @classmethod
    def _chanx_describe(cls) -> Described:
        return msgspec.structs.replace(super()._chanx_describe(), routes=routes_of(cls))

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Application:
        """An ASGI application that makes a consumer for each connection.

        Args:
            initkwargs: for the class.

        Raises:
            ConfigurationError: a message that the class handles has no literal tag.
            TypeError: `authenticator_class` is none.
        """
        cls._chanx_check()
        if cls.authenticator_class is not None and not callable(cls.authenticator_class):
            raise TypeError(f"{cls.__qualname__}.authenticator_class is {cls.authenticator_class!r}; name a class")
        return super().as_asgi(**initkwargs)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        made = compiled(type(self))
        if made.topics:
            self._chanx_topics = Subscriptions(self, made)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._chanx_topics = None  # which knows the consumer: nothing is to wait for the collector of garbage

    def _chanx_settle(self) -> None:
        super()._chanx_settle()
        for name in ("send_completion", "camelize"):
            told = f"should_{name}"
            if getattr(type(self), told) is not getattr(StructuredConsumer, told):  # a property of the application's
                setattr(self, name, bool(getattr(self, told)))

    # -- the connection -----------------------------------------------------------------------------

    async def join_group(self, group: str) -> None:
        """Be in a group from now on, and to the end of the connection."""
        await self.channel_layer.group_add(group, self.channel_name)
        if group not in self.groups:
            self.groups.append(group)

    async def leave_group(self, group: str) -> None:
        """Be in a group no longer."""
        if group in self.groups:
            self.groups.remove(group)
        await self.channel_layer.group_discard(group, self.channel_name)

    @property
    def url_params(self) -> dict[str, Any]:
        """What the path of the connection has captured, by name; from Django's routes and from Starlette's."""
        return url_params(self.scope)

    async def websocket_connect(self, message: Any) -> None:
        """Accept a client, ask the authenticator, join the groups, and subscribe to the default topic."""
        await super().websocket_connect(message)
        if self.default_topic is not None and self._chanx_topics is not None and not self._chanx_closed:
            self._chanx_quick = False  # any frame may be for the topic
            await self._chanx_topics.begin(self.default_topic)

    async def websocket_disconnect(self, message: Any) -> None:
        """End the subscriptions, leave the groups, and call `disconnect`."""
        if self.log_websocket_message:
            logger.info("%s disconnected with %s", type(self).__qualname__, message.get("code"))
        try:
            if self._chanx_topics is not None:
                await self._chanx_topics.end_all()
        finally:
            await super().websocket_disconnect(message)

    async def _chanx_addressed(self, seen: Mapping[str, Any], handle: Any, frame: Any) -> None:
        topics = self._chanx_topics
        if topics is None or (topic := topics.target(seen, frame)) is None:
            await super()._chanx_addressed(seen, handle, frame)
        else:
            await topics.frame(topic, seen, frame)

    async def handle_topic_event(self, event: Mapping[str, Any]) -> None:
        """Handle an event that was broadcast to a topic, if the client is subscribed to it."""
        if self._chanx_topics is not None:
            await self._chanx_topics.event(event)

    # -- to groups, and to other consumers ----------------------------------------------------------

    async def broadcast_message(
        self,
        message: BaseMessage | dict[str, Any],
        groups: list[str] | None = None,
        *,
        exclude_current: bool = False,
    ) -> None:
        """Send a message to the clients in groups; each gets `is_current` beside it: is the message from itself?

        Args:
            message: a message, or what a frame is to hold.
            groups: the consumer's own when left out; at run time, any collection, or one name.
            exclude_current: not to this client.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
            TypeError: it is no dictionary, and no message.
        """
        payload = {
            "type": "handle_group_message",
            "message": frame_content(message),
            "exclude_current": exclude_current,
            "from_channel": getattr(self, "channel_name", ""),
        }
        layer, meant = needed(self.channel_layer, type(self)), names(groups, self.groups)
        if not meant and groups is None:
            logger.warning(
                "%s.broadcast_message: nobody gets %s, for groups= was left out and self.groups is empty; "
                "join_group keeps that list, and channel_layer.group_add does not",
                *(type(self).__qualname__, type(message).__qualname__),
            )
        await to_groups(layer, meant, payload)

    @classmethod
    async def send_event(cls, event: ReceiveEvent, channel_name: str) -> None:
        """Send an event to the consumer of a channel.

        Args:
            event: one that the consumer has a handler for.
            channel_name: of the consumer's channel.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
        """
        await needed(cls.get_channel_layer(), cls).send(channel_name, event_payload(event))

    @classmethod
    async def broadcast_event(cls, event: ReceiveEvent, groups: Collection[str] | str | None = None) -> None:
        """Send an event to the consumers in groups.

        Args:
            event: one that they have a handler for.
            groups: those of the class when left out.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
        """
        layer = needed(cls.get_channel_layer(), cls)
        meant = names(groups, cls._chanx_all_groups())
        if not meant and groups is None:
            logger.warning(
                "%s.broadcast_event: nobody gets %s, for groups= was left out and the class has no groups",
                *(cls.__qualname__, type(event).__qualname__),
            )
        captured.events.tell(cls, event, meant)
        await to_groups(layer, meant, event_payload(event))

    @classmethod
    def send_event_sync(cls, event: ReceiveEvent, channel_name: str) -> None:
        """`send_event` from a thread without an event loop: a view, a task, a script.

        Raises:
            RuntimeError: this thread runs an event loop.
        """
        from_thread(cls.send_event, f"{cls.__qualname__}.send_event", event, channel_name)

    @classmethod
    def broadcast_event_sync(cls, event: ReceiveEvent, groups: Collection[str] | str | None = None) -> None:
        """`broadcast_event` from a thread without an event loop: a view, a task, a script.

        Raises:
            RuntimeError: this thread runs an event loop.
        """
        from_thread(cls.broadcast_event, f"{cls.__qualname__}.broadcast_event", event, groups)


class AsyncJsonWebsocketConsumer(ChanxWebsocketConsumerMixin[ReceiveEvent]):
    """One WebSocket whose messages and events are handled by the methods that decorators mark (document 001)."""
