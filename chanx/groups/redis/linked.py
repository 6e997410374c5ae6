"""The half of a Redis layer that keeps its link: where it lives, who uses it, and when it is made anew.

Rules: the lock guards which link there is and which loops use it; wishes have a lock of their own, which may be taken
under this one. Nothing waits while it is held.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable

import anyio

from chanx import _process, _runtime
from chanx.exceptions import LayerUnavailable
from chanx.groups.history import PAGE, Histories, Kept
from chanx.groups.layer import Publication
from chanx.groups.members import Home, Members
from chanx.groups.redis import host, wire
from chanx.groups.redis.dial import Dial
from chanx.groups.redis.link import Link
from chanx.groups.redis.options import Options
from chanx.groups.redis.outgoing import Entry
from chanx.groups.redis.relay import Relay
from chanx.groups.redis.scripts import Keeper
from chanx.groups.redis.sync import SyncPublisher
from chanx.groups.redis.tracks import Asked, Tracks
from chanx.groups.redis.waiter import Waiter
from chanx.groups.redis.wishes import Wishes

logger = logging.getLogger("chanx")

#: How long who waits on another loop than the link's waits beyond the timeout, for a loop that has ended silently.
GRACE = 30.0
#: How long a link in a thread of its own stays when no lasting loop uses it and nobody listens, in seconds.
LINGER = 60.0

_layers: weakref.WeakSet[Linked] = weakref.WeakSet()


class Linked:
    """See above.

    Args:
        dialer: makes connections.
        names: the broker's channels.
        options: of the layer.

    Attributes:
        members: who is in which group here.
        stray: called with an id that something came for and nobody has; for channel layers.
        histories: which groups have one.
    """

    def __init__(self, dialer: Dial, names: wire.Names, options: Options) -> None:
        self.members = Members()
        self.stray: Callable[[str], None] | None = None
        self._dial = dialer
        self.histories = Histories()
        self._names = names
        self._keeper = Keeper(names, names.prefix)
        self.members.begun = self._opened  # from the first connection on, what is meant for single ones is heard
        self._options = options
        self._owners: set[str] = set()
        self._numbers = itertools.count()
        self._sync = SyncPublisher(dialer, options)
        self._reset()
        _layers.add(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._wishes = Wishes(self.members)
        self._tracks = Tracks(self._deliver, self._ask, self._lost)
        self._link: tuple[Link, host.Host] | None = None
        self._homes: dict[_runtime.Runtime, Callable[[], object]] = {}
        self._relays: dict[Home, Relay] = {}
        self._used = time.monotonic()
        self._owed: list[str] = []
        self._ended: list[Waiter] = []

    def unsubscribe(self, group: str) -> None:
        if self._wishes.drop(self._names.group(group)):
            with self._lock:
                opened = self._link
            if opened is not None:
                opened[1].post(opened[0].wished)

    # -- what the link calls ------------------------------------------------------------------------

    def heard(self, publication: Publication) -> None:
        """A publication has come in, on the loop of the link."""
        members = self.members
        if publication.connections and self.stray is not None:
            for one in publication.connections:
                if not members.has(one):
                    self.stray(one)
        # where only others keep its history, nothing can be asked for: then it is a broadcast like any other
        if isinstance(publication, Kept) and self.histories.find(publication.groups[0]) is not None:
            self._tracks.heard(publication)
        else:
            self._deliver(publication)

    def _deliver(self, publication: Publication) -> None:
        members = self.members
        for home in members.homes_of(publication):
            if home.here():
                members.place_at(home, publication)
                continue
            relay = self._relays.get(home)
            if relay is None:
                relay = self._relays[home] = Relay(members, home)
            if not relay.put(publication):
                self._forget(home)

    def affected(self, groups: Iterable[str]) -> list[str]:
        """The ids of the members of these groups, but not of those whose groups are filled when the link is back."""
        every = list(groups)
        filled = self._tracks.broke(every)
        ids = dict.fromkeys((*self.members.ids_in(set(every).difference(filled)), *self.members.alone()))
        ids.update(dict.fromkeys(self.members.ids_in(filled, hearing_events=True)))
        return list(ids)

    def unheard(self, channel: bytes) -> None:
        """A channel is not subscribed any more."""
        group = self._names.group_of(channel)
        if group is not None:
            self._tracks.forget(group)

    def refill(self) -> None:
        """The link is up: ask for what may not have come, of groups with history."""
        self._tracks.refill(lambda group: self.members.count(group) > 0)

    def _ask(self, group: str, after: int, epoch: str, most: int, asked: Asked) -> None:
        """Ask for what did not come; on the link's loop."""
        opened, history = self._link, self.histories.find(group)
        if opened is None or history is None:
            asked(None)
            return

        def done(error: LayerUnavailable | None) -> None:
            if error is not None:
                logger.info("what a group may have missed cannot be asked for: %s", error)
            asked(None if error is not None or not entry.answers else self._keeper.read(group, entry.answers[0]))

        asking = self._keeper.recalling(group, history, after, epoch, 0, most, PAGE, heard=True)
        entry = Entry([asking], None, done, asks=True)
        opened[0].publish(entry)

    def _lost(self, group: str) -> None:
        """Something of a group with history cannot be had any more."""
        self.members.missed(self.members.ids_in((group,)))

    def tell(self, ids: list[str]) -> None:
        """Tell members that they may have missed something."""
        self.members.missed(ids)

    def unused(self) -> bool:
        """No lasting loop uses it, nobody listens, and nobody has published for long."""
        with self._lock:
            opened = self._link
            if opened is None or isinstance(opened[1], host.Guest) or self._homes:
                return False
        return time.monotonic() - self._used > LINGER and not self._wishes.any

    def ended(self, link: Link) -> None:
        """A link has ended. Where members live on other loops than its own, they need another one."""
        with self._lock:
            self._owed += link.take_affected()
            opened = self._link
            lost = opened is not None and opened[0] is link
            if lost:
                self._link = None
            waiters, self._ended = self._ended, []
            # those who wish, and are on no loop that is known, are on the one that ends, if the link was there
            wished = opened is not None and isinstance(opened[1], host.Own) and self._wishes.any
            again = lost and (bool(self._homes) or wished)
        for waiter in waiters:
            waiter.resolve()
        if not again:
            for waiter in self._wishes.waiting():
                waiter.resolve(LayerUnavailable("the link was closed"))
            return
        try:
            self._made(host.Own())
        except RuntimeError:  # the interpreter is about to end, and starts no thread any more
            logger.debug("no other link could be made", exc_info=True)

    # -- the link -----------------------------------------------------------------------------------

    def _opened(self) -> tuple[Link, host.Host]:
        """The link, made where there is none; the caller's loop is known as one that uses it."""
        opened = self._link
        if opened is None or opened[0].over or not opened[1].alive():
            opened = self._made()
        where = opened[1]
        if isinstance(where, host.Own):
            self._used = time.monotonic()
        if not where.here() and _runtime.on_a_loop():
            self._attend()
        return opened

    def _made(self, place: host.Host | None = None) -> tuple[Link, host.Host]:
        with self._lock:
            opened = self._link
            if opened is not None:
                if not opened[0].over and opened[1].alive():
                    return opened
                self._link = None
                self._homes = {home: cancel for home, cancel in self._homes.items() if home.post(_nothing)}
            stale = None if opened is None else opened[0]
            self._used = time.monotonic()
            place = place or (host.Own() if self._homes else host.choose())
            for owner in (_process.identity, *self._owners):
                self._wishes.want(self._names.owner(owner), None)
            if stale is not None:
                stale.end()
            link = Link(self._dial, self._names, self._options, self._wishes, self)
            link.owes(self._owed)
            self._owed = []
            self._link = (link, place)
            place.start(link.run)
            return self._link

    def _attend(self) -> None:
        """The caller's loop uses a link that lives elsewhere: note when it ends."""
        home = _runtime.current()
        if home in self._homes or not host.lasting():
            return
        with self._lock:
            if home not in self._homes:
                self._homes[home] = home.spawn(self._keep, home, context=contextvars.Context())

    async def _keep(self, home: _runtime.Runtime) -> None:
        """Runs on a loop that uses the link, until that ends."""
        try:
            await anyio.sleep_forever()
        finally:
            self._left(home)

    def _left(self, home: _runtime.Runtime) -> None:
        self._relays.pop(home, None)
        with self._lock:
            if self._homes.pop(home, None) is None:
                return  # closed
            opened = self._link
            idle = not self._homes and opened is not None and isinstance(opened[1], host.Own)
        if idle and opened is not None and not self._wishes.any:
            opened[1].stop()  # who comes meanwhile finds that it is over, or is seen by `ended`

    def _forget(self, home: Home) -> None:
        """A loop ended without a word; its members are no more."""
        self._relays.pop(home, None)
        groups = self.members.groups()
        self.members.forget(home)
        for group in groups:
            self.unsubscribe(group)

    def _waiter(self) -> Waiter:
        return Waiter(_runtime.current(), time.monotonic() + self._options.timeout)

    def _grace(self, place: host.Host) -> float | None:
        return None if place.here() else self._options.timeout + GRACE

    def forked(self) -> None:
        """This process is a copy of another one, which has the link; nothing of that is touched."""
        opened = self._link
        if opened is not None:
            blank = os.open(os.devnull, os.O_RDWR)
            for number in opened[0].sockets:
                os.dup2(blank, number)  # the socket is closed here, and its number stays taken
            os.close(blank)
        self._sync.forked()
        self._owners.clear()
        self._reset()


def _nothing() -> None:
    """Posted to see whether a loop still runs."""


def _forked() -> None:
    for layer in tuple(_layers):
        layer.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
