"""Topics of chanx 2.x: what clients subscribe to on a connection that carries several streams."""

from __future__ import annotations

import hashlib
import re
from typing import Any, ClassVar, cast

import msgspec
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from chanx._topics.pattern import MAX_TOPIC, Pattern, parse
from chanx.compat import captured
from chanx.compat.answering import envelope
from chanx.compat.compiled import Described, compiled
from chanx.compat.decorated import AsyncJsonWebsocketConsumer
from chanx.compat.handlers import Handlers
from chanx.compat.layers import DEFAULT_CHANNEL_LAYER, get_channel_layer
from chanx.compat.sending import from_thread, needed
from chanx.compat.subscriptions import Subscription, Subscriptions
from chanx.compat.topic_routes import called, filled, taken
from chanx.exceptions import ConfigurationError

#: Such a name, with a prefix, is short enough for a group (Channels' specification: less than 100 characters).
_LONGEST = 90

#: What may not stand in a group's name, and a period, which stands in front of the code of each of these.
_SPECIAL = re.compile(rb"[^a-zA-Z0-9\-_]")


class Topic(Handlers):
    """What a client may subscribe to. List its classes in a consumer's `topics`.

    Its methods are marked by the same decorators as a consumer's; each subscription has an object of its own.

    Attributes:
        pattern: of the topics' names: `"run:{id}"`, where a parameter matches anything but a colon.
        channel_layer_alias: of the channel layer; the same as the consumer's.
        consumer: the one of the client's connection.
        topic: the topic's name, such as `"run:7"`.
        params: the parameters in it: `{"id": "7"}`.
    """

    pattern: ClassVar[str] = ""
    channel_layer_alias: str = DEFAULT_CHANNEL_LAYER

    consumer: Any
    topic: str
    params: dict[str, str]

    def __init__(self, consumer: Any, topic: str, params: dict[str, str]) -> None:
        self.consumer = consumer
        self.topic = topic
        self.params = params

    @classmethod
    def _chanx_describe(cls) -> Described:
        pattern = cls._chanx_pattern()
        for name in ("authorize", "on_subscribe", "on_unsubscribe"):
            unknown = set(taken(getattr(cls, name)) or ()) - set(pattern.names)
            if unknown:
                raise ConfigurationError(
                    f"{cls.__qualname__}.{name} takes {', '.join(sorted(unknown))}, and the pattern {pattern.text!r} "
                    f"has no such parameter"
                )
        return super()._chanx_describe()

    @classmethod
    def _chanx_pattern(cls) -> Pattern:
        found: Pattern | None = cls.__dict__.get("_chanx_parsed")
        if found is None:
            found = parse(cls.pattern, cls.__qualname__)
            cast(Any, cls)._chanx_parsed = found
        return found

    # -- what a subclass overrides --------------------------------------------------------------------

    # To type checkers, the parameters stand for any that an override takes.
    async def authorize(self, *args: Any, **params: Any) -> bool:  # noqa: ARG002
        """May the client subscribe? Called with the topic's parameters; everybody may, unless it is overridden."""
        return True

    async def on_subscribe(self, *args: Any, **params: Any) -> None:
        """The client is about to be subscribed; what is sent here comes after `subscribed`."""

    async def on_unsubscribe(self, *args: Any, **params: Any) -> None:
        """The subscription has ended: by the client, by the server, or with the connection."""

    # -- for its methods ------------------------------------------------------------------------------

    @property
    def user(self) -> Any:
        """The connection's user."""
        return self.consumer.user

    @property
    def authenticator(self) -> Any:
        """The connection's authenticator."""
        return self.consumer.authenticator

    @property
    def scope(self) -> Any:
        """The connection's ASGI scope."""
        return self.consumer.scope

    async def send_message(self, message: BaseModel, *, validate: bool = False) -> None:
        """Send the subscribed client a message; nothing is sent when the subscription has ended.

        Args:
            message: a pydantic model.
            validate: check that it is one that the class says it sends.

        Raises:
            pydantic.ValidationError: it is none of these.
        """
        if validate:
            compiled(type(self)).outgoing_message_adapter.validate_python(message)
        topics: Subscriptions | None = self.consumer._chanx_topics
        if topics is None:  # it is served on a route of its own
            await self.consumer.send_message(message)
            return
        one: Subscription | None = topics.of(self)
        if one is None:
            return
        await topics.tell(one)
        known = envelope.get()
        if not one.beside or (known is not None and known.get("topic") == self.topic):
            await self.consumer.send_message(message)
            return
        token = envelope.set(one.beside)
        try:
            await self.consumer.send_message(message)
        finally:
            envelope.reset(token)

    async def unsubscribe(self) -> None:
        """End this subscription; the client is told. `on_unsubscribe` is called when its handlers have ended."""
        topics: Subscriptions | None = self.consumer._chanx_topics
        if topics is None:
            await self.consumer.close()
        elif (one := topics.of(self)) is not None:
            await topics.end(one, {"version": 1, "topic": self.topic})

    # -- from anywhere --------------------------------------------------------------------------------

    @classmethod
    def group_name(cls, topic: str) -> str:
        """The name of the group of a topic's subscribers; two topics never have the same.

        Raises:
            ValueError: no topic is called so.
        """
        if not 1 <= len(topic) <= MAX_TOPIC:
            raise ValueError(f"{topic!r} is no topic: its name is a string of 1 to {MAX_TOPIC} characters")
        text = topic.encode("utf-8", "surrogatepass")
        escaped = _SPECIAL.sub(lambda found: b".%02x" % found[0][0], text).decode()
        if len(escaped) <= _LONGEST:
            return f"topic-{escaped}"
        return f"topic_{hashlib.sha256(text).hexdigest()}"

    @classmethod
    async def broadcast(cls, topic: str, event: BaseModel, *, seq: int | None = None) -> None:
        """Send an event to all subscribers of a topic.

        Args:
            topic: its name, such as `"run:7"`.
            event: one that the class has a handler for, or passes through.
            seq: the event's position in the topic; it stands in the frames that the clients get.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
            ValueError: the topic is none of this class.
        """
        if cls._chanx_pattern().regex.fullmatch(topic) is None:
            raise ValueError(f"{topic!r} is no topic of {cls.__qualname__}, whose pattern is {cls.pattern!r}")
        layer = needed(get_channel_layer(cls.channel_layer_alias), cls)
        captured.topics.tell(cls, topic, event, seq)
        data = event.model_dump(mode="json", by_alias=False)
        payload = {"type": "handle_topic_event", "topic": topic, "seq": seq, "event_data": data}
        await layer.group_send(cls.group_name(topic), payload)

    @classmethod
    def broadcast_sync(cls, topic: str, event: BaseModel, *, seq: int | None = None) -> None:
        """`broadcast` from a thread without an event loop: a view, a task, a script.

        Raises:
            RuntimeError: this thread runs an event loop.
        """

        async def broadcast() -> None:
            await cls.broadcast(topic, event, seq=seq)

        from_thread(broadcast, f"{cls.__qualname__}.broadcast")

    @classmethod
    def as_consumer(cls, **attributes: Any) -> type[AsyncJsonWebsocketConsumer]:
        """A consumer that serves one topic on a route of its own; the parameters come from the URL.

        Clients are subscribed as long as they are connected, and name no topic in their frames. One that
        `authorize` refuses is closed with 4403.

        Args:
            attributes: of the class of consumers, such as `authenticator_class`.
        """
        own = {name: cls.__dict__[name] for name in ("__doc__", "__module__") if cls.__dict__.get(name)}
        attributes = {"channel_layer_alias": cls.channel_layer_alias, "_chanx_served": cls, **own, **attributes}
        return type(cls.__name__, (_Served,), attributes)


class _Served(AsyncJsonWebsocketConsumer):
    """A topic as a consumer: its methods are those of an object of the topic's class."""

    _chanx_served: ClassVar[type[Topic] | None] = None
    _chanx_topic: Topic | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if cls._chanx_served is not None:
            cls.discriminator_field = cls._chanx_served.discriminator_field
        super().__init_subclass__(**kwargs)

    @classmethod
    def _chanx_describe(cls) -> Described:
        told = super()._chanx_describe()
        if cls._chanx_served is None:
            return told
        topic = cls._chanx_served._chanx_describe()  # pyright: ignore[reportPrivateUsage]
        entries = tuple(msgspec.structs.replace(one, method=_PREFIX + one.method) for one in topic.entries)
        if told.entries:
            raise ConfigurationError(f"{cls.__qualname__} serves a topic, and has handlers beside it: give it no more")
        return msgspec.structs.replace(topic, entries=entries, name=told.name, emits=(*topic.emits, *told.emits))

    async def websocket_connect(self, message: Any) -> None:
        """Let the client in, and subscribe it."""
        await super().websocket_connect(message)
        if self._chanx_closed or self._chanx_refused or self._chanx_served is None:
            return
        quick, self._chanx_quick, self._chanx_refused = self._chanx_quick, False, True
        pattern = self._chanx_served._chanx_pattern()  # pyright: ignore[reportPrivateUsage]
        params = filled(pattern, self.url_params, type(self).__qualname__)
        if params is None:
            await self.close(4404, "there is no such topic")
            return
        name = pattern.text.format_map(params)
        topic = self._chanx_served(self, name, params)
        try:
            allowed = await called(topic.authorize, params)
        except HTTPException as refusal:
            await self.close(4000 + refusal.status_code, refusal.detail)
            return
        if not allowed:
            await self.close(4403, "the subscription was refused")
            return
        await needed(self.channel_layer, type(self)).group_add(topic.group_name(name), self.channel_name)
        self.groups.append(topic.group_name(name))
        for method in (*self._chanx_methods.values(), *self._chanx_compiled.event_methods.values()):
            setattr(self, method, getattr(topic, method.removeprefix(_PREFIX)))
        await called(topic.on_subscribe, params)
        self._chanx_topic = topic
        self._chanx_quick, self._chanx_refused = quick, False

    async def websocket_disconnect(self, message: Any) -> None:
        """End the subscription, and the connection."""
        topic, self._chanx_topic = self._chanx_topic, None
        try:
            if topic is not None:
                await called(topic.on_unsubscribe, topic.params)
        finally:
            await super().websocket_disconnect(message)

    async def handle_topic_event(self, event: Any) -> None:
        """Handle an event that was broadcast to the topic."""
        token = envelope.set(None if event.get("seq") is None else {"version": 1, "seq": event["seq"]})
        try:
            await self.handle_channel_event(event)
        finally:
            envelope.reset(token)


_PREFIX = "chanx_topic_"
