"""Histories in memory.

Rules: positions are given, and what has them is delivered, under one lock, from whatever thread: so all loops hear of
them in order. The table of logs is swept as it grows, so a group that is of no use any more goes.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from chanx.groups.history import PAGE_BYTES, History, Kept, Recalled

#: Idempotency keys that a group remembers: so many times its size.
KEYS = 10
#: The table is swept when it has this many logs, and then at twice as many as were left.
FIRST_SWEEP = 1000


def new_epoch() -> str:
    """The name of a new life of a count: 16 hexadecimal digits."""
    return secrets.token_hex(8)


class Log:
    """The history of one group."""

    __slots__ = ("ends", "entries", "epoch", "expires", "keys", "seq")

    def __init__(self) -> None:
        self.epoch = new_epoch()
        self.seq = 0
        self.entries: deque[Kept] = deque()
        self.keys: dict[str, float] = {}  # until when each counts
        self.expires = self.ends = 0.0  # what is kept; the count


class Logs:
    """The histories of one layer.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self._logs: dict[str, Log] = {}
        self._sweep_at = FIRST_SWEEP

    def append(self, history: History, kept: Kept) -> Kept | None:
        """Give a publication its position, and keep it; None where its idempotency key was used before. Locked."""
        log, now = self._log(kept.groups[0], history), self._clock()
        key = kept.idempotency_key
        if key is not None and not self._first(log, key, now, history):
            return None
        log.seq += 1
        placed = msgspec.structs.replace(kept, seq=log.seq, epoch=log.epoch)
        log.entries.append(msgspec.structs.replace(placed))  # without the frames that are made of it for members
        while len(log.entries) > history.size:
            log.entries.popleft()
        log.expires, log.ends = now + history.ttl, now + history.count_ttl
        return placed

    def recall(
        self, history: History, group: str, after: int | None, epoch: str, last: int, most: int, page: int
    ) -> Recalled:
        """See `HistoryLayer.recall`."""
        with self.lock:
            log = self._log(group, history)
            if after is None:
                missing = min(last, most, len(log.entries))
            else:
                missing = log.seq - after
                if epoch != log.epoch or not 0 <= missing <= min(most, len(log.entries)):
                    return Recalled(log.epoch, log.seq, False, [])
            start = len(log.entries) - missing
            return Recalled(log.epoch, log.seq, True, _page(islice(log.entries, start, start + page)))

    def _log(self, group: str, history: History) -> Log:
        now = self._clock()
        log = self._logs.get(group)
        if log is not None and log.ends > now:
            if log.expires <= now:
                log.entries.clear()
            return log
        if len(self._logs) >= self._sweep_at:
            self._logs = {name: one for name, one in self._logs.items() if one.ends > now}
            self._sweep_at = max(FIRST_SWEEP, 2 * len(self._logs))
        log = self._logs[group] = Log()
        log.ends = now + history.count_ttl
        return log

    def _first(self, log: Log, key: str, now: float, history: History) -> bool:
        """Is it the first publication with this key? Keys stand in the order of their ends."""
        keys = log.keys
        while keys and keys[first := next(iter(keys))] <= now:
            del keys[first]
        if key in keys:
            return False
        keys[key] = now + history.ttl
        if len(keys) > KEYS * history.size:
            del keys[next(iter(keys))]
        return True


def _page(entries: Iterable[Kept]) -> list[Kept]:
    """The first of them, up to the bound in bytes."""
    found: list[Kept] = []
    room = PAGE_BYTES
    for kept in entries:
        room -= kept.size
        if room < 0 and found:
            break
        found.append(kept)
    return found
