"""What was registered on a channel, before it is compiled."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Literal

import msgspec

from chanx._plan import Order
from chanx._topics.pattern import Pattern
from chanx.exceptions import ConfigurationError
from chanx.params import Depends
from chanx.types import Limits, place

Kind = Literal["on", "event", "on_connect", "on_disconnect", "on_error", "middleware"]


class Registration(msgspec.Struct, frozen=True, eq=False, dict=True):
    """One decorated function.

    Attributes:
        types: the classes named in the decorator; empty when they are read off the annotation.
        order: how it runs beside other messages; None for one at a time.
        serial: of an event: it waits in the queue of messages.
        timeout: in seconds; None for the channel's own limit.
        output: what the function sends otherwise than by returning it, for documents: classes, unions and the like.
        localns: names of the function that registered it, where that was not a module.
    """

    kind: Kind
    function: Callable[..., Any]
    types: tuple[Any, ...] = ()
    cancel_on_leave: bool = False
    order: Order | None = None
    serial: bool = False
    timeout: float | None = None
    summary: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    output: tuple[Any, ...] = ()
    localns: Mapping[str, Any] = {}

    @functools.cached_property
    def where(self) -> str:
        return place(self.function)


class Mount(msgspec.Struct, frozen=True, eq=False):
    """What makes an inclusion a topic.

    Attributes:
        pattern: of the names of its topics.
        limits: those that the channel was given; None for those of the channel that serves it.
        title: of the channel, for people; `description` too.
    """

    pattern: Pattern
    limits: Limits | None
    title: str | None
    description: str | None


class Inclusion(msgspec.Struct, frozen=True, eq=False):
    """One `include` call."""

    source: Source
    prefix: str
    dependencies: tuple[Depends, ...]
    tags: tuple[str, ...]
    where: str
    topic: Mount | None = None


class Source(msgspec.Struct, eq=False):
    """All registrations of one channel.

    Attributes:
        history: it says that groups have one.
        frozen: where the channel was compiled; nothing can be registered from then on.
    """

    name: str
    discriminator: str
    envelope: bool
    state: Callable[[], Any] | None
    dependencies: tuple[Depends, ...]
    where: str
    registrations: list[Registration] = msgspec.field(default_factory=list[Registration])
    inclusions: list[Inclusion] = msgspec.field(default_factory=list[Inclusion])
    history: bool = False
    frozen: str | None = None

    def add(self, registration: Registration) -> None:
        """Keep one registration.

        Raises:
            ConfigurationError: the channel is compiled already.
        """
        self.check_open(registration.where)
        self.registrations.append(registration)

    def include(self, inclusion: Inclusion) -> None:
        """Keep one inclusion.

        Raises:
            ConfigurationError: the channel is compiled already, or the inclusion would close a circle.
        """
        self.check_open(f"include at {inclusion.where}")
        if self in inclusion.source.walk():
            raise ConfigurationError(
                f"include at {inclusion.where}: {inclusion.source.name} already includes {self.name}; break the circle"
            )
        self.inclusions.append(inclusion)

    def check_open(self, what: str) -> None:
        """Refuse a registration that comes too late."""
        if self.frozen is not None:
            raise ConfigurationError(
                f"{what} comes too late: {self.name} was compiled by {self.frozen}. "
                f"Register everything while modules are imported, before the first use"
            )

    def localns(self) -> dict[str, Any]:
        """Names that only the functions knew in which something was registered."""
        return {name: value for one in self.registrations for name, value in one.localns.items()}

    def walk(self) -> list[Source]:
        """This source and everything it includes."""
        return [self, *(one for inclusion in self.inclusions for one in inclusion.source.walk())]


def caller(depth: int = 2) -> FrameType:
    """The frame that called the function that called this one."""
    return sys._getframe(depth)  # pyright: ignore[reportPrivateUsage]


def frame_place(frame: FrameType) -> str:
    """`file.py:12` of a frame."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def frame_locals(frame: FrameType) -> Mapping[str, Any]:
    """Names that only a function knows, so that its handlers' annotations may use them."""
    return {} if frame.f_locals is frame.f_globals else frame.f_locals
