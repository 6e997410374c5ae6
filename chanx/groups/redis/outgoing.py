"""What waits to be published: bounded, and nobody waits for longer than he may. On the link's loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from chanx.exceptions import LayerUnavailable
from chanx.groups.redis.options import Options
from chanx.groups.redis.waiter import Waiter

#: What goes out in one write, at most: entries.
BATCH = 1000


class Entry:
    """The commands of one publication, and who waits for their answers.

    Attributes:
        done: called on the link's loop when it is done, or failed.
        answers: what the broker said, where that is of interest.
    """

    __slots__ = ("answers", "commands", "done", "size", "waiter")

    def __init__(
        self,
        commands: list[bytes],
        waiter: Waiter | None,
        done: Callable[[LayerUnavailable | None], None] | None = None,
        *,
        asks: bool = False,
    ) -> None:
        self.done = done
        self.answers: list[Any] | None = [] if asks else None
        self.commands = commands
        self.size = sum(map(len, commands))
        self.waiter = waiter

    def resolve(self, error: LayerUnavailable | None = None) -> None:
        """It is done, or failed."""
        if self.waiter is not None:
            self.waiter.resolve(error)
        if self.done is not None:
            self.done(error)


class Outgoing:
    """The queue of one link.

    Args:
        options: of the layer.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._queue: deque[Entry] = deque()
        self._bytes = 0
        self._some = asyncio.Event()

    def put(self, entry: Entry) -> None:
        """Queue one, or tell who waits that there is no room."""
        if len(self._queue) >= self._options.queue or self._bytes + entry.size > self._options.queue_bytes:
            entry.resolve(LayerUnavailable("too much waits to be published"))
            return
        self._queue.append(entry)
        self._bytes += entry.size
        self._some.set()

    def put_first(self, entry: Entry) -> None:
        """Queue what the link itself has to say, before all others."""
        self._queue.appendleft(entry)
        self._bytes += entry.size
        self._some.set()

    async def batch(self) -> list[Entry]:
        """What goes out next; waits for something."""
        while not self._queue:
            self._some.clear()
            await self._some.wait()
        return [self._taken() for _ in range(min(BATCH, len(self._queue)))]

    def broke(self) -> None:
        """The link is down: what it had to say itself is of no use any more."""
        kept = [entry for entry in self._queue if entry.waiter is not None]
        gone = [entry for entry in self._queue if entry.waiter is None]
        self._queue, self._bytes = deque(kept), sum(entry.size for entry in kept)
        for entry in gone:
            entry.resolve(LayerUnavailable("the link broke"))

    def expire(self, now: float, why: str) -> None:
        """Tell those who have waited for as long as they may."""
        while self._queue and (waiter := self._queue[0].waiter) is not None and waiter.deadline <= now:
            self._taken().resolve(LayerUnavailable(why))

    def fail(self, why: str) -> None:
        """Tell all who wait."""
        while self._queue:
            self._taken().resolve(LayerUnavailable(why))

    def _taken(self) -> Entry:
        entry = self._queue.popleft()
        self._bytes -= entry.size
        return entry
