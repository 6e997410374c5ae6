"""Groups over many processes, through Redis or Valkey.

Rules: membership is kept by processes alone. A process subscribes once to each group that has members in it, and to a
channel for what is meant for its single connections; a broadcast is one PUBLISH. What it publishes itself comes back
to it through the broker too, so that all hear the same in the same order.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

import anyio

from chanx import _process, _runtime
from chanx.exceptions import ConfigurationError, LayerUnavailable
from chanx.groups.layer import Publication
from chanx.groups.members import Home, Members
from chanx.groups.memory import DONE
from chanx.groups.redis import host, wire
from chanx.groups.redis.dial import Dial
from chanx.groups.redis.link import Entry, Link
from chanx.groups.redis.options import Options
from chanx.groups.redis.relay import Relay
from chanx.groups.redis.sync import SyncPublisher
from chanx.groups.redis.waiter import Waiter
from chanx.groups.redis.wishes import Wishes

logger = logging.getLogger("chanx")

#: How long who waits on another loop than the link's waits beyond the timeout, for a loop that has ended silently.
GRACE = 30.0
#: How long a link in a thread of its own stays when no lasting loop uses it and nobody listens, in seconds.
LINGER = 60.0
#: How long `aclose` waits for the link to end, in seconds.
CLOSING = 5.0

_layers: weakref.WeakSet[RedisLayer] = weakref.WeakSet()


class RedisLayer:
    """A group layer for many processes, over one Redis or Valkey server. Needs `chanx[redis]`.

    Args:
        url: `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, or `unix:///path`; `valkey://` and
            `valkeys://` mean the same as the first two.
        prefix: what the broker's channels begin with. Processes with the same one hear each other.
        unavailable: what becomes of who publishes or joins while the link is broken: `"wait"` lets him wait for
            `timeout`, and then raises; `"raise"` raises at once. A `LayerUnavailable` either way.
        timeout: how long who publishes or joins may wait for the broker, in seconds.
        heartbeat: how often the layer sends itself something through the broker, in seconds.
        heartbeat_timeout: how long that may take until the link counts as broken, in seconds.
        connect_timeout: how long connecting may take, in seconds.
        max_pause: the longest pause between two attempts to connect, in seconds; the first is 0.1.
        queue: how many publications may wait to be sent; one more raises `LayerUnavailable`.
        options: more arguments of redis-py's connections, as `username`, `password`, `ssl_ca_certs`; what the URL
            says counts more.

    Attributes:
        members: who is in which group here.
        stray: called with an id that something came for and nobody has; for channel layers.

    Raises:
        ConfigurationError: redis-py is missing, or an argument is wrong.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379",
        *,
        prefix: str = "chanx",
        unavailable: Literal["wait", "raise"] = "wait",
        timeout: float = 5.0,
        heartbeat: float = 5.0,
        heartbeat_timeout: float = 5.0,
        connect_timeout: float = 5.0,
        max_pause: float = 5.0,
        queue: int = 10_000,
        **options: Any,
    ) -> None:
        if unavailable not in ("wait", "raise"):
            raise ConfigurationError(f'RedisLayer(unavailable={unavailable!r}): it is "wait" or "raise"')
        self._options = Options(
            timeout=timeout,
            wait=unavailable == "wait",
            heartbeat=heartbeat,
            heartbeat_timeout=heartbeat_timeout,
            connect_timeout=connect_timeout,
            max_pause=max_pause,
            queue=queue,
        )
        self._dial = Dial(url, options, connect_timeout)
        self._names = wire.Names(prefix)
        self.members = Members()
        self.stray: Callable[[str], None] | None = None
        self._owners: set[str] = set()
        self._numbers = itertools.count()
        self._sync = SyncPublisher(self._dial, self._options)
        self._reset()
        _layers.add(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._wishes = Wishes(self.members)
        self._link: tuple[Link, host.Host] | None = None
        self._homes: dict[_runtime.Runtime, Callable[[], object]] = {}
        self._relays: dict[Home, Relay] = {}
        self._used = time.monotonic()
        self._owed: list[str] = []
        self._ended: list[Waiter] = []

    # -- the contract -------------------------------------------------------------------------------

    def subscribe(self, group: str) -> Awaitable[None]:
        channel = self._names.group(group)
        link, place = self._opened()
        if self._wishes.is_heard(channel):
            return DONE
        waiter = self._waiter() if _runtime.on_a_loop() else None
        if self._wishes.want(channel, group, waiter):
            return DONE
        if link.over:  # since a moment ago
            link, place = self._opened()
        if link.failed and not self._options.wait and waiter is not None:
            waiter.resolve(LayerUnavailable(f"{self._dial.where} cannot be reached"))
        place.post(link.wished)
        return DONE if waiter is None else waiter.wait(self._grace(place))

    def unsubscribe(self, group: str) -> None:
        if self._wishes.drop(self._names.group(group)):
            with self._lock:
                opened = self._link
            if opened is not None:
                opened[1].post(opened[0].wished)

    async def publish(self, publication: Publication) -> None:
        commands = self._commands(publication)
        if not commands:
            return
        again = False
        while True:
            link, place = self._opened()
            waiter = self._waiter()
            if place.post(link.publish, Entry(commands, waiter)):
                try:
                    await waiter.wait(self._grace(place))
                except LayerUnavailable as error:
                    if again or error.sent or not link.over:
                        raise
                else:
                    return
            elif again:
                raise LayerUnavailable("the event loop that talks to the broker has ended")
            again = True  # the link had ended, and there is another one now

    def publish_sync(self, publication: Publication) -> None:
        if commands := self._commands(publication):
            self._sync.publish(commands)

    def healthy(self) -> bool:
        """Is the link to the broker up? The first question, as everything else, has it made; nothing is waited for."""
        return self._opened()[0].up

    async def aclose(self) -> None:
        self._sync.close()
        with self._lock:
            opened, self._link = self._link, None
            homes, self._homes = self._homes, {}
            waiter = self._waiter()
            if opened is not None and not opened[0].over:
                self._ended.append(waiter)
            else:
                waiter.over = True
        for home, cancel in homes.items():
            if home.here():
                cancel()
            else:
                home.post(cancel)  # type: ignore[arg-type] # what it returns is of no interest
        if opened is not None:
            opened[1].stop()
            if not waiter.over:
                with anyio.CancelScope(shield=True):
                    try:
                        await waiter.wait(CLOSING)
                    except LayerUnavailable:
                        logger.warning("the link to %s did not end in time", self._dial.where)

    async def echo(self) -> None:
        """Wait until this process has heard all that it has published so far, by `publish`; for tests.

        Raises:
            LayerUnavailable: the broker cannot be reached.
        """
        name = f"echo-{_process.identity}-{next(self._numbers)}"
        heard = self._waiter()
        self.members.add(_Echo(name, heard))
        try:
            await self.publish(Publication("", connections=(f"{_process.identity}-{name}",)))
            await heard.wait(self._options.timeout)
        finally:
            self.members.remove(_Echo(name, heard))

    # -- for channel layers -------------------------------------------------------------------------

    def answer_to(self, owner: str) -> None:
        """Hear also what is for the channels of this owner; see `wire.owner_of`."""
        with self._lock:
            self._owners.add(owner)
            opened = self._link
        self._wishes.want(self._names.owner(owner), None)
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
        for home in members.homes_of(publication):
            if home.here():
                members.deliver_at(home, publication)
                continue
            relay = self._relays.get(home)
            if relay is None:
                relay = self._relays[home] = Relay(members, home)
            if not relay.put(publication):
                self._forget(home)

    def affected(self, groups: Iterable[str]) -> list[str]:
        """The ids of the members of these groups."""
        return self.members.ids_in(groups)

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
            lost = self._link is not None and self._link[0] is link
            if lost:
                self._link = None
            waiters, self._ended = self._ended, []
            again = lost and (bool(self._homes) or self._wishes.any)
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

    def _opened(self, place: host.Host | None = None) -> tuple[Link, host.Host]:
        """The link, made where there is none; the caller's loop is known as one that uses it."""
        opened = self._link
        if opened is None or opened[0].over or not opened[1].alive():
            opened = self._made(place)
        where = opened[1]
        if isinstance(where, host.Own):
            self._used = time.monotonic()
        if not where.here() and _runtime.on_a_loop():
            self._attend()
        return opened

    def _made(self, place: host.Host | None) -> tuple[Link, host.Host]:
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
            with self._lock:
                if self._link is opened:
                    self._link = None
            opened[1].stop()

    def _forget(self, home: Home) -> None:
        """A loop ended without a word; its members are no more."""
        self._relays.pop(home, None)
        groups = self.members.groups()
        self.members.forget(home)
        for group in groups:
            self.unsubscribe(group)

    # -- small parts --------------------------------------------------------------------------------

    def _commands(self, publication: Publication) -> list[bytes]:
        return self._names.publishing(publication, f"{_process.identity}-{next(self._numbers)}")

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
        self._reset()


class _Echo:
    """Who hears what `RedisLayer.echo` sends."""

    def __init__(self, name: str, waiter: Waiter) -> None:
        self.id = f"{_process.identity}-{name}"
        self.home: Any = _ANYWHERE
        self._waiter = waiter

    def push(self, publication: Publication) -> None:
        """It has come back."""
        self._waiter.resolve()


class _Anywhere:
    """The home of what is bound to no loop."""

    def here(self) -> bool:
        return True

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        function(*args)
        return True


_ANYWHERE = _Anywhere()


def _nothing() -> None:
    """Posted to see whether a loop still runs."""


def _forked() -> None:
    for layer in tuple(_layers):
        layer.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
