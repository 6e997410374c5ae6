"""How far a process has heard each group with history, and what it asks for when something did not come.

Rules: on the link's loop only. Members get the broadcasts of a group in the order of their positions, each once. While
something that did not come is asked for, what is newer is held: so many, and what comes after them is asked for, too.
What cannot be had is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from chanx.groups.history import Kept, Recalled

#: What is asked for at once: more would find no room in outboxes.
FILL = 500
#: What may be held.
HELD = 1000

Asked = Callable[[Recalled | None], None]


class Track:
    """One group.

    Attributes:
        epoch: of the last position.
        seq: the last position that members were given.
        sure: it was heard here; else it is what the broker said when somebody joined, and the first that comes counts.
        stale: the link was broken since, so something may not have come.
        held: what came while something older is asked for; None while nothing is.
        again: more came than could be held.
    """

    __slots__ = ("again", "epoch", "held", "seq", "stale", "sure")

    def __init__(self, epoch: str, seq: int, sure: bool) -> None:
        self.epoch = epoch
        self.seq = seq
        self.sure = sure
        self.stale = self.again = False
        self.held: deque[Kept] | None = None


class Tracks:
    """All groups of a layer.

    Args:
        deliver: gives a broadcast to the members here.
        ask: asks the broker for what comes after a position, at most `FILL`; what it calls gets None where that failed.
        lost: tells members of a group that something cannot be had.
    """

    def __init__(
        self,
        deliver: Callable[[Kept], None],
        ask: Callable[[str, int, str, Asked], None],
        lost: Callable[[str], None],
    ) -> None:
        self._deliver = deliver
        self._ask = ask
        self._lost = lost
        self._table: dict[str, Track] = {}

    def begin(self, group: str, epoch: str, seq: int) -> None:
        """Somebody has joined a group that stands here."""
        if group not in self._table:
            self._table[group] = Track(epoch, seq, sure=False)

    def forget(self, group: str) -> None:
        """It is not heard any more."""
        self._table.pop(group, None)

    def heard(self, kept: Kept) -> None:
        """One has come."""
        group = kept.groups[0]
        track = self._table.get(group)
        if track is None:
            self._table[group] = Track(kept.epoch, kept.seq, sure=True)
            self._deliver(kept)
        elif track.held is not None:
            if len(track.held) < HELD:
                track.held.append(kept)
            else:
                track.again = True
        elif not track.sure or _next(track, kept):
            track.sure, track.stale = True, False
            self._give(track, kept)
        elif kept.epoch != track.epoch or kept.seq > track.seq:
            self._fill(group, track, kept)

    def broke(self, groups: Iterable[str]) -> list[str]:
        """The link is gone; which of these groups may be filled when it is back?"""
        found = [group for group in groups if group in self._table]
        for group in found:
            self._table[group].stale = self._table[group].sure = True
        return found

    def refill(self, used: Callable[[str], bool]) -> None:
        """Ask for what may not have come, of the groups that are used."""
        for group, track in list(self._table.items()):
            if track.stale and track.held is None:
                if used(group):
                    self._fill(group, track)
                else:
                    del self._table[group]

    def _fill(self, group: str, track: Track, *held: Kept) -> None:
        track.held, track.again = deque(held), False

        def asked(recalled: Recalled | None) -> None:
            if self._table.get(group) is track:
                self._filled(group, track, recalled)

        self._ask(group, track.seq, track.epoch, asked)

    def _filled(self, group: str, track: Track, recalled: Recalled | None) -> None:
        held, track.held, again = track.held or deque(), None, track.again
        if recalled is None:  # the link is gone again, or has too much to do
            track.stale = True
            return
        track.stale = False
        if recalled.complete:
            for kept in recalled.entries:
                self._give(track, kept)
        else:
            here = [kept.seq for kept in held if kept.epoch == recalled.epoch]
            track.epoch, track.seq = recalled.epoch, min([recalled.seq, *(seq - 1 for seq in here)])
        for kept in held:
            if _next(track, kept):
                self._give(track, kept)
            elif kept.epoch != track.epoch or kept.seq > track.seq:
                again = True
                break
        if not recalled.complete:
            self._lost(group)
        if again:
            self._fill(group, track)

    def _give(self, track: Track, kept: Kept) -> None:
        track.epoch, track.seq = kept.epoch, kept.seq
        self._deliver(kept)


def _next(track: Track, kept: Kept) -> bool:
    return kept.epoch == track.epoch and kept.seq == track.seq + 1
