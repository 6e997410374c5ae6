"""What a process wishes to hear, and what the broker has confirmed.

Rules: any thread may wish, and the wish counts at once; the link's loop alone sends commands, and of each channel at
most one is under way. Whether its answer is still what is wished for is looked at when it comes. So a join that comes
while the broker is being told of the last leave is not lost: it waits for that answer, and asks anew.
"""

from __future__ import annotations

import threading
from enum import Enum

from chanx.groups.members import Members
from chanx.groups.redis.waiter import Waiter


class Heard(Enum):
    """Where a channel of the broker stands."""

    NOT = "not subscribed"
    ASKED = "a SUBSCRIBE is under way"
    YES = "subscribed"
    LEAVING = "an UNSUBSCRIBE is under way"


class Wish:
    """One of the broker's channels.

    Attributes:
        group: the group that it carries; None for the layer's own channels.
        wanted: is it wished for now?
        heard: does the broker know?
        waiters: who waits until it has confirmed.
    """

    __slots__ = ("channel", "group", "heard", "waiters", "wanted")

    def __init__(self, channel: bytes, group: str | None) -> None:
        self.channel = channel
        self.group = group
        self.wanted = True
        self.heard = Heard.NOT
        self.waiters: list[Waiter] = []


class Wishes:
    """All wishes of one layer.

    Args:
        members: who is in which group here.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self._lock = threading.Lock()
        self._table: dict[bytes, Wish] = {}
        self._changed: dict[Wish, None] = {}

    def want(self, channel: bytes, group: str | None, waiter: Waiter | None = None) -> bool:
        """Wish to hear a channel; True when it is confirmed already, else the waiter is told when it is."""
        with self._lock:
            wish = self._table.get(channel)
            if wish is None:
                wish = self._table[channel] = Wish(channel, group)
            wish.wanted = True
            if wish.heard is Heard.YES:
                return True
            self._changed[wish] = None
            if waiter is not None:
                wish.waiters = [one for one in wish.waiters if not one.over]
                wish.waiters.append(waiter)
            return False

    def is_heard(self, channel: bytes) -> bool:
        """Has the broker confirmed, and is it still wished for?"""
        with self._lock:
            wish = self._table.get(channel)
            return wish is not None and wish.wanted and wish.heard is Heard.YES

    def drop(self, channel: bytes) -> bool:
        """Wish no longer to hear a group, unless it has members here; True when there is something to tell."""
        with self._lock:
            wish = self._table.get(channel)
            if wish is None or (wish.group is not None and self._members.count(wish.group)):
                return False
            wish.wanted = False
            if wish.heard is Heard.NOT:
                del self._table[channel]
                self._changed.pop(wish, None)
                return False
            self._changed[wish] = None
            return True

    @property
    def any(self) -> bool:
        """Is there a group that somebody here wishes to hear?"""
        with self._lock:
            return any(wish.wanted and wish.group is not None for wish in self._table.values())

    def changes(self) -> tuple[list[bytes], list[bytes]]:
        """The channels to subscribe to and to unsubscribe from now; their commands are under way from here on."""
        come: list[bytes] = []
        go: list[bytes] = []
        with self._lock:
            for wish in self._changed:
                if wish.wanted and wish.heard is Heard.NOT:
                    wish.heard = Heard.ASKED
                    come.append(wish.channel)
                elif not wish.wanted and wish.heard is Heard.YES:
                    wish.heard = Heard.LEAVING
                    go.append(wish.channel)
            self._changed.clear()
        return come, go

    def answered(self, channel: bytes, subscribed: bool) -> tuple[list[Waiter], bool]:
        """The broker has answered: who waited for that, and is there something new to tell the broker?"""
        with self._lock:
            wish = self._table.get(channel)
            if wish is None:
                return [], False
            wish.heard = Heard.YES if subscribed else Heard.NOT
            waiters: list[Waiter] = []
            if subscribed:
                waiters, wish.waiters = wish.waiters, []
            again = wish.wanted != subscribed
            if again:
                self._changed[wish] = None
            elif not wish.wanted:
                del self._table[channel]
            return waiters, again

    def broke(self) -> tuple[list[str], list[bytes]]:
        """The link is gone, and with it all subscriptions; the groups that were subscribed, and the channels that were
        being left.
        """
        with self._lock:
            groups = [wish.group for wish in self._table.values() if wish.heard is Heard.YES and wish.group is not None]
            left = [wish.channel for wish in self._table.values() if wish.heard is Heard.LEAVING]
            for wish in tuple(self._table.values()):
                wish.heard = Heard.NOT
                if wish.wanted:
                    self._changed[wish] = None
                else:
                    del self._table[wish.channel]
                    self._changed.pop(wish, None)
            return groups, left

    def forget(self, channel: bytes) -> None:
        """One of the layer's own channels is of no use any more."""
        with self._lock:
            wish = self._table.pop(channel, None)
            if wish is not None:
                self._changed.pop(wish, None)

    def waiting(self) -> list[Waiter]:
        """All who wait for a confirmation."""
        with self._lock:
            return [waiter for wish in self._table.values() for waiter in wish.waiters]
