"""What waits for one connection: pushes of groups, and what is never dropped.

Rules: bounded in number and in bytes, but what is larger than the bound in bytes goes when nothing else waits.
Only pushes are dropped or replaced, and each one that is gets counted. Room that an answer waits for is not taken
by a push that could be dropped. The policies are those of `Channel(overflow=…)`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from chanx.groups.history import Kept
from chanx.groups.layer import Publication
from chanx.types import size_of

if TYPE_CHECKING:
    from chanx._membership import Membership

#: What waits: a push, an answer, or a close frame.
Item = Publication | str | dict[str, Any]


#: The queue of a connection for which nothing has waited yet; a deque of its own takes 760 bytes.
_NOTHING: deque[Any] = deque()


class Keyed:
    """The place of a push that later ones with the same key replace."""

    __slots__ = ("latest",)

    def __init__(self, latest: Publication) -> None:
        self.latest = latest


class Queue:
    """A bounded queue that knows its policy for pushes that find no room.

    Args:
        owner: the connection; the policy and the counters are those of the channel that serves it.
        most: how many may wait.
        most_bytes: the same in bytes.

    Attributes:
        name: what it is called in a warning.
        waiting: what waits, in order; for looking only.
        claims: answers that wait for room.
        claimed: their bytes.
    """

    __slots__ = (
        *("_keyed", "_most", "_most_bytes", "_owed", "_owner", "_pushed", "_pushed_size", "_size", "_told"),
        *("claimed", "claims", "waiting"),
    )

    name = "queue"

    def __init__(self, owner: Membership, most: int, most_bytes: int) -> None:
        self.waiting: deque[Item | Keyed] = _NOTHING
        self.claims = self.claimed = 0
        self._owner = owner
        self._most = most
        self._most_bytes = most_bytes
        self._told = False
        self._size = 0
        self._pushed = 0
        self._pushed_size = 0
        self._keyed: dict[tuple[str | None, str], Keyed] | None = None
        self._owed: dict[str, Kept] | None = None  # of each stream: the last one that was dropped and not told

    def full(self, size: int) -> bool:
        """Is there no room for so many bytes?"""
        count = len(self.waiting)
        return count >= self._most or (count > 0 and self._size + size > self._most_bytes)

    def add(self, item: str | dict[str, Any], size: int) -> None:
        """Queue what is never dropped, whether there is room or not."""
        if self.waiting is _NOTHING:
            self.waiting = deque()
        self.waiting.append(item)
        self._size += size

    def push(self, publication: Publication) -> bool:
        """Queue a push, after the policy; False when the policy is to close."""
        overflow = self._owner.service.overflow
        if overflow == "coalesce" and publication.key is not None:
            return self._push_keyed(publication, (publication.event, publication.key))
        if overflow == "drop_oldest":
            if self.full(publication.size) or self._crowded(publication.size):
                self._displace(publication)
                return True
        elif self.full(publication.size):
            return False
        self._append(publication, publication)
        return True

    def take(self) -> Item:
        """The first of what waits.

        Raises:
            IndexError: nothing waits.
        """
        item = self.waiting.popleft()
        if isinstance(item, Keyed):
            item = item.latest
            assert self._keyed is not None
            assert item.key is not None
            del self._keyed[item.event, item.key]
        if isinstance(item, Publication):
            self._forget(item)
            if self._owed is not None and isinstance(item, Kept):
                self._tells(item)
        elif isinstance(item, str):
            self._size -= size_of(item)
        if not self.waiting:
            self._told = False
            if self._owed is not None:
                self._tell()
        return item

    def clear(self) -> int:
        """Forget what waits; returns how many."""
        count = len(self.waiting)
        if count:
            self.waiting.clear()
            self._keyed = self._owed = None
            self._size = self._pushed = self._pushed_size = 0
        return count

    def forgive(self, stream: str) -> None:
        """The client will be told where it stands in a stream: what is dropped of what waits now need not be told."""
        if self._owed is not None:
            self._owed.pop(stream, None)
        for index, item in enumerate(self.waiting):
            if isinstance(item, Kept) and item.stream == stream:
                self.waiting[index] = msgspec.structs.replace(item, notice="")

    def seal(self, prefix: str) -> None:
        """Pushes that wait with such a key keep their place; a later one with the same key gets a place of its own."""
        if self._keyed:
            for index, item in enumerate(self.waiting):
                if isinstance(item, Keyed) and (item.latest.key or "").startswith(prefix):
                    del self._keyed[item.latest.event, item.latest.key or ""]
                    self.waiting[index] = item.latest

    def _append(self, item: Publication | Keyed, publication: Publication) -> None:
        if self.waiting is _NOTHING:
            self.waiting = deque()
        self.waiting.append(item)
        self._size += publication.size
        self._pushed += 1
        self._pushed_size += publication.size
        self._added()

    def _forget(self, publication: Publication) -> None:
        self._size -= publication.size
        self._pushed -= 1
        self._pushed_size -= publication.size

    def _push_keyed(self, publication: Publication, key: tuple[str | None, str]) -> bool:
        """In the place of the one with the same key; at the end when none waits."""
        if self._keyed is None:
            self._keyed = {}
        place = self._keyed.get(key)
        if place is None:
            if self.full(publication.size):
                return False
            place = self._keyed[key] = Keyed(publication)
            self._append(place, publication)
            return True
        growth = publication.size - place.latest.size
        if len(self.waiting) > 1 and self._size + growth > self._most_bytes:
            return False
        place.latest = publication
        self._size += growth
        self._pushed_size += growth
        self._owner.service.counters.coalesced += 1
        return True

    def _crowded(self, size: int) -> bool:
        """Would so many bytes take the room that answers wait for?"""
        return self.claims > 0 and (
            len(self.waiting) + self.claims >= self._most or self._size + self.claimed + size > self._most_bytes
        )

    def _displace(self, publication: Publication) -> None:
        """Drop the oldest pushes until this one has room; or this one, where answers take it all."""
        if not self._told:
            self._told = True
            self._owner.dropping(self.name)
        size, before = publication.size, self._size
        answers, answers_size = len(self.waiting) - self._pushed, before - self._pushed_size
        if answers >= self._most or (answers and answers_size + size > self._most_bytes):
            hopeless = True
        else:  # it may take what the dropped ones had, or what nobody waits for
            hopeless = (
                self.claims > 0
                and size > self._pushed_size
                and (answers + self.claims >= self._most or answers_size + self.claimed + size > self._most_bytes)
            )
        if hopeless:
            self._owe(publication)
            self._owner.service.counters.frames_dropped += 1
            return
        while self.full(size) or (self._size + size > before and self._crowded(size)):
            self._drop()
        self._append(publication, publication)

    def _drop(self) -> None:
        for index, item in enumerate(self.waiting):
            if isinstance(item, Publication):
                del self.waiting[index]
                self._forget(item)
                self._owe(item)
                self._owner.service.counters.frames_dropped += 1
                self._dropped()
                return

    def _owe(self, publication: Publication) -> None:
        """The client of a stream is told that the last one was dropped; the next position tells of others."""
        if isinstance(publication, Kept) and publication.notice:
            if self._owed is None:
                self._owed = {}
            self._owed[publication.stream] = publication

    def _tells(self, following: Kept) -> None:
        """A push that goes out tells by its position what was dropped before it."""
        assert self._owed is not None
        dropped = self._owed.get(following.stream)
        if dropped is not None and dropped.seq < following.seq:
            del self._owed[following.stream]

    def _tell(self) -> None:
        owed, self._owed = self._owed or {}, None
        for dropped in owed.values():
            self.add(dropped.notice, size_of(dropped.notice))

    def _added(self) -> None:
        """A push was queued."""

    def _dropped(self) -> None:
        """The oldest push was dropped."""
