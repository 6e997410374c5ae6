"""Consumers of chanx 2.x: methods that decorators mark as handlers (documents 001 and 002)."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection
from typing import Any, ClassVar, Generic

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypeVar

from chanx.compat.casing import snake_case
from chanx.compat.compiled import Described, compiled
from chanx.compat.decorators import described
from chanx.compat.marks import check, entry, explicit, marks_of, merged, pass_through
from chanx.compat.scope import url_params
from chanx.compat.sending import event_payload, from_thread, names, needed, to_groups
from chanx.compat.structured import StructuredConsumer

logger = logging.getLogger("chanx")

ReceiveEvent = TypeVar("ReceiveEvent", bound=BaseModel, default=BaseModel)


class _Adapter:
    """An adapter of a consumer class, made when somebody asks for it."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type[Any]) -> TypeAdapter[Any] | None:
        found: TypeAdapter[Any] | None = getattr(compiled(owner), self._name)
        return found


class ChanxWebsocketConsumerMixin(StructuredConsumer, Generic[ReceiveEvent]):
    """One WebSocket whose messages and events are handled by the methods that decorators mark.

    The parameter says for type checkers what `send_event` and `broadcast_event` take; it means nothing at run time.

    Attributes:
        passthrough_events: events that are sent to the client as they are; for each there is a method.
        passthrough_method_prefix: of the names of these methods; the class's name in snake case follows.
        emits: what else the consumer sends, for documents.
        topics: what clients may subscribe to.
        default_topic: the topic of frames that name none.
        name: of the class; `snake_name` in snake case.
        incoming_message_adapter: takes what clients may send; None where nothing.
        incoming_event_adapter: takes its events; None where there are none.
        outgoing_message_adapter: takes what it sends.
    """

    # Lists of classes: a mixin that is no consumer has them too, of another type to checkers.
    passthrough_events: Any = ()
    passthrough_method_prefix: str = "handle_passthrough_"
    emits: Any = ()
    topics: Any = ()
    default_topic: Any = None
    name: ClassVar[str] = "ChanxWebsocketConsumerMixin"
    snake_name: ClassVar[str] = "chanx_websocket_consumer_mixin"

    incoming_message_adapter = _Adapter()
    incoming_event_adapter = _Adapter()
    outgoing_message_adapter = _Adapter()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__
        if "snake_name" not in cls.__dict__:
            cls.snake_name = snake_case(cls.name)
        marks = explicit(cls)
        check(cls, marks)
        pass_through(cls, marks)

    @classmethod
    def _chanx_describe(cls) -> Described:
        """What the class is compiled from."""
        check(cls, explicit(cls), late=True)
        marks = marks_of(cls)
        said = described(cls)
        doc = inspect.getdoc(cls) if cls.__doc__ else None
        return Described(
            name=said.name or cls.name,
            title=None,
            description=said.description or doc,
            tags=said.tags,
            discriminator=cls.discriminator_field,
            entries=tuple(entry(name, mark) for name, mark in marks.items()),
            emits=merged(cls, "emits"),
        )

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

    async def websocket_disconnect(self, message: Any) -> None:
        """Leave the groups, and call `disconnect`."""
        if self.log_websocket_message:
            logger.info("%s disconnected with %s", type(self).__qualname__, message.get("code"))
        await super().websocket_disconnect(message)

    # -- to groups, and to other consumers ----------------------------------------------------------

    async def broadcast_message(
        self,
        message: BaseModel | dict[str, Any],
        groups: Collection[str] | str | None = None,
        *,
        exclude_current: bool = False,
    ) -> None:
        """Send a message to the clients in groups; each gets `is_current` beside it: is the message from itself?

        Args:
            message: a message, or what a frame is to hold.
            groups: the consumer's own when left out.
            exclude_current: not to this client.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
        """
        content = message.model_dump(mode="json", by_alias=True) if isinstance(message, BaseModel) else message
        payload = {
            "type": "handle_group_message",
            "message": content,
            "exclude_current": exclude_current,
            "from_channel": getattr(self, "channel_name", ""),
        }
        await to_groups(needed(self.channel_layer, type(self)), names(groups, self.groups), payload)

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
        await to_groups(layer, names(groups, cls._chanx_all_groups()), event_payload(event))

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
