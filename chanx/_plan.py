"""The immutable, compiled form of a channel. `_compile` makes it, `_dispatch` and `connection` read it.

These are structs, not dataclasses, since making a frozen dataclass takes twenty times as long, at each start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from chanx._inject import Slot, Value
from chanx._topics.pattern import Pattern
from chanx.codecs.protocol import Codec, Finding
from chanx.types import Limits

#: A generated call: the message, event or exception, then the connection (the `Run` where that is asked for).
Call = Callable[[Any, Any], Awaitable[Any]]


class Order(msgspec.Struct, frozen=True, eq=False):
    """How the messages of one handler run beside the serial ones.

    Attributes:
        concurrency: how many at once; None for `Limits.handlers`.
        key: what must not overlap, one at a time where it is equal; a field's name becomes a function when compiled.
        latest: a new message ends the one that runs.
    """

    concurrency: int | None
    key: Callable[[Any], Hashable] | str | None
    latest: bool


class Handler(msgspec.Struct, frozen=True, eq=False):
    """One function that answers messages or events.

    Attributes:
        run: the generated call, middleware included.
        where: the function's place, for logs and errors.
        errors: error handlers by exception class, the channel's own before its parents'.
        plain: nothing but a call: no stream, no order of its own, no cancelling, no time limit.
        wide: the call takes the `Run` in place of the connection.
        streams: it is an async generator.
        chunks: the validator of the client's stream that it reads.
        order: how it runs beside other messages; None for one at a time.
        cancellable: the client may end it with a `cancel` frame.
        ends_on_leave: it is cancelled as soon as the client has left.
        timeout: in seconds; None for no limit.
    """

    run: Call
    where: str
    errors: Mapping[type[BaseException], Call]
    plain: bool = True
    wide: bool = False
    streams: bool = False
    chunks: Section | None = None
    order: Order | None = None
    cancellable: bool = False
    ends_on_leave: bool = False
    timeout: float | None = None


class Section(msgspec.Struct, frozen=True, eq=False):
    """The messages of one family that are received under one prefix: one validator, one table.

    Attributes:
        decode: the family's validator over all classes of the section.
        handlers: by class of the validated message, never by the peeked tag; `runs` are the calls of the plain ones.
        tags: what the family puts in front of a finding's path.
        strict: some class looks at unknown keys, so envelope keys must be stripped for it.
    """

    decode: Callable[[str], Any]
    handlers: Mapping[type[Any], Handler]
    runs: Mapping[type[Any], Call]
    explain: Callable[[Exception, frozenset[str]], Finding | None]
    tags: frozenset[str]
    strict: bool
    prefix: str = ""


def section_of(
    codec: Codec, classes: Iterable[Any], discriminator: str, prefix: str = "", handlers: Mapping[Any, Handler] = {}
) -> Section:
    """One validator over classes of one family."""
    members = tuple(classes)
    # by the class of what is decoded: that of a generic alias has no parameters
    table = {getattr(cls, "__origin__", cls): handler for cls, handler in handlers.items()}
    return Section(
        decode=codec.union(members, discriminator),
        handlers=table,
        runs={cls: handler.run for cls, handler in table.items() if handler.plain},
        explain=codec.explain,
        tags=frozenset(tag for cls in members for tag in codec.tags(cls, discriminator)),
        strict=any(codec.extra(cls) for cls in members),
        prefix=prefix,
    )


class Event(msgspec.Struct, frozen=True, eq=False):
    """How an event reaches its handler; a serial one waits in the queue of messages."""

    decode: Callable[[str], Any]
    handler: Handler
    serial: bool = False


class Operation(msgspec.Struct, frozen=True, eq=False):
    """What documents tell of one registered function. Nothing of it is read when a message arrives.

    Attributes:
        name: that of the function.
        prefix: stands before the tags of `inputs` and `chunks` on the wire.
        inputs: classes of what it is called with; none for an error function.
        chunks: classes of what the client streams to it.
        returns: classes of its return type: each is an answer, or one of several.
        alone: those of them that it returns as the only answer.
        outputs: classes of `output=`: what it sends otherwise.
        silent: it may return nothing.
        several: it may return a list.
        streams: it is an async generator.
        cancellable: the client may end it with a `cancel` frame.
    """

    kind: Literal["on", "event", "on_error"]
    name: str
    where: str
    prefix: str
    inputs: tuple[Any, ...]
    chunks: tuple[Any, ...]
    returns: tuple[Any, ...]
    alone: tuple[Any, ...]
    outputs: tuple[Any, ...]
    silent: bool
    several: bool
    streams: bool
    cancellable: bool
    summary: str
    description: str
    tags: tuple[str, ...]


class Hook(msgspec.Struct, frozen=True, eq=False):
    """One `on_connect` or `on_disconnect` function.

    Attributes:
        generator: it yields once; what follows the yield is the second hook.
        guarded: it belongs to an included channel, whose guards may refuse it without refusing the connection.
    """

    run: Callable[[Any, Any], Any]
    where: str
    generator: bool
    guarded: bool


class Hooks(msgspec.Struct, frozen=True, eq=False):
    """The hooks of one channel; the second kind runs once the first kind has finished."""

    connect: tuple[Hook, ...]
    disconnect: tuple[Hook, ...]


class Topic(msgspec.Struct, frozen=True, eq=False):
    """A channel that is served as topics of another one's connections.

    Attributes:
        plan: that of its subscriptions; the state of index 0 is its own, those that follow are the states of the
            plan it belongs to, in their order, and then those of the channels that it includes.
        limits: those that it was given.
        name: that of its channel; `title` and `description` too.
        tags: those of its inclusion, and of the channels around it.
    """

    pattern: Pattern
    plan: Plan
    limits: Limits | None
    name: str
    title: str | None
    description: str | None
    tags: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, eq=False):
    """What a connection needs to know, and nothing that changes.

    Attributes:
        direct: the only section, when there is one family and no prefix: no peek is needed.
        routes: section by tag on the wire, for all other plans.
        peek: reads the tag, `ref` and `ask` of a frame; raises what msgspec raises.
        chunk_tags: tags on the wire of the frames of client streams.
        queued: every frame passes the queue of frames read ahead: there are topics, serial events or client streams.
        slots: connection-scoped values; `eager` are those made before accept, in order.
        states: factories of the contexts' states; the first is the served channel's.
        operations: what documents tell of the functions, in order of registration; `values` what they tell of path,
            query, headers and cookies.
        topics: what clients may subscribe to.
        history: of the channels in it, one says that groups have a history; for documents.
    """

    discriminator: str
    envelope: bool
    direct: Section | None
    routes: Mapping[str, Section]
    known: frozenset[str]
    peek: Callable[[str], Any]
    encoders: dict[type[Any], Callable[[Any], bytes]]
    codecs: tuple[Codec, ...]
    events: Mapping[str, Event]
    hooks: tuple[Hooks, ...]
    slots: tuple[Slot, ...]
    eager: tuple[int, ...]
    states: tuple[Callable[[], Any] | None, ...]
    uses_http: bool
    chunk_tags: frozenset[str]
    queued: bool
    operations: tuple[Operation, ...]
    values: tuple[Value, ...]
    topics: tuple[Topic, ...] = ()
    history: bool = False
