"""One channel of a channel layer: a bounded queue of messages, for one receiver or one consumer.

Rules: any thread may put, and a lock guards the queue; whoever receives is woken on the loop it waits on. Messages are
kept as they were published, shared by all channels that got them, and are read only when they are taken.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio

from chanx import _runtime
from chanx.compat import content
from chanx.groups.layer import Publication


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


class Mailbox:
    """The messages that wait in one channel.

    Args:
        name: of the channel.
        capacity: how many may wait.
        expiry: how long one may wait, in seconds.
        group_expiry: how long it may be in a group, in seconds.

    Attributes:
        id: its name; members of groups are told by that.
        groups: those it is in, and since when.
        dropped: messages for which there was no room, or that had waited too long.
    """

    __slots__ = (
        *("_capacity", "_expiry", "_group_expiry", "_listener", "_lock", "_queue", "_waiter"),
        *("dropped", "groups", "home", "id"),
    )

    def __init__(self, name: str, capacity: int, expiry: float, group_expiry: float) -> None:
        self.id = name
        self.home = ANYWHERE
        self.groups: dict[str, float] = {}
        self.dropped = 0
        self._capacity = capacity
        self._expiry = expiry
        self._group_expiry = group_expiry
        self._queue: deque[tuple[float, Publication]] = deque()
        self._lock = threading.Lock()
        self._listener: tuple[_runtime.Runtime, Callable[[], None]] | None = None
        self._waiter: tuple[_runtime.Runtime, anyio.Event] | None = None

    @property
    def idle(self) -> bool:
        """Nobody would miss it."""
        return not self._queue and not self.groups and self._listener is None and self._waiter is None

    @property
    def full(self) -> bool:
        """There is no room for another message."""
        with self._lock:
            self._expire(time.monotonic())
            return len(self._queue) >= self._capacity

    def push(self, publication: Publication) -> None:
        """Queue a message; one for which there is no room is dropped, and counted."""
        now = time.monotonic()
        if publication.groups and self.groups:
            oldest = now - self._group_expiry
            if all(self.groups.get(group, now) < oldest for group in publication.groups if group in self.groups):
                return
        with self._lock:
            self._expire(now)
            if len(self._queue) >= self._capacity:
                self.dropped += 1
                return
            self._queue.append((now, publication))
            waiter, self._waiter = self._waiter, None
            listener = self._listener
        if listener is not None:
            home, notify = listener
            if home.here():
                notify()
            else:
                home.post(notify)
        if waiter is not None:
            home, event = waiter
            home.post(event.set)

    def _expire(self, now: float) -> None:
        while self._queue and now - self._queue[0][0] > self._expiry:
            self._queue.popleft()
            self.dropped += 1

    def take(self) -> Publication | None:
        """The first message; None when there is none."""
        with self._lock:
            self._expire(time.monotonic())
            return self._queue.popleft()[1] if self._queue else None

    async def receive(self) -> dict[str, Any]:
        """The next message, when there is one."""
        home = _runtime.current()
        while True:
            with self._lock:
                self._expire(time.monotonic())
                if self._queue:
                    return message_of(self._queue.popleft()[1])
                event = anyio.Event()
                self._waiter = (home, event)
            try:
                await event.wait()
            finally:
                self._forget_waiter(event)

    def _forget_waiter(self, event: anyio.Event) -> None:
        with self._lock:
            if self._waiter is not None and self._waiter[1] is event:
                self._waiter = None

    def listen(self, home: _runtime.Runtime, notify: Callable[[], None]) -> None:
        """Have a function called on a loop whenever a message has come."""
        with self._lock:
            self._listener = (home, notify)


def message_of(publication: Publication) -> dict[str, Any]:
    """What a consumer gets; an event of a native channel has its tag for a type."""
    message = content.read(publication.body)
    message.setdefault("type", publication.event)
    return message
