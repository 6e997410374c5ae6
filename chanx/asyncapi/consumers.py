"""Consumers of the class API as channels at their addresses: what a document tells of them beside their plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chanx._plan import Plan
from chanx.asyncapi.served import Served
from chanx.exceptions import ConfigurationError
from chanx.router import Channel
from chanx.types import place

_CLOSE = {
    "4401": "Not authenticated: do not retry with the same credentials.",
    "4403": "Forbidden: do not retry.",
    "4404": "What the connection is about does not exist.",
    "4500": "The server failed to authenticate: reconnect later.",
}


class ToldTopic(msgspec.Struct, frozen=True, eq=False):
    """What a document tells of a class of topics: its names, and what it is compiled into."""

    pattern: str
    plan: Plan
    title: str | None
    description: str | None


class Told(msgspec.Struct, frozen=True, eq=False):
    """What a document tells of a consumer.

    Attributes:
        tags: of its channel.
        error: the class of its errors.
        frames: classes of what it sends by itself: errors, and what the settings ask for.
        camelized: names are in camel case on the wire.
        close_codes: those of its authenticator.
        topics: what clients may subscribe to.
        event_complete: the class of what follows each event; None where nothing does.
    """

    tags: tuple[str, ...]
    error: Any
    frames: tuple[Any, ...]
    camelized: bool
    close_codes: Mapping[str, str]
    topics: tuple[ToldTopic, ...]
    event_complete: Any = None

    def of_topic(self, plan: Plan) -> tuple[Any, ...]:
        """Those of `frames` that come on a topic: it has no verdicts, and nothing comes through groups."""
        from chanx.messages import outgoing

        found = [one for one in self.frames if one in (outgoing.ErrorMessage, outgoing.CompleteMessage)]
        if self.event_complete is not None and any(one.kind == "event" for one in plan.operations):
            found.append(self.event_complete)
        return tuple(dict.fromkeys(found))


def consumer_of(app: Any) -> Any:
    """The class of consumers that a document can tell of: itself, or behind its `as_asgi()`; None where there is none.

    Its messages are typed. What other consumers receive nobody knows before they run.
    """
    attributes = {} if isinstance(app, type) else getattr(app, "__dict__", {})
    cls: Any = app if isinstance(app, type) else attributes.get("consumer_class")
    if not isinstance(cls, type):
        return None
    from chanx.compat.structured import StructuredConsumer

    return cls if issubclass(cls, StructuredConsumer) else None


def leaf_of(app: Any) -> Any:
    """The channel that an application is, or the class of consumers that it makes one of for each connection."""
    return app if isinstance(app, Channel) else consumer_of(app)


def served_at(address: str, leaf: Any, parameters: Mapping[str, str | None] = {}, host: str | None = None) -> Served:
    """A channel or a class of consumers at its address.

    Raises:
        ConfigurationError: a consumer's set-up is wrong.
        TypeError: likewise.
    """
    if isinstance(leaf, Channel):
        return Served(address, leaf, parameters, host)
    from chanx.compat.compiled import compiled

    return Served(address, compiled(leaf).channel, parameters, host, leaf)


def served_consumer(pattern: str, leaf: Any) -> Served:
    """A channel or a class of consumers at a route's pattern, however that is written.

    Raises:
        ConfigurationError: it is neither, or its set-up is wrong.
    """
    from chanx.compat.patterns import address_of

    found = leaf_of(leaf)
    if found is None:
        name = place(leaf) if isinstance(leaf, type) else repr(leaf)
        raise ConfigurationError(f"{pattern!r} leads to {name}, which is neither a channel nor a consumer of messages")
    address, parameters = address_of(pattern)
    return served_at("/" + address.lstrip("/"), found, parameters)


def told_of(consumer: Any) -> Told | None:
    """What a document tells of a class of consumers; None where there is none."""
    if consumer is None:
        return None
    from chanx.compat.compiled import compiled
    from chanx.compat.settings import send_authentication_message, setting
    from chanx.messages import outgoing

    def chosen(attribute: str) -> bool:
        own = getattr(consumer, attribute, None)
        return bool(setting(attribute.upper()) if own is None else own)

    frames: list[Any] = [outgoing.ErrorMessage]
    authenticator = getattr(consumer, "authenticator_class", None)
    by_itself: bool = consumer._chanx_authenticates  # as consumers of 0.12 do, which close without a code
    own = getattr(authenticator, "send_authentication_message", getattr(consumer, "send_authentication_message", None))
    if by_itself or authenticator is not None:
        frames += [outgoing.AuthenticationMessage] if send_authentication_message(_flag(own)) else []
    event_complete: Any = consumer._chanx_event_complete if chosen("send_completion") else None
    if event_complete is not None:
        frames += [outgoing.CompleteMessage, outgoing.GroupCompleteMessage]
        frames += [event_complete] if compiled(consumer).incoming_events and event_complete not in frames else []
    topics: Any = getattr(compiled(consumer), "topics", ())
    return Told(
        tags=tuple(compiled(consumer).tags),
        error=outgoing.ErrorMessage,
        frames=tuple(frames),
        camelized=chosen("camelize"),
        close_codes=_CLOSE if authenticator is not None and not by_itself else {},
        topics=tuple(
            ToldTopic(route.pattern.text, made.plan, made.described.title, made.described.description)
            for route, made in topics
        ),
        event_complete=event_complete,
    )


def _flag(own: Any) -> bool | None:
    return own if isinstance(own, bool) else None
