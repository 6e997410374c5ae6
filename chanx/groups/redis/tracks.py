"""How far a process has heard each group with history, and what it asks for when something did not come.

Rules: on the link's loop only. Members get the broadcasts of a group in the order of their positions, each once. While
something that did not come is asked for, what is newer is held: so many, and what comes after them is asked for, too.
What cannot be had is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from chanx.groups.history import MOST, Kept, Recalled

#: What is filled: of more, members are told that it is lost, and those of streams ask by themselves, as they have room.
FILL = 500
#: What may be held.
HELD, HELD_BYTES = 1000, 1024 * 1024
#: Groups for which something is asked at a time; those who publish wait in the same line.
ASKING = 50

Asked = Callable[[Recalled | None], None]


class Track:
    """One group.

    Attributes:
        epoch: of the last position.
        seq: the last position that members were given.
        sure: it was heard here; else it is what the broker said when somebody joined, and the first that comes counts.
        stale: the link was broken since, so something may not have come.
        held: what came while something older is asked for; None while nothing is.
        room: for more of that, in bytes.
        again: more came than could be held.
        end: up to where pages are asked for, once that is known.
    """

    __slots__ = ("again", "end", "epoch", "held", "room", "seq", "stale", "sure")

    def __init__(self, epoch: str, seq: int, sure: bool) -> None:
        self.epoch = epoch
        self.seq = seq
        self.sure = sure
        self.stale = self.again = False
        self.held: deque[Kept] | None = None
        self.room = 0
        self.end: int | None = None


class Tracks:
    """All groups of a layer.

    Args:
        deliver: gives a broadcast to the members here.
        ask: asks the broker for what comes after a position of an epoch, so much at most, the first page of it; what it
            calls gets None where that failed.
        lost: tells members of a group that something cannot be had.
    """

    def __init__(
        self,
        deliver: Callable[[Kept], None],
        ask: Callable[[str, int, str, int, Asked], None],
        lost: Callable[[str], None],
    ) -> None:
        self._deliver = deliver
        self._ask = ask
        self._lost = lost
        self._table: dict[str, Track] = {}
        self._fresh: list[Track] = []  # those that are not sure yet, of this round of the link's heartbeat
        self._older: list[Track] = []  # and of the one before
        self._asking = 0
        self._waiting: deque[tuple[str, Track]] = deque()

    def begin(self, group: str, epoch: str, seq: int) -> None:
        """Somebody has joined a group that stands here."""
        if group not in self._table:
            track = self._table[group] = Track(epoch, seq, sure=False)
            self._fresh.append(track)

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
            track.room -= kept.size
            if track.again or len(track.held) >= HELD or track.room < 0:
                track.again = True
            else:
                track.held.append(kept)
        elif not track.sure or _next(track, kept):
            track.sure, track.stale = True, False
            self._give(track, kept)
        elif kept.epoch != track.epoch or kept.seq > track.seq:
            self._fill(group, track, kept)

    def broke(self, groups: Iterable[str]) -> list[str]:
        """The link is gone; which of these groups may be filled when it is back?"""
        self._fresh, self._older = [], []
        found: list[str] = []
        for group in groups:
            track = self._table.get(group)
            if track is None:
                continue
            if track.sure:
                track.stale = True
                found.append(group)
            else:  # something from before its position may have been on its way
                del self._table[group]
        return found

    def refill(self, used: Callable[[str], bool]) -> None:
        """The link has heard itself again: ask for what may not have come, of the groups that are used."""
        for track in self._older:  # all from before their positions has come, if there was something
            track.sure = True
        self._fresh, self._older = [], self._fresh
        for group, track in list(self._table.items()):
            if track.stale and track.held is None:
                if used(group):
                    self._fill(group, track)
                else:
                    del self._table[group]

    def _fill(self, group: str, track: Track, *held: Kept) -> None:
        track.held, track.again, track.end = deque(held), False, None
        track.room = HELD_BYTES
        if self._asking < ASKING:
            self._page(group, track)
        else:
            self._waiting.append((group, track))

    def _page(self, group: str, track: Track) -> None:
        def asked(recalled: Recalled | None) -> None:
            self._asking -= 1
            if self._table.get(group) is track:
                self._filled(group, track, recalled)
            if recalled is None:
                self._give_up()
            elif self._waiting and self._asking < ASKING:
                self._page(*self._waiting.popleft())

        self._asking += 1
        self._ask(group, track.seq, track.epoch, FILL if track.end is None else MOST, asked)

    def _give_up(self) -> None:
        """The link is gone again, or has too much to do: those who wait for their turn ask later, too."""
        waiting, self._waiting = self._waiting, deque()
        for _, track in waiting:
            track.held, track.stale = None, True

    def _filled(self, group: str, track: Track, recalled: Recalled | None) -> None:
        if recalled is None:
            track.held, track.stale = None, True
            return
        if recalled.complete:
            for kept in recalled.entries:
                self._give(track, kept)
            track.epoch = recalled.epoch  # the count may go on under another name
            track.end = recalled.seq if track.end is None else track.end
            if track.seq < track.end:
                self._page(group, track)
                return
        held, track.held, again = track.held or deque(), None, track.again
        track.stale = False
        if not recalled.complete:
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
