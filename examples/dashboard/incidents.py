"""The incidents, and who is where. All of it is in this process's memory, like the hub's group layer."""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

from examples.dashboard.messages import IncidentSummary, Said

KEPT_SAID = 50

EVERYBODY = "everybody"
"""The group of all pages."""


class People:
    """Who is in a place, by the connections, or subscriptions, that each of them has to it."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._ids, key=str.casefold)

    @contextmanager
    def visit(self, name: str, connection: str) -> Generator[None]:
        """Be there for as long as the block lasts."""
        self._ids.setdefault(name, set()).add(connection)
        try:
            yield
        finally:
            self._ids[name].discard(connection)
            if not self._ids[name]:
                del self._ids[name]


class Incident:
    """Something that is wrong, and what is said about it."""

    def __init__(self, pk: int, title: str) -> None:
        self.pk = pk
        self.title = title
        self.group = f"incident:{pk}"
        self.people = People()
        self.said: deque[Said] = deque(maxlen=KEPT_SAID)


class Incidents:
    """Those that are open, by number."""

    def __init__(self) -> None:
        self._incidents: dict[int, Incident] = {}
        self._next = 1

    def begin(self) -> None:
        """As the application finds them when it starts."""
        self._incidents.clear()
        self._next = 1
        self.open("Search answers slowly")

    def open(self, title: str) -> Incident:
        incident = self._incidents[self._next] = Incident(self._next, title)
        self._next += 1
        return incident

    def get(self, pk: int) -> Incident | None:
        return self._incidents.get(pk)

    def resolve(self, pk: int) -> None:
        self._incidents.pop(pk, None)

    @property
    def summary(self) -> list[IncidentSummary]:
        return [IncidentSummary(pk=one.pk, title=one.title) for one in self._incidents.values()]


here = People()
incidents = Incidents()
incidents.begin()
