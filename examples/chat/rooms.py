"""Who is in which room, and what was said there last.

All of it is in this process's memory, like the channel's group layer, and a room that everybody has
left is forgotten.
"""

from collections.abc import Generator
from contextlib import contextmanager

from examples.chat.messages import Said

REMEMBERED = 50
"""How many messages of a room a newcomer is shown."""


class Room:
    """The people in one room, by the connections that each of them has."""

    def __init__(self) -> None:
        # A person is present while any of their tabs is. Sets of connection ids, and not counters:
        # on a reload the new tab may arrive before the old one is known to have gone.
        self._tabs: dict[str, set[str]] = {}
        self._recent: dict[tuple[str, str], Said] = {}

    @property
    def people(self) -> list[str]:
        return sorted(self._tabs, key=str.casefold)

    @property
    def recent(self) -> list[Said]:
        return list(self._recent.values())

    def tabs(self, name: str) -> frozenset[str]:
        """The ids of the connections that a person has to this room."""
        return frozenset(self._tabs.get(name, ()))

    def enter(self, name: str, connection: str) -> None:
        self._tabs.setdefault(name, set()).add(connection)

    def leave(self, name: str, connection: str) -> None:
        tabs = self._tabs[name]
        tabs.discard(connection)
        if not tabs:
            del self._tabs[name]

    def remember(self, said: Said) -> bool:
        """Keep what was said; False where it is known already, because the page sent it twice."""
        key = (said.who, said.id)
        if key in self._recent:
            return False
        self._recent[key] = said
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]
        return True


class Rooms:
    """The rooms that somebody is in."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def __getitem__(self, name: str) -> Room:
        return self._rooms[name]

    @contextmanager
    def visit(self, room_name: str, name: str, connection: str) -> Generator[Room]:
        """Be in a room for as long as the block lasts."""
        room = self._rooms.setdefault(room_name, Room())
        room.enter(name, connection)
        try:
            yield room
        finally:
            room.leave(name, connection)
            if not room.people:
                del self._rooms[room_name]
