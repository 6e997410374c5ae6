"""One channel of a channel layer: a bounded queue of messages, for one consumer or for whoever receives.

Rules: any thread may put, and a lock guards the queue and those who wait; nobody is called while it is held. Whoever
receives is woken on the loop it waits on, and a message stays in the queue until somebody takes it: who is cancelled
loses nothing, and wakes the next. Messages are kept as they were published, shared by all channels that got them, and
are read only when they are taken.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

import anyio
from msgspec.structs import force_setattr

from chanx import _runtime
from chanx.compat import content
from chanx.groups.layer import Publication

logger = logging.getLogger("chanx")

#: The type of a message that a native channel broadcasts, as it comes to a consumer that has the method for it.
BROADCAST = "chanx.broadcast"


class Message(Publication, frozen=True):
    """A message of the layer, as a publication; what native channels emit is none, even where a field is the type.

    Attributes:
        flat: what it reads as, where copies of that share nothing that can be changed; made for the first of a group.
    """

    flat: dict[str, Any] | None = None

    def read(self) -> dict[str, Any]:
        """The message; each call makes another one."""
        if self.flat is not None:
            return self.flat.copy()
        message = content.read(self.body)
        if self.groups and not any(isinstance(one, dict | list) for one in message.values()):
            force_setattr(self, "flat", message.copy())
        return message


class Anywhere:
    """The home of what is not bound to an event loop."""

    def here(self) -> bool:
        """Every thread may touch it."""
        return True

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        """Run it at once."""
        function(*args)
        return True


ANYWHERE = Anywhere()


class Consumer(Protocol):
    """Who dispatches the messages of a mailbox."""

    def offer(self, publication: Publication) -> bool:
        """Take a message that comes first; False when it has to wait. Called on the consumer's loop."""
        ...

    def interject(self) -> None:
        """A message waits; called on the consumer's loop."""
        ...


class Listener:
    """Whom a mailbox tells of messages.

    Args:
        home: the loop it runs on.
        consumer: what is told there.
        lost: called with the mailbox, on any thread, when the loop ended without the consumer being able to leave.
        broadcasts: does it want what native channels send straight to clients?
    """

    __slots__ = ("broadcasts", "consumer", "home", "lost")

    def __init__(
        self, home: _runtime.Runtime, consumer: Consumer, lost: Callable[[Mailbox], None], broadcasts: bool
    ) -> None:
        self.home = home
        self.consumer = consumer
        self.lost = lost
        self.broadcasts = broadcasts


class Mailbox:
    """The messages that wait in one channel.

    Args:
        name: of the channel.
        capacity: how many may wait.
        expiry: how long one may wait, in seconds.
        group_expiry: how long it may be in a group, in seconds.

    Attributes:
        id: its name; members of groups are told by that.
        groups: those it is in, and since when; changed under the lock of its layer.
        receivers: how many are in `receive`; changed under the lock of its layer.
        dropped: messages for which there was no room, or that had waited too long.
        listener: the consumer whose channel it is.
        queue: what waits, and since when; changed under a lock of its own.
    """

    __slots__ = (
        *("_capacity", "_expiry", "_group_expiry", "_lock", "_told", "_waiters"),
        *("dropped", "groups", "home", "id", "listener", "queue", "receivers"),
    )

    def __init__(self, name: str, capacity: int, expiry: float, group_expiry: float) -> None:
        self.id = name
        self.home = ANYWHERE
        self.groups: dict[str, float] = {}
        self.receivers = 0
        self.dropped = 0
        self.listener: Listener | None = None
        self._capacity = capacity
        self._expiry = expiry
        self._group_expiry = group_expiry
        self._told = False  # has it been said that messages are dropped?
        self.queue: deque[tuple[float, Publication]] | None = None  # an empty one takes more than all else here
        self._lock = threading.Lock()
        self._waiters: deque[tuple[_runtime.Runtime, anyio.Event]] | None = None

    @property
    def idle(self) -> bool:
        """Nobody would miss it."""
        return not self.queue and not self.groups and self.listener is None and not self.receivers

    @property
    def waiting(self) -> int:
        """How many messages are in it, those that have expired by now among them."""
        return 0 if self.queue is None else len(self.queue)

    def joined(self, group: str) -> None:
        """It is in a group from now on, or anew."""
        self.groups[group] = monotonic()

    def push(self, publication: Publication) -> None:
        """Queue what was published; where there is no room it is dropped, counted, and logged once an episode."""
        listener = self.listener
        if publication.event is None and (listener is None or not listener.broadcasts):
            return  # a frame for clients, and here is none
        if listener is None:
            if publication.groups and self._expired_in(publication):
                return
        elif not self.queue and listener.home.here() and listener.consumer.offer(publication):
            return
        if not self.put(publication):
            with self._lock:
                self.dropped += 1
            self._say(f"is full: {self._capacity} messages wait")

    def _expired_in(self, publication: Publication) -> bool:
        """Has it been too long in all of its groups? A consumer has not: it leaves its groups when it ends."""
        oldest = monotonic() - self._group_expiry
        expired = all(self.groups.get(group, oldest) <= oldest for group in publication.groups)
        return expired and self.id not in publication.connections

    def put(self, publication: Publication) -> bool:
        """Queue a message; False when there is no room for it."""
        now = monotonic()
        with self._lock:
            if self.queue is None:
                self.queue = deque()
            queue = self.queue
            expired = bool(queue) and self._expire(now)
            room = len(queue) < self._capacity
            if room:
                queue.append((now, publication))
        if expired:
            self._say(f"is not read: what has waited for more than {self._expiry} s expires")
        if not room:
            return False
        listener = self.listener
        if listener is not None:
            if listener.home.here():
                listener.consumer.interject()
            elif not listener.home.post(listener.consumer.interject):
                listener.lost(self)
        if self._waiters:
            self._wake()
        return True

    def _say(self, what: str) -> None:
        """Log that messages are dropped, once until all that waits has been taken."""
        told, self._told = self._told, True
        if not told:
            logger.warning("channel %s %s; messages are dropped until it has caught up", self.id, what)

    def _expire(self, now: float) -> bool:
        expired = False
        queue = self.queue
        while queue and now - queue[0][0] > self._expiry:
            queue.popleft()
            self.dropped += 1
            expired = True
        return expired

    def take(self) -> Publication | None:
        """The first message; None when there is none."""
        if not self.queue:
            return None
        with self._lock:
            return self._taken()

    def _taken(self) -> Publication | None:
        queue = self.queue
        if queue and (now := monotonic()) - queue[0][0] > self._expiry:
            self._expire(now)
        if not queue:
            return None
        publication = queue.popleft()[1]
        self._told = self._told and bool(queue)
        return publication

    async def receive(self) -> dict[str, Any]:
        """The next message, when there is one; each goes to one of those who wait, who waits longest first."""
        waiter: tuple[_runtime.Runtime, anyio.Event] | None = None
        while True:
            with self._lock:
                publication = self._taken()
                if publication is None:
                    waiter = (_runtime.current(), anyio.Event())
                    self._waiters = deque() if self._waiters is None else self._waiters
                    self._waiters.append(waiter)
            if publication is not None:
                return message_of(publication)
            assert waiter is not None
            try:
                await waiter[1].wait()
            except BaseException:
                self._gone(waiter)
                raise

    def _wake(self) -> None:
        """Wake whoever waits longest, on a loop that still runs."""
        while True:
            with self._lock:
                if not self._waiters:
                    return
                home, event = self._waiters.popleft()
            if home.here():
                event.set()
                return
            if home.post(event.set):
                return

    def _gone(self, waiter: tuple[_runtime.Runtime, anyio.Event]) -> None:
        """It waits no more; was it woken for a message already, then another one is to get that."""
        with self._lock:
            woken = self._waiters is None or waiter not in self._waiters
            if not woken and self._waiters is not None:
                self._waiters.remove(waiter)
            more = bool(self.queue)
        if woken and more:
            self._wake()

    def clear(self) -> None:
        """Forget all messages."""
        with self._lock:
            self.queue = None

    def tidy(self) -> tuple[bool, list[str]]:
        """Drop what has waited too long: was there any? And the groups that it has been in for too long."""
        now = monotonic()
        with self._lock:
            expired = self._expire(now)
        return expired, [group for group, since in tuple(self.groups.items()) if now - since > self._group_expiry]


def message_of(publication: Publication) -> dict[str, Any]:
    """What a consumer gets, a dictionary of its own. An event of a native channel has its tag for a type, whatever its
    fields are called; what native channels send to clients has the type `chanx.broadcast`, and the frame as `text`.
    """
    if isinstance(publication, Message):
        return publication.read()
    if publication.event is None:
        return {"type": BROADCAST, "text": publication.body}
    message = content.read(publication.body)
    if publication.event:
        message["type"] = publication.event
    return message


def is_native(publication: Publication) -> bool:
    """Is it an event of a native channel, and no message of the layer?"""
    return not isinstance(publication, Message)
