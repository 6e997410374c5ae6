"""What a connection is to groups: a member that joins, leaves, publishes, and gets what is published."""

from __future__ import annotations

import contextvars
import logging
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from chanx import _frames
from chanx._inbox import Inbox
from chanx._scoped import Scoped
from chanx._serving import handle_event
from chanx._states import State
from chanx._streams import Streams
from chanx.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from chanx._ahead import ReadAhead
    from chanx._outbox import Outbox
    from chanx._service import Service
    from chanx.connection import Connection
    from chanx.groups.history import Kept
    from chanx.groups.layer import Publication

logger = logging.getLogger("chanx")

HANDSHAKE, OPEN = State.HANDSHAKE, State.OPEN  # looked up for every member of a broadcast


#: What a connection begins with; most are in no group, and an empty set takes 216 bytes.
_NO_GROUPS: set[str] = set()


class Membership(Scoped):
    """The half of `Connection` that groups know.

    Attributes:
        groups: those that it is in now.
        left_groups: those that it was in when it ended.
        inbox: events that wait for their handlers, which run beside the messages.
        serial: events that wait among the messages.
        streams: the groups with history that its client knows of.
        variables: the context variables that the connection was made with.
    """

    __slots__ = ("groups", "inbox", "left_groups", "serial", "state", "streams", "variables")

    outbox: Outbox
    close_code: int | None
    close_reason: str

    def __init__(self, service: Service, scope: Any) -> None:
        Scoped.__init__(self, service, scope)
        self.state = State.HANDSHAKE
        self.variables = contextvars.copy_context()
        self.groups: set[str] = _NO_GROUPS
        self.left_groups: set[str] = _NO_GROUPS
        self.inbox: Inbox | None = None
        self.serial: Inbox | None = None
        self.streams: Streams | None = None

    @abstractmethod
    def queue_frames(self) -> ReadAhead:
        """The queue of frames read ahead."""

    @abstractmethod
    def close(self, code: int, reason: str, *, now: bool = False) -> int:
        """Begin to close."""

    @abstractmethod
    async def send_text(self, text: str, more: bool = False) -> None:
        """Send a frame, or wait for room in the outbox."""

    @abstractmethod
    def overloaded(self, why: str) -> None:
        """The client is too slow: say so and close, dropping what waits for it."""

    async def join(self, group: str) -> None:
        """Become a member; returns when the layer has confirmed."""
        if self.state not in (State.HANDSHAKE, State.OPEN):
            raise ConnectionClosed(self.close_code, self.close_reason)
        layer = self.service.layer
        first = group not in self.groups
        if first:
            if self.groups is _NO_GROUPS:
                self.groups = set()
            self.groups.add(group)
            layer.members.join(group, self)
        try:
            await layer.subscribe(group)  # also when another task of the connection has asked and still waits
        except BaseException:
            if first:
                self.leave(group)
            raise
        if self.state not in (State.HANDSHAKE, State.OPEN):
            raise ConnectionClosed(self.close_code, self.close_reason)

    def leave(self, group: str) -> None:
        """End a membership, if there is one."""
        if group in self.groups:
            self.groups.discard(group)
            if self.streams is not None:
                self.streams.drop(group)
            layer = self.service.layer
            if layer.members.leave(group, self):
                try:
                    layer.unsubscribe(group)
                except Exception as error:  # noqa: BLE001 - the other groups must be left all the same
                    self.report(f"unsubscribing from {group!r}", error)

    async def publish(self, publication: Publication, message: Any) -> None:
        """Hand a publication to the layer."""
        layer = self.service.layer
        for observe in layer.members.observers:
            observe(message, publication)
        await layer.publish(publication)

    def push(self, publication: Publication) -> None:
        """Queue a publication for the client or for its event handler; never waits, never raises."""
        if self.state is not OPEN and self.state is not HANDSHAKE:
            return
        if publication.event is None:
            if not self.outbox.push(publication):
                self.overloaded("its outbox is full")
            return
        event = self.plan.events.get(publication.event)
        if event is None:
            self.service.counters.events_skipped += 1
            return
        inbox = self.serial if event.serial else self.inbox
        if not (inbox or self._made_inbox(event.serial)).push(publication):
            self.overloaded("its inbox of events is full")

    def push_kept(self, kept: Kept) -> None:
        """The same for a broadcast that has its place in a history."""
        stream = None if self.streams is None else self.streams.groups.get(kept.groups[0])
        if stream is None:
            if self.id not in kept.exclude:
                self.push(kept)
        elif self.state is OPEN or self.state is HANDSHAKE:
            stream.take(kept)

    def made_streams(self) -> Streams:
        """The groups with history that its client knows of; made when it is needed."""
        if self.streams is None:
            self.streams = Streams(cast("Connection", self))
        return self.streams

    @property
    def user(self) -> str:
        """The key of its user, in the history of groups; empty where there is none."""
        return "" if self.streams is None else self.streams.user

    @property
    def hears_events(self) -> bool:
        """May events be for it? No history keeps those."""
        return bool(self.plan.events)

    def missed(self) -> None:
        """The layer may not have heard all that its groups were sent: the client is told, or has to come back."""
        if self.state is not OPEN and self.state is not HANDSHAKE:
            return
        if self.streams is not None and self.streams.missed():
            return
        service = self.service
        if service.on_gap == "close":
            self.close(1012, "messages may have been lost")
        elif self.id not in service.gaps:
            service.gaps.add(self.id)
            self.home.spawn(self._tell_gap, context=self.variables)

    async def _tell_gap(self) -> None:
        try:
            await self.send_text(_frames.gap(self.plan))
        except ConnectionClosed:
            pass  # who comes back learns of everything anyway
        finally:
            self.service.gaps.discard(self.id)

    def dropping(self, what: str) -> None:
        """The first push of an episode is dropped: say so, once until all that waits has been taken."""
        logger.warning(
            "connection %s (groups %s): its %s is full; what is oldest is dropped until it has caught up",
            self.id, ", ".join(sorted(self.groups)) or "none", what,
        )  # fmt: skip

    def _made_inbox(self, serial: bool) -> Inbox:
        """Where events wait for their handlers."""
        handle = partial(handle_event, cast("Connection", self))
        inbox = Inbox(handle, self, self.queue_frames() if serial else None)
        if serial:
            self.serial = inbox
            return inbox
        self.inbox = inbox
        if self.state is OPEN:
            inbox.start()
        return inbox
