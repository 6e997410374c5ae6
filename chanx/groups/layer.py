"""The contract between channels and whatever carries group traffic between processes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar, Protocol

import msgspec

from chanx.groups.members import Members
from chanx.types import size_of


class Publication(msgspec.Struct, frozen=True):
    """One broadcast or event on its way to the members of some groups.

    Attributes:
        body: the message as JSON, encoded once by the publisher.
        event: the event's tag; None when the body is a frame that goes straight to clients.
        groups: names of groups; a member of several gets the publication once.
        connections: ids of single connections.
        exclude: ids of connections that do not get it.
        key: what the publication is about, where only the latest counts; see `Channel(overflow="coalesce")`.
        size: the bytes of the body; counted where it is not given.
        framed: the same with the envelopes of topics, as they were made for members; no layer carries it.
    """

    kept: ClassVar[bool] = False

    body: str
    event: str | None = None
    groups: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    exclude: frozenset[str] = frozenset()
    key: str | None = None
    size: int = -1
    framed: dict[str, Publication] | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            msgspec.structs.force_setattr(self, "size", size_of(self.body))


class GroupLayer(Protocol):
    """Carries publications to every process that has members, and to this one.

    A layer owns a `Members` and hands everything it hears to `members.deliver`, which may be called from
    any thread; where it may not have heard all, it says so by `members.missed`. It stores no membership anywhere
    else, so a killed process leaves nothing behind.
    `subscribe`, `unsubscribe` and `publish_sync` may be called from any thread.
    """

    members: Members

    def subscribe(self, group: str) -> Awaitable[None]:
        """Wish to hear a group. The wish holds from now on, also if nobody waits for the result.

        Awaiting the result returns when the broker has confirmed, and raises `LayerUnavailable` if it cannot be
        reached. Asking again for a group that is subscribed is harmless.
        """
        ...

    def unsubscribe(self, group: str) -> None:
        """Wish no longer to hear a group, whose last member here has left; takes effect in the background.

        Another event loop may have joined it meanwhile. So a layer asks `members.count(group)` once more,
        under the lock that its `subscribe` takes, before it really unsubscribes. It must not raise.
        """
        ...

    async def publish(self, publication: Publication) -> None:
        """Hand a publication over; returns when the broker has it. Order per caller and group is kept.

        Never waits for a member's socket. Who waits may be cancelled; what was sent to the broker counts all the same.

        Raises:
            LayerUnavailable: the broker cannot be reached, or cannot in time.
        """
        ...

    def publish_sync(self, publication: Publication) -> None:
        """The same from a thread without an event loop.

        Raises:
            LayerUnavailable: as `publish`.
        """
        ...

    def healthy(self) -> bool:
        """Is the link to the broker up? From any thread; never waits.

        Where nothing is connected yet, it begins to connect: the question may come before the first connection.
        """
        ...

    async def aclose(self) -> None:
        """Let go of everything; a closed layer may be used again, and opens anew."""
        ...
