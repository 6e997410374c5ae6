"""A consumer class as the kernel's plan: the validator of its messages, its events, and which method is for which.

It is made from a real `Channel`, on which a function stands for each method, named and annotated as documents are to
tell of it: the class API adds no validator of its own, and no second description. Classes are compiled at first use.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Union, cast

import msgspec
from pydantic import BaseModel, Field, TypeAdapter, create_model

from chanx._plan import Plan
from chanx._topics.pattern import Pattern
from chanx.codecs.pydantic import PydanticCodec
from chanx.compat.casing import snake_case
from chanx.exceptions import ConfigurationError
from chanx.messages.outgoing import (
    AuthenticationMessage,
    CompleteMessage,
    ErrorMessage,
    EventCompleteMessage,
    GroupCompleteMessage,
)
from chanx.messages.topic import SubscribedMessage, UnsubscribedMessage
from chanx.router import Channel

#: The tag field of `BaseChannelEvent`.
HANDLER_FIELD = "handler"
#: Beside a message's own keys in a frame.
RESERVED = ("version", "topic", "seq", "ref")
#: What a consumer sends by itself.
_FRAMEWORK = (ErrorMessage, CompleteMessage, GroupCompleteMessage, EventCompleteMessage, AuthenticationMessage)
_TOPICS = (SubscribedMessage, UnsubscribedMessage)
#: The tag of a class that nobody sends.
NOBODY = "\1"

_codec = PydanticCodec()
_lock = threading.RLock()


class Entry(msgspec.Struct, frozen=True, eq=False):
    """One method of a consumer.

    Attributes:
        method: its name.
        name: that of the operation in documents.
        inputs: the classes that it handles.
        returns: the classes that it returns; `silent`: or nothing.
        outputs: what it sends otherwise.
        function: where it was written.
    """

    kind: Literal["on", "event"]
    method: str
    name: str
    inputs: tuple[Any, ...]
    returns: tuple[Any, ...] = ()
    outputs: tuple[Any, ...] = ()
    silent: bool = False
    summary: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    function: Any = None


class Route(msgspec.Struct, frozen=True, eq=False):
    """A class of topics, and the names that it is for."""

    pattern: Pattern
    topic: Any


class Described(msgspec.Struct, frozen=True, eq=False):
    """All that a consumer class says, in either generation.

    Attributes:
        emits: what it sends beside what its entries say.
        routes: the topics of its connections, in the order in which they are tried.
        reserved: keys that may stand beside a message's own in a frame.
    """

    name: str
    title: str | None
    description: str | None
    tags: tuple[str, ...]
    discriminator: str
    entries: tuple[Entry, ...]
    emits: tuple[Any, ...] = ()
    reserved: tuple[str, ...] = RESERVED
    routes: tuple[Route, ...] = ()


class Compiled:
    """What a consumer class was compiled into.

    Args:
        consumer: the class.
        described: what it says.

    Attributes:
        channel: what documents tell of; its plan is `plan`.
        tags: of the channel, for documents.
        decode: a frame's text as a message.
        strict: some class looks at unknown keys: those in `reserved` must be taken out for it.
        methods: the name of the method for a message, by class; `event_methods` for an event.
        events: what validates an event, by the field that its tag stands in, and by tag.
        encoders: from a message to JSON, by class.
        incoming: classes of messages; `incoming_events` of events, `outgoing` of all that is sent.
        topics: what the classes of topics were compiled into, with their patterns.
    """

    def __init__(self, consumer: type[Any], described: Described) -> None:
        self.described = described
        self.tags = described.tags
        self.discriminator = described.discriminator
        self._sent: dict[str, Any] = {}
        self._numbers = itertools.count()
        entries = described.entries
        messages = sorted((one for one in entries if one.kind == "on"), key=self._tag)
        events = [one for one in entries if one.kind == "event"]
        self.incoming = _flat(one.inputs for one in messages)
        self.incoming_events = _flat(one.inputs for one in events)
        sends = _flat((*one.returns, *one.outputs) for one in entries)
        self.topics: tuple[tuple[Route, Compiled], ...] = tuple(
            (route, compiled(route.topic)) for route in described.routes
        )
        of_topics = (*_TOPICS, *_flat(made.outgoing for _, made in self.topics)) if self.topics else ()
        self.outgoing: tuple[Any, ...] = _flat([sends, described.emits, _FRAMEWORK, of_topics])
        name = consumer.__qualname__
        self.channel = Channel(
            described.name,
            title=described.title,
            description=described.description,
            discriminator=self.discriminator,
            envelope=False,
        )
        by_handler = Channel(described.name, discriminator=HANDLER_FIELD, envelope=False)
        for one in messages:
            self.channel.on(*one.inputs, **self._options(one))(self._stub(name, one))
        for one in events:
            own: list[Any] = [cls for cls in one.inputs if self.discriminator in cls.model_fields]
            others: list[Any] = [cls for cls in one.inputs if cls not in own]
            if others:
                by_handler.event(*others)(self._stub(name, one, typed=False))
            told = own or [self._silent_event()]
            self.channel.event(*told, **self._options(one))(self._stub(name, one))
        for cls in described.emits:
            entry = Entry("event", "", snake_case(cls.__name__), (), outputs=(cls,), description=own_doc(cls))
            self.channel.event(self._silent_event(), **self._options(entry))(self._stub(name, entry))
        self.plan: Plan = self.channel._compiled(f"the first use of {name}").plan  # pyright: ignore[reportPrivateUsage]
        plans = {self.discriminator: self.plan}
        if any(HANDLER_FIELD in cls.model_fields for cls in self.incoming_events):
            plans[HANDLER_FIELD] = by_handler._compiled(f"the first use of {name}").plan  # pyright: ignore[reportPrivateUsage]
        section = self.plan.direct
        self.decode: Callable[[str], Any] = (
            _codec.union((_nobody(self.discriminator),), self.discriminator) if section is None else section.decode
        )
        self.strict = section is not None and section.strict and bool(described.reserved)
        taken = {key for cls in self.incoming for key in _codec.names(cls)}
        self.reserved = tuple(key for key in described.reserved if key not in taken)
        self.methods = {cls: one.method for one in messages for cls in one.inputs}
        self.event_methods = {cls: one.method for one in events for cls in one.inputs}
        self.events: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
            field: {tag: _python(event.decode) for tag, event in plan.events.items() if tag[:1] != NOBODY}
            for field, plan in plans.items()
        }
        self.encoders: dict[Any, Callable[[Any], bytes]] = dict(self.plan.encoders)

    def encoder(self, cls: Any) -> Callable[[Any], bytes]:
        """From a message of a class to JSON."""
        found = self.encoders.get(cls)
        if found is None:
            found = _codec.encoder(cls)
            if len(self.encoders) < 1000:  # classes that are made on the fly are not kept for ever
                self.encoders[cls] = found
        return found

    def validate(self, content: Any, *, by_name: bool = False) -> Any:
        """What JSON gives as a message: the very one that `decode` makes of the text.

        Args:
            content: of a frame.
            by_name: fields may have their own names, too, where they have aliases.

        Raises:
            pydantic.ValidationError: it is none.
            RecursionError: it is too deep.
        """
        validator = cast(Any, self.decode).__self__
        try:
            text = json.dumps(content, separators=(",", ":"))
        except (TypeError, ValueError):  # a `decode_json` of its own has made more of it
            return validator.validate_python(content, by_alias=True, by_name=by_name)
        return validator.validate_json(text, by_alias=True, by_name=by_name)

    def event(self, data: Any) -> Any:
        """An event from the channel layer; None where no method is for it.

        Raises:
            pydantic.ValidationError: it has the tag of an event, and is none.
        """
        for field, validators in self.events.items():
            tag = data.get(field)
            validate = validators.get(tag) if isinstance(tag, str) else None
            if validate is not None:
                return validate(data)
        return None

    def tag(self, message: Any) -> str:
        """The tag of a message or an event."""
        tag = getattr(message, self.discriminator, None) or getattr(message, HANDLER_FIELD, "")
        return str(getattr(tag, "value", tag))  # that of an enumeration is the member's value on the wire

    @functools.cached_property
    def incoming_message_adapter(self) -> TypeAdapter[Any] | None:
        """For whoever asks; the consumer itself does without."""
        return self._adapter(self.incoming)

    @functools.cached_property
    def incoming_event_adapter(self) -> TypeAdapter[Any] | None:
        """For whoever asks; the consumer itself does without."""
        tagged = all(self.discriminator in cls.model_fields for cls in self.incoming_events)
        return self._adapter(self.incoming_events, discriminated=tagged)

    @functools.cached_property
    def outgoing_message_adapter(self) -> TypeAdapter[Any]:
        """Takes all that the consumer is known to send."""
        return TypeAdapter(_union(self.outgoing))

    def _adapter(self, classes: tuple[Any, ...], *, discriminated: bool = True) -> TypeAdapter[Any] | None:
        if not classes:
            return None
        union = _union(classes)
        if len(classes) < 2 or not discriminated:
            return TypeAdapter(union)
        tagged: Any = Annotated[union, Field(discriminator=self.discriminator)]
        return TypeAdapter(tagged)

    def _tag(self, entry: Entry) -> str:
        return min(tags_of(cls, self.discriminator) for cls in entry.inputs)[0]

    def _options(self, entry: Entry) -> Any:
        outputs = [cls for cls in entry.outputs if self._is_told(cls)]
        return {
            "summary": entry.summary,
            "description": entry.description,
            "tags": entry.tags,
            "output": outputs,
        }

    def _is_told(self, cls: Any) -> bool:
        """Can documents tell of it? It needs a tag, which nothing else is sent under."""
        try:
            tags = _codec.tags(cls, self.discriminator)
        except (ConfigurationError, AttributeError):
            return False
        return all(self._sent.setdefault(tag, cls) is cls for tag in tags)

    def _stub(self, owner: str, entry: Entry, *, typed: bool = True) -> Callable[..., Any]:
        """A function that stands for a method."""

        async def stub(message: Any) -> Any:
            raise NotImplementedError

        function: Any = inspect.unwrap(entry.function) if entry.function is not None else None
        returns = tuple(cls for cls in entry.returns if self._is_told(cls))
        told = _union((*returns, None)) if entry.silent else _union(returns) if returns else None
        stub.__name__ = entry.name
        stub.__qualname__ = f"{owner}.{entry.method or entry.name}"
        stub.__doc__ = getattr(function, "__doc__", None)
        stub.__annotations__ = {"return": told} if typed else {}
        code = getattr(function, "__code__", None)
        if code is not None:
            stub.__module__ = function.__module__
            where = {"co_filename": code.co_filename, "co_firstlineno": code.co_firstlineno}
            stub.__code__ = stub.__code__.replace(**where)
        return stub

    def _silent_event(self) -> Any:
        """An event that nobody can send, for what documents tell of something that the client gets."""
        return _nobody(self.discriminator, f"{NOBODY}{next(self._numbers)}")


def compiled(consumer: type[Any]) -> Compiled:
    """What a consumer class is compiled into, at its first use.

    Raises:
        ConfigurationError: a message has no literal tag, or cannot be completed.
        TypeError: a method does not say what it handles, or two handle the same.
    """
    found: Compiled | None = consumer.__dict__.get("_chanx_compiled")
    if found is None:
        with _lock:
            found = consumer.__dict__.get("_chanx_compiled")
            if found is None:
                found = Compiled(consumer, cast(Any, consumer)._chanx_describe())
                cast(Any, consumer)._chanx_compiled = found
    return found


def tags_of(cls: Any, discriminator: str) -> tuple[str, ...]:
    """The tags of a class, in the discriminator or in `handler`.

    Raises:
        ConfigurationError: it has none.
        TypeError: it is no pydantic model.
    """
    if not (isinstance(cls, type) and issubclass(cls, BaseModel)):
        raise TypeError(f"{cls!r} is no message: a message is a pydantic model, such as a subclass of BaseMessage")
    field = discriminator
    if discriminator not in cls.model_fields and HANDLER_FIELD in cls.model_fields:
        field = HANDLER_FIELD
    return _codec.tags(cls, field)


def own_doc(cls: Any) -> str | None:
    """The docstring of a class, and not of one that it extends."""
    return inspect.getdoc(cls) if cls.__dict__.get("__doc__") else ""


def _flat(several: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(one for some in several for one in some))


def _union(classes: tuple[Any, ...]) -> Any:
    return Union[classes]  # pyright: ignore[reportInvalidTypeArguments]  # noqa: UP007


def _nobody(discriminator: str, tag: str = NOBODY) -> Any:
    fields: dict[str, Any] = {discriminator: (Literal[tag], ...)}
    return create_model("Nobody", **fields)


def _python(decode: Any) -> Callable[[Any], Any]:
    """The validator of an event, for what JSON gives in place of JSON; names and aliases are both taken."""
    validator = decode.func.__self__
    return functools.partial(validator.validate_python, by_alias=True, by_name=True)
