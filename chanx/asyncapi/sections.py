"""What a document tells of each served channel, read off its plan: one section for the channel, one for each topic.

Nothing has a name yet: that takes all sections together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chanx._inject import Value
from chanx._plan import Operation, Plan
from chanx._service import Service
from chanx.asyncapi.consumers import Told, told_of
from chanx.asyncapi.frames import NO_REF, Frame, Ref, Topic
from chanx.asyncapi.naming import choose, legal, slug
from chanx.asyncapi.schemas import Mode
from chanx.asyncapi.served import Served, split
from chanx.groups.memory import MemoryLayer

#: The name of a channel that was not given one.
_UNNAMED = "channel"


class Action(msgspec.Struct, frozen=True, eq=False):
    """One operation of the document.

    Attributes:
        name: of the function, or the action of a frame of the envelope.
        messages: what the client sends; of a `send` operation what it gets.
        reply: what it may get for that.
        final: the tags of what may be the final answer to a `ref`.
        told: what the plan keeps of the function; None for frames of the envelope.
    """

    name: str
    action: str
    messages: tuple[Frame, ...]
    reply: tuple[Frame, ...] = ()
    chunks: tuple[Frame, ...] = ()
    final: tuple[str, ...] = ()
    prefix: str = ""
    told: Operation | None = None


class Section(msgspec.Struct, frozen=True, eq=False):
    """One channel of the document.

    Attributes:
        actions: its operations.
        extra: messages that belong to no operation: frames of the envelope.
        values: what the handshake, or the topic's name, is asked for.
        required: those without which a connection is refused.
        consumer: what there is to tell of a consumer; None for a channel of one's own.
    """

    served: Served
    service: Service
    plan: Plan
    title: str | None
    description: str | None
    topic: Topic | None
    actions: tuple[Action, ...]
    extra: tuple[Frame, ...]
    values: tuple[Value, ...]
    required: frozenset[Value]
    consumer: Told | None = None

    def frames(self) -> dict[Frame, None]:
        """All messages, in the order of their operations."""
        told = (frame for one in self.actions for frame in (*one.messages, *one.chunks, *one.reply))
        return dict.fromkeys((*told, *self.extra))


def sections(served: Sequence[Served]) -> dict[str, Section]:
    """The sections of some served channels, by the key of each."""
    found: list[tuple[list[str], Section]] = []
    plans = [(one, one.channel._compiled("its AsyncAPI document")) for one in served]  # pyright: ignore[reportPrivateUsage]
    answered = {cls for _, service in plans for plan in _plans(service.plan) for cls in _correlated(plan)}
    for one, service in plans:
        channel, path = one.channel, slug(split(one.address)[0]) if one.address.strip("/") else "root"
        own = [path] if channel.name == _UNNAMED else [legal(channel.name), f"{legal(channel.name)}_{path}"]
        if one.address == "" and channel.name == _UNNAMED:
            own = [_UNNAMED]
        consumer = told_of(one.consumer)
        hub = _Reader(service.plan, answered, None, service.plan, consumer)
        found.append((own, hub.section(one, service, channel.title, channel.description)))
        for topic in service.plan.topics:
            pattern = Topic(topic.pattern.text)
            reader = _Reader(topic.plan, answered, pattern, service.plan, consumer)
            keys = [f"{key}.{pattern.slug}" for key in own]
            found.append((keys, reader.section(one, service, topic.title, topic.description)))
        for told in () if consumer is None else consumer.topics:
            pattern = Topic(told.pattern)
            reader = _Reader(told.plan, answered, pattern, service.plan, consumer)
            keys = [f"{key}.{pattern.slug}" for key in own]
            found.append((keys, reader.section(one, service, told.title, told.description)))
    chosen = choose({index: ladder for index, (ladder, _) in enumerate(found)}, set())
    return {chosen[index]: section for index, (_, section) in enumerate(found)}


def _plans(plan: Plan) -> Iterable[Plan]:
    return plan, *(topic.plan for topic in plan.topics)


def _correlated(plan: Plan) -> Iterable[Any]:
    """The classes of messages that may carry a `ref` when they are sent."""
    for one in plan.operations:
        if one.kind != "event":
            yield from one.returns
        yield from () if one.kind == "event" else one.inputs


class _Reader(msgspec.Struct, frozen=True, eq=False):
    """Reads one plan; `hub` is that of the connection, and `consumer` tells of the one that it was compiled from."""

    plan: Plan
    answered: set[Any]
    topic: Topic | None
    hub: Plan
    consumer: Told | None

    def section(self, served: Served, service: Service, title: str | None, description: str | None) -> Section:
        told_last = sorted(self.plan.operations, key=lambda told: told.kind == "on_error")
        actions = [one for told in told_last if (one := self.action(told)) is not None]
        if self.topic is not None:
            error = self.error()
            for name, done in (("subscribe", "subscribed"), ("unsubscribe", "unsubscribed")):
                asks, reply = self.control(name, "validation"), (self.control(done), error)
                actions.append(Action(name, "receive", (asks,), reply, final=(done, "error")))
            actions.append(Action("unsubscribed", "send", (self.control("unsubscribed"),)))
        if self.history:
            asks, reply = self.control("recover", "validation"), (self.control("recovered"), self.error())
            actions.append(Action("recover", "receive", (asks,), reply, final=("recovered", "error")))
        eager = frozenset(one for one in self.hub.values if one.slot in self.hub.eager)
        return Section(
            served=served,
            service=service,
            plan=self.plan,
            title=title,
            description=description,
            topic=self.topic,
            actions=tuple(actions),
            extra=tuple(self.extra(service)),
            values=self.plan.values if self.topic is None else (*self.plan.values, *self.hub.values),
            required=eager,
            consumer=self.consumer,
        )

    @property
    def history(self) -> bool:
        """May its connections take part in groups with history?"""
        return self.plan.history or self.hub.history

    def action(self, told: Operation) -> Action | None:
        """The operation of a function; None where nobody would see it from outside."""
        ref: Ref = "must" if told.chunks else "may"
        sent = tuple(self.frame(cls, "serialization", "may") for cls in dict.fromkeys((*told.returns, *told.outputs)))
        if told.kind != "on":
            return Action(told.name, "send", sent, told=told) if sent else None
        inputs = tuple(self.frame(cls, "validation", ref, told.prefix) for cls in told.inputs)
        chunks = tuple(self.frame(cls, "validation", "must", told.prefix) for cls in told.chunks)
        if self.plan.envelope and sent and (told.streams or told.several):
            sent = (*sent, self.control("complete"))
        return Action(told.name, "receive", inputs, sent, chunks, self.final(told), told.prefix, told)

    def final(self, told: Operation) -> tuple[str, ...]:
        """The tags of what may answer a `ref` of a function's messages, the answers to its errors among them."""
        if not self.plan.envelope:
            return ()
        found: list[str] = []
        for one in (told, *(one for one in self.plan.operations if one.kind == "on_error")):
            if one is told or one.returns:  # else it says nothing
                found += [tag for cls in one.alone for tag in self.tags(cls)]
                found += (["ack"] if one.silent else []) + (["complete"] if one.streams or one.several else [])
        return tuple(dict.fromkeys((*found, "error")))

    def extra(self, service: Service) -> Iterable[Frame]:
        """The frames of the envelope that may come."""
        if self.consumer is not None:
            frames = self.consumer.frames if self.topic is None else self.consumer.of_topic(self.plan)
            yield from (self.frame(cls, "serialization", "may") for cls in frames)
            return
        handlers = [one for one in self.plan.operations if one.kind == "on"]
        yield self.control("error")
        if not self.plan.envelope:
            return
        final = {tag for one in handlers for tag in self.final(one)}
        for action in ("ack", "complete"):
            if action in final:
                yield self.control(action)
        if any(one.chunks for one in handlers):
            yield self.control("complete", "validation")
        if any(one.cancellable for one in handlers):
            yield self.control("cancel", "validation")
        if service.limits.heartbeat is not None and self.topic is None:
            yield self.control("heartbeat")
        if self.history:
            yield from (self.control("joined"), self.control("position"))
        if service.on_gap == "notify" and not isinstance(service.layer, MemoryLayer):
            yield self.control("gap")

    def frame(self, cls: Any, mode: Mode, ref: Ref, prefix: str = "") -> Frame:
        carries = self.plan.envelope and (mode == "validation" or cls in self.answered)
        carries = carries or (self.consumer is not None and self.topic is not None)
        return Frame(
            cls=cls,
            mode=mode,
            discriminator=self.plan.discriminator,
            tags=tuple(prefix + tag for tag in self.tags(cls)),
            ref=ref if carries else "never",
            prefix=prefix,
            topic=self.topic,
            camelized=self.consumer is not None and self.consumer.camelized,
            streamed=self.history and mode == "serialization",
        )

    def error(self) -> Frame:
        """What tells that a subscription failed."""
        return (
            self.control("error") if self.consumer is None else self.frame(self.consumer.error, "serialization", "may")
        )

    def control(self, action: str, mode: Mode = "serialization") -> Frame:
        ref: Ref = "must" if action in ("ack", "complete", "cancel", "recover", "recovered") else "may"
        if action in NO_REF or not (self.plan.envelope or self.consumer is not None):
            ref = "never"
        return Frame(action, mode, self.plan.discriminator, (action,), ref, topic=self.topic)

    def tags(self, cls: Any) -> tuple[str, ...]:
        codec = next(codec for codec in self.plan.codecs if codec.owns(cls))
        return codec.tags(cls, self.plan.discriminator)
