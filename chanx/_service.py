"""What a channel gives to each of its connections: the plan, the limits and the shared parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from chanx._gate import Gate
from chanx._plan import Plan, Section
from chanx._topics.pattern import Pattern
from chanx.groups.layer import GroupLayer
from chanx.types import Limits, Stats

if TYPE_CHECKING:
    from chanx.connection import Connection


class Counters:
    """The changing form of `Stats`; each field is written on the loop of the connection it counts."""

    __slots__ = Stats.__struct_fields__

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    connections: int
    accepted: int
    refused: int
    bad_frames: int
    handler_errors: int
    events_skipped: int
    frames_dropped: int
    coalesced: int
    slow_closed: int
    cancelled: int
    timed_out: int
    topics: int
    subscribed: int
    topics_refused: int

    def snapshot(self) -> Stats:
        """The counters as they are now."""
        return Stats(**{name: getattr(self, name) for name in self.__slots__})


class Service(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """One compiled channel as its connections use it.

    Attributes:
        overflow: what becomes of pushes for which there is no room; see `Channel`.
        on_gap: what becomes of connections that may have missed something; see `Channel`.
        gaps: the ids of those that are being told.
        connection: the class of its connections.
        topics: what clients may subscribe to, in the order of their claims.
        peek_topic: tells whom a frame is for, where there are topics.
        answers: the validators of the answers to questions, by the classes that were asked for.
    """

    plan: Plan
    limits: Limits
    layer: GroupLayer
    counters: Counters
    gate: Gate
    refuse: str
    allowed_origins: Collection[str] | None
    subprotocols: tuple[str, ...]
    overflow: str
    on_gap: str
    connection: type[Connection]
    topics: tuple[tuple[Pattern, Service], ...] = ()
    peek_topic: Any = None
    gaps: set[str] = msgspec.field(default_factory=set[str])
    answers: dict[tuple[Any, ...], Section | None] = msgspec.field(
        default_factory=dict[tuple[Any, ...], "Section | None"]
    )

    def topic(self, name: str) -> tuple[Service, Mapping[str, str]] | None:
        """The service of the first pattern that matches a topic, and the values of its parameters."""
        for pattern, service in self.topics:
            matched = pattern.regex.fullmatch(name)
            if matched is not None:
                return service, matched.groupdict()
        return None
