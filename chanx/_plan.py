"""The immutable, compiled form of a channel. `_compile` makes it, `_dispatch` and `connection` read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chanx._inject import Slot
from chanx.codecs.protocol import Codec, Finding

#: A generated call: the message, event or exception, then the connection.
Call = Callable[[Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Handler:
    """One function that answers messages or events.

    Attributes:
        run: the generated call, middleware included.
        where: the function's place, for logs and errors.
        errors: error handlers by exception class, the channel's own before its parents'.
    """

    run: Call
    where: str
    errors: Mapping[type[BaseException], Call]
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """The messages of one family that are received under one prefix: one validator, one table.

    Attributes:
        decode: the family's validator over all classes of the section.
        handlers: by class of the validated message, never by the peeked tag; `runs` are their calls alone.
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


@dataclass(frozen=True, slots=True)
class Event:
    """How an event reaches its handler."""

    decode: Callable[[str], Any]
    handler: Handler


@dataclass(frozen=True, slots=True)
class Hook:
    """One `on_connect` or `on_disconnect` function.

    Attributes:
        generator: it yields once; what follows the yield is the second hook.
        guarded: it belongs to an included channel, whose guards may refuse it without refusing the connection.
    """

    run: Callable[[Any, Any], Any]
    where: str
    generator: bool
    guarded: bool


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of one channel; the second kind runs once the first kind has finished."""

    connect: tuple[Hook, ...]
    disconnect: tuple[Hook, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a connection needs to know, and nothing that changes.

    Attributes:
        direct: the only section, when there is one family and no prefix: no peek is needed.
        routes: section by tag on the wire, for all other plans.
        peek: reads the tag and `ref` of a frame; raises what msgspec raises.
        slots: connection-scoped values; `eager` are those made before accept, in order.
        states: factories of the contexts' states; the first is the served channel's.
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
