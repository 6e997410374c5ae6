"""Who is in which group in this process, and the fan-out to them.

Rules: a member's loop (its home) is the only one that touches the member. Sets of one home are changed
by that home only; the lock guards the outer tables, which all threads share. The table of ids does without: a
connection enters and leaves it in one step each, which no other thread sees half done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from chanx.groups.layer import Publication


class Home(Protocol):
    """The event loop that a member lives on."""

    def here(self) -> bool:
        """Is the caller running on this loop?"""
        ...

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        """Run a function on the loop soon, from any thread, in order; False if the loop has ended."""
        ...


class Member(Protocol):
    """What fan-out asks of a connection."""

    id: str

    @property
    def home(self) -> Home:
        """The event loop it lives on."""
        ...

    def push(self, publication: Publication) -> None:
        """Queue a publication; never waits, never raises."""
        ...


class Members:
    """The local members of one group layer.

    Attributes:
        served: has a connection ever been here? Publishing before that cannot reach anybody in memory.
        warned: was that said already?
        observers: called with each message and publication that leaves through this layer; for tests.
        begun: called when a connection begins, by a layer that listens to others from then on.
        given: ids of connections that were given out, where there is somebody to give them to.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[str, dict[Home, dict[Member, None]]] = {}
        self._ids: dict[str, Member] = {}
        self._posted: dict[Home, int] = {}  # broadcasts with a place that are on their way to another loop
        self.served = False
        self.warned = False
        self.begun: Callable[[], object] | None = None
        self.given: set[str] = set()
        self.observers: list[Callable[[Any, Publication], None]] = []

    def add(self, member: Member) -> None:
        """A connection begins; from now on it can be reached by its id."""
        self._ids[member.id] = member
        self.served = True
        if self.begun is not None:
            self.begun()

    def remove(self, member: Member) -> None:
        """A connection has ended."""
        self._ids.pop(member.id, None)
        self.given.discard(member.id)

    def has(self, name: str) -> bool:
        """Can somebody here be reached by this id?"""
        return name in self._ids

    def join(self, group: str, member: Member) -> None:
        """Make a connection a member of a group."""
        with self._lock:
            self._groups.setdefault(group, {}).setdefault(member.home, {})[member] = None

    def leave(self, group: str, member: Member) -> bool:
        """End a membership; True when nobody in this process is left in the group."""
        with self._lock:
            homes = self._groups.get(group, {})
            there = homes.get(member.home, {})
            there.pop(member, None)
            if not there:
                homes.pop(member.home, None)
            if not homes:
                self._groups.pop(group, None)
            return not homes

    def count(self, group: str) -> int:
        """How many members a group has in this process."""
        with self._lock:
            return sum(map(len, self._groups.get(group, {}).values()))

    def groups(self) -> list[str]:
        """The groups with members in this process."""
        with self._lock:
            return list(self._groups)

    def everyone(self) -> list[Member]:
        """All that have begun and not ended, in any group or none."""
        return list(self._ids.values())

    def deliver(self, publication: Publication) -> None:
        """Queue a publication for every local member it is for; from any thread, waiting for none."""
        for home in self.homes_of(publication):
            if home.here():
                self.deliver_at(home, publication)
            elif not home.post(self.deliver_at, home, publication):
                self.forget(home)

    def homes_of(self, publication: Publication) -> Iterable[Home]:
        """The loops that have members it is for."""
        with self._lock:
            homes: dict[Home, None] = {}
            for group in publication.groups:
                homes.update(dict.fromkeys(self._groups.get(group, ())))
            for one in publication.connections:
                member = self._ids.get(one)
                if member is not None:
                    homes[member.home] = None
            return homes

    def deliver_at(self, home: Home, publication: Publication) -> None:
        """Queue a publication for the members of one loop; on that loop only."""
        exclude = publication.exclude
        for member in self._targets(home, publication):
            if not exclude or member.id not in exclude:
                member.push(publication)

    def deliver_kept(self, kept: Publication) -> None:
        """The same for a broadcast that has its place in a history, one at a time; all loops get them in order."""
        for home in self.homes_of(kept):
            if home.here() and home not in self._posted:
                self.deliver_kept_at(home, kept)
                continue
            with self._lock:
                self._posted[home] = self._posted.get(home, 0) + 1
            if not home.post(self._deliver_posted, home, kept):
                self.forget(home)

    def _deliver_posted(self, home: Home, kept: Publication) -> None:
        try:
            self.deliver_kept_at(home, kept)
        finally:
            with self._lock:
                left = self._posted.pop(home, 1) - 1
                if left:
                    self._posted[home] = left

    def deliver_kept_at(self, home: Home, kept: Publication) -> None:
        """The same for a broadcast that has its place in a history. Whom it excludes is told of its place."""
        exclude = kept.exclude
        for member in self._targets(home, kept):
            push_kept = getattr(member, "push_kept", None)
            if push_kept is not None:
                push_kept(kept)
            elif member.id not in exclude:
                member.push(kept)

    def place_at(self, home: Home, publication: Publication) -> None:
        """`deliver_at`, or `deliver_kept_at`, as it is."""
        if publication.kept:
            self.deliver_kept_at(home, publication)
        else:
            self.deliver_at(home, publication)

    def users_of(self, publication: Publication) -> dict[str, str]:
        """The keys of the users of excluded connections that are here."""
        found: dict[str, str] = {}
        for one in publication.exclude:
            user = getattr(self._ids.get(one), "user", "")
            if user:
                found[one] = user
        return found

    def _targets(self, home: Home, publication: Publication) -> Iterable[Member]:
        with self._lock:
            groups = [self._groups.get(group, {}).get(home, {}) for group in publication.groups]
            if len(groups) == 1 and not publication.connections:
                return tuple(groups[0])  # a copy: a member that is too slow leaves while we iterate
            found: dict[Member, None] = {}
            for group in groups:
                found.update(group)
            for one in publication.connections:
                member = self._ids.get(one)
                if member is not None and member.home is home:
                    found[member] = None
            return tuple(found)

    def ids_in(self, groups: Iterable[str], at: Home | None = None, *, hearing_events: bool = False) -> list[str]:
        """The ids of all who are in any of these groups, on one loop or on all; perhaps only of those for whom events
        may be.
        """
        with self._lock:
            found: dict[str, None] = {}
            for group in groups:
                for home, members in self._groups.get(group, {}).items():
                    if at is None or home is at:
                        found.update(
                            (member.id, None)
                            for member in members
                            if not hearing_events or getattr(member, "hears_events", True)
                        )
            return list(found)

    def alone(self) -> list[str]:
        """The ids of those who are in no group, and whose id was given out: something may be meant for them alone."""
        members = ((one, self._ids.get(one)) for one in tuple(self.given))
        return [one for one, member in members if member is not None and not getattr(member, "groups", ())]

    def missed(self, ids: Iterable[str]) -> None:
        """Tell members that something was lost that their groups, or their ids, had been sent; from any thread."""
        homes: dict[Home, list[Any]] = {}
        for one in ids:
            member = self._ids.get(one)
            if member is not None and hasattr(member, "missed"):
                homes.setdefault(member.home, []).append(member)
        for home, members in homes.items():
            if home.here():
                _tell(members)
            else:
                home.post(_tell, members)

    def forget(self, home: Home) -> None:
        """The loop ended without its connections having been able to leave."""
        with self._lock:
            self._posted.pop(home, None)
            for group in list(self._groups):
                self._groups[group].pop(home, None)
                if not self._groups[group]:
                    del self._groups[group]
        for member in self.everyone():
            if member.home is home:
                self.remove(member)


def _tell(members: list[Any]) -> None:
    for member in members:
        member.missed()
