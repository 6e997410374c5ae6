"""From the loop that hears the broker to loops where members live: bounded, in order, many publications at a time.

Rules: the link's own loop is served on the spot. Of another one so much may wait; where that loop stands still, what
comes next is dropped for it, and its members are told of the gap once it runs again. It never holds up the others.
"""

from __future__ import annotations

import logging
import threading
from collections import deque

from chanx.groups.layer import Publication
from chanx.groups.members import Home, Members

logger = logging.getLogger("chanx")

#: What may wait for one loop: publications, and their bytes.
MOST = 10_000
MOST_BYTES = 32 * 1024 * 1024


class Relay:
    """What is on its way to the members of one loop.

    Args:
        members: those of the layer.
        home: the loop.
    """

    def __init__(self, members: Members, home: Home) -> None:
        self._members = members
        self._home = home
        self._lock = threading.Lock()
        self._queue: deque[Publication] = deque()
        self._bytes = 0
        self._missed: dict[str, None] = {}  # groups
        self._missed_ids: dict[str, None] = {}
        self._posted = False

    def put(self, publication: Publication) -> bool:
        """Take one along; False when the loop has ended."""
        with self._lock:
            if (
                self._missed
                or self._missed_ids
                or len(self._queue) >= MOST
                or self._bytes + publication.size > MOST_BYTES
            ):
                self._missed.update(dict.fromkeys(publication.groups))
                self._missed_ids.update(dict.fromkeys(publication.connections))
            else:
                self._queue.append(publication)
                self._bytes += publication.size
            if self._posted:
                return True
            self._posted = True
        if self._home.post(self._run):
            return True
        with self._lock:
            self._queue.clear()
            self._missed.clear()
            self._missed_ids.clear()
        return False

    def _run(self) -> None:
        with self._lock:
            queue, self._queue = self._queue, deque()
            missed, self._missed = self._missed, {}
            ids, self._missed_ids = self._missed_ids, {}
            self._bytes = 0
            self._posted = False
        for publication in queue:
            self._members.place_at(self._home, publication)
        if missed or ids:
            told = {**ids, **dict.fromkeys(self._members.ids_in(missed, self._home))}
            logger.warning("an event loop was too slow for its groups; %d of its members missed something", len(told))
            self._members.missed(told)
