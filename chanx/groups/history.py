"""The history of groups: which have one, what is kept of a publication, and what is asked for again.

Rules: a group with history counts its broadcasts, `seq`, from 1 without a hole, within one life of the count, `epoch`.
The count outlives what is kept, so that who comes back late is told that something is missing, and never that nothing
is.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import msgspec

from chanx.exceptions import ConfigurationError
from chanx.groups.layer import GroupLayer, Publication

#: The most that a history may keep.
MOST = 10_000
#: What is read of it at once; one that is larger comes alone.
PAGE, PAGE_BYTES = 100, 256 * 1024
#: The longest that it may, in seconds: 30 days.
LONGEST = 30 * 86_400.0
#: The count outlives the history by so many times its ttl, and at least so many seconds.
OUTLIVES, AT_LEAST = 10, 86_400.0
#: Names of groups whose rule is remembered.
REMEMBERED = 10_000


class History(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what a group was sent is kept.

    Attributes:
        size: the last broadcasts, at most 10,000.
        ttl: for how long after the last one of them, in seconds, at most 30 days.

    Raises:
        ConfigurationError: a number is out of bounds.
    """

    size: int = 100
    ttl: float = 3600.0

    def __post_init__(self) -> None:
        size: Any = self.size
        ttl: Any = self.ttl
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST:
            raise ConfigurationError(f"History(size={size!r}): give a whole number from 1 to {MOST}")
        if not isinstance(ttl, (int, float)) or isinstance(ttl, bool) or not 0.001 <= ttl <= LONGEST:
            raise ConfigurationError(f"History(ttl={ttl!r}): give seconds, from 0.001 to {LONGEST:.0f} (30 days)")

    @property
    def count_ttl(self) -> float:
        """For how long the count is kept after the last broadcast, in seconds."""
        return max(self.ttl * OUTLIVES, AT_LEAST)


class Kept(Publication, frozen=True):
    """A broadcast to one group with history.

    Attributes:
        seq: its position; 0 before it has one.
        epoch: the life of the count.
        users: keys of the users, and ids of the connections, that do not get it when it is sent again.
        idempotency_key: with an equal one it is published once.
        stream: the public name, once it is framed.
        notice: what tells a client that it was not sent, once it is framed.
    """

    kept: ClassVar[bool] = True

    seq: int = 0
    epoch: str = ""
    users: frozenset[str] = frozenset()
    idempotency_key: str | None = None
    stream: str = ""
    notice: str = ""


class Recalled(msgspec.Struct, frozen=True):
    """What a history holds.

    Attributes:
        epoch: of the count.
        seq: the position of the last broadcast, 0 where there was none.
        complete: all that was asked for is there.
        entries: in order, without a hole, up to `seq`, or the first page of them; none where they are not complete.

    Where the broker was restarted, or another took its place, and what is asked for comes before that, the count goes
    on under another name: then they are complete, and `epoch` is not the one that was asked for.
    """

    epoch: str
    seq: int
    complete: bool
    entries: list[Kept]


class HistoryLayer(GroupLayer, Protocol):
    """A group layer that keeps histories."""

    histories: Histories

    def keep(self, rules: Mapping[str, History]) -> None:
        """Keep the history of more groups.

        Raises:
            ConfigurationError: there is another history for the same pattern.
        """
        ...

    async def recall(
        self,
        group: str,
        *,
        after: int | None = None,
        epoch: str = "",
        last: int = 0,
        most: int = MOST,
        page: int = PAGE,
    ) -> Recalled:
        """Ask for what was sent before.

        Args:
            group: one with history.
            after: what comes after this position of `epoch`; complete only if all of that is kept and fits `most`.
            epoch: see above.
            last: without `after`: so many of the last ones, or as many as there are.
            most: entries.
            page: so many of them at once, and at most `PAGE_BYTES`: the first ones. For the next, ask again.

        Raises:
            LayerUnavailable: the broker cannot be reached, or cannot in time.
        """
        ...


class Histories:
    """Which groups of a layer have a history.

    Attributes:
        plain: groups that are known to have none.
    """

    def __init__(self) -> None:
        self.plain: set[str] = set()
        self._rules: dict[str, tuple[re.Pattern[str], History]] = {}
        self._found: dict[str, History | None] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, rules: Mapping[str, History]) -> None:
        """Add rules; of two that match, the one that was added first counts.

        Raises:
            ConfigurationError: there is another history for the same pattern.
        """
        with self._lock:
            for pattern, history in rules.items():
                before = self._rules.get(pattern)
                if before is not None and before[1] != history:
                    raise ConfigurationError(
                        f"history={{{pattern!r}: {history}}}: on this group layer it is {before[1]} already; "
                        "channels that share a layer share its histories, so give both the same"
                    )
                regex = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
                self._rules[pattern] = regex, history
            self._found, self.plain = {}, set()

    def find(self, group: str) -> History | None:
        """The history of a group, if it has one."""
        found = self._found
        try:
            return found[group]
        except KeyError:
            rules = tuple(self._rules.values())
            history = next((one for regex, one in rules if regex.fullmatch(group)), None)
            if len(found) >= REMEMBERED:
                found = self._found = {}
            found[group] = history
            return history

    def any_of(self, groups: tuple[str, ...]) -> bool:
        """Has any of these groups a history?"""
        plain = self.plain  # another one where rules are added meanwhile
        if plain.issuperset(groups):
            return False
        for group in groups:
            if self.find(group) is not None:
                return True
            if len(plain) >= REMEMBERED:
                plain.clear()
            plain.add(group)
        return False

    def parts(self, publication: Publication, users: Mapping[str, str] | None = None) -> Iterable[Publication]:
        """One publication for each group with history, and one for all the rest.

        Raises:
            ValueError: it has an idempotency key, and a target without history.
        """
        if publication.event is not None:
            return (publication,)
        kept = [group for group in dict.fromkeys(publication.groups) if self.find(group) is not None]
        key = publication.idempotency_key if isinstance(publication, Kept) else None
        rest = tuple(group for group in publication.groups if group not in kept)
        if key is not None and (rest or publication.connections):
            raise ValueError("an idempotency_key is for groups with history alone; see Channel(history=…)")
        if not kept:
            return (publication,)
        excluded = publication.exclude
        gone = excluded | {users[one] for one in excluded if one in users} if users else excluded
        parts: list[Publication] = [
            Kept(publication.body, None, (group,), (), excluded, size=publication.size, users=gone, idempotency_key=key)
            for group in kept
        ]
        if rest or publication.connections:
            parts.append(
                Publication(
                    publication.body, None, rest, publication.connections, excluded, publication.key, publication.size
                )
            )
        return parts


def rules_of(where: str, history: Any, envelope: bool) -> dict[str, History]:
    """The argument of a channel, checked.

    Raises:
        ConfigurationError: it is wrong.
    """
    rules: dict[str, History] = {} if history is None else history
    if not isinstance(rules, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f'Channel at {where}: history={rules!r}; give {{"pattern": History(…)}}')
    given: dict[Any, Any] = {**rules}
    for pattern, one in given.items():
        if not isinstance(pattern, str) or not isinstance(one, History):
            raise ConfigurationError(f'Channel at {where}: history={rules!r}; give {{"pattern": History(…)}}')
    if rules and not envelope:
        raise ConfigurationError(f"Channel at {where}: history= uses keys of the envelope; leave envelope=False out")
    return dict(rules)
