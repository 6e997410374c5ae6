"""What waits to be published, and goes out. On the link's loop only.

Rules: it is bounded, and nobody waits for longer than he may. What was sent is not sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from chanx.exceptions import LayerUnavailable
from chanx.groups.redis.dial import Line, refusals, unknown_script
from chanx.groups.redis.options import Options
from chanx.groups.redis.scripts import Call, life_of, load
from chanx.groups.redis.waiter import Waiter

#: What goes out in one write, at most: entries.
BATCH = 1000
#: Seconds between two looks for who waits too long, while the broker gives no answer.
LOOK_AGAIN = 0.1


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
        """It is done, or failed; what is said after the first time does not count."""
        if self.waiter is not None:
            self.waiter.resolve(error)
        done, self.done = self.done, None
        if done is not None:
            done(error)


class Outgoing:
    """The queue of one link.

    Args:
        options: of the layer.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._queue: deque[Entry] = deque()
        self._flight: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None  # until when what is under way may take
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

    def lost(self) -> None:
        """What was under way has no answer, and may have taken effect."""
        flight, self._flight = self._flight, []
        for entry in flight:
            entry.resolve(LayerUnavailable("the link broke while this was published", sent=True))

    def expire(self, now: float, why: str) -> None:
        """Tell those who have waited for as long as they may."""
        kept: list[Entry] = []  # what the link has to say itself: nobody waits for it, and it stays
        while self._queue and ((waiter := self._queue[0].waiter) is None or waiter.deadline <= now):
            entry = self._taken()
            if waiter is None:
                kept.append(entry)
            else:
                entry.resolve(LayerUnavailable(why))
        for entry in reversed(kept):
            self.put_first(entry)

    def fail(self, why: str) -> None:
        """Tell all who wait."""
        while self._queue:
            self._taken().resolve(LayerUnavailable(why))

    async def send(self, line: Line) -> None:
        """Send all that comes, and tell who waits; for as long as a connection lasts."""
        life: bytes | None = None  # until the connection knows the scripts
        try:
            while True:
                batch = self._flight = await self.batch()
                self._timer = asyncio.get_running_loop().call_later(self._options.timeout, self._late)
                life = await self._send(line, batch, life)
                self._flight = []
                self._timer.cancel()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _send(self, line: Line, batch: list[Entry], life: bytes | None) -> bytes | None:
        """Send a batch, and tell who waits; returns what is known of the scripts then."""
        refused, unknown = refusals(), unknown_script()
        commands: list[bytes] = []
        for entry in batch:
            commands += entry.commands
        if Call in map(type, commands):
            if life is None:
                life = await _loaded(line, load(self._options.run_id))
            commands = [one + life if type(one) is Call else one for one in commands]
        await line.send_packed_command(commands, check_health=False)
        for entry in batch:
            error: LayerUnavailable | None = None
            for _ in entry.commands:
                try:
                    answer: Any = await line.read_response(disable_decoding=True)
                except refused as refusal:
                    error = LayerUnavailable(f"the broker refused: {refusal}", sent=True)
                    if isinstance(refusal, unknown):
                        life = None  # the next ones bring it; this is not sent again, or it might be overtaken
                else:
                    if entry.answers is not None:
                        entry.answers.append(answer)
            entry.resolve(error)
        return life

    def _late(self) -> None:
        """There is no answer: tell those whose time is up, and look again until there is one, or the link breaks."""
        now = time.monotonic()
        for entry in self._flight:
            if entry.waiter is not None and entry.waiter.deadline <= now:
                entry.waiter.resolve(LayerUnavailable("the broker gave no answer in time", sent=True))
        self.expire(now, "the broker gives no answer")
        self._timer = asyncio.get_running_loop().call_later(LOOK_AGAIN, self._late)

    def _taken(self) -> Entry:
        entry = self._queue.popleft()
        self._bytes -= entry.size
        return entry


async def _loaded(line: Line, commands: list[bytes]) -> bytes:
    """Have a connection know the scripts; returns what each of their commands ends with."""
    refused = refusals()
    await line.send_packed_command(commands, check_health=False)
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await line.read_response(disable_decoding=True))
        except refused as refusal:
            answers.append(refusal)
    return life_of(answers)
