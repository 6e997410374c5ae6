"""Groups over many processes, through Redis or Valkey.

Rules: membership is kept by processes alone. A process subscribes once to each group that has members in it, and to a
channel for what is meant for its single connections; a broadcast is one PUBLISH. What it publishes itself comes back
to it through the broker too, so that all hear the same in the same order.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

import anyio

from chanx import _process, _runtime
from chanx.exceptions import ConfigurationError, LayerUnavailable
from chanx.groups.history import MOST, PAGE, History, Kept, Recalled
from chanx.groups.layer import Publication
from chanx.groups.memory import DONE
from chanx.groups.redis import wire
from chanx.groups.redis.dial import Dial
from chanx.groups.redis.linked import Linked
from chanx.groups.redis.options import Options
from chanx.groups.redis.outgoing import Entry
from chanx.groups.redis.waiter import Waiter

logger = logging.getLogger("chanx")

#: How often a history is asked for, where the link breaks meanwhile.
ASKED = 3
#: How long `aclose` waits for the link to end, in seconds.
CLOSING = 5.0


class RedisLayer(Linked):
    """A group layer for many processes, over one Redis or Valkey server. Needs `chanx[redis]`.

    Args:
        url: `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, or `unix:///path`; `valkey://` and
            `valkeys://` mean the same as the first two.
        prefix: what the broker's channels begin with. Processes with the same one hear each other.
        unavailable: what becomes of who publishes or joins while the link is broken: `"wait"` lets him wait for
            `timeout`, and then raises; `"raise"` raises at once. A `LayerUnavailable` either way.
        timeout: how long who publishes or joins may wait while the link is broken, in seconds. What had been sent
            before that was noticed is waited for until it is: as a rule `heartbeat` and `heartbeat_timeout` at most.
        heartbeat: how often the layer sends itself something through the broker, in seconds.
        heartbeat_timeout: how long that may take until the link counts as broken, in seconds.
        connect_timeout: how long connecting may take, in seconds.
        max_pause: the longest pause between two attempts to connect, in seconds; the first is 0.1.
        queue: how many publications may wait to be sent; one more raises `LayerUnavailable`.
        run_id: histories begin another epoch where the server tells another `run_id` (Redis, "INFO server") than
            before, since it may have forgotten something. False where connections to one and the same server are told
            different ones, as behind some proxies; all processes say the same.
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
        run_id: bool = True,
        **options: Any,
    ) -> None:
        if unavailable not in ("wait", "raise"):
            raise ConfigurationError(f'RedisLayer(unavailable={unavailable!r}): it is "wait" or "raise"')
        if not isinstance(prefix, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"RedisLayer(prefix={prefix!r}): give a string")
        settings = Options(
            timeout=timeout,
            wait=unavailable == "wait",
            heartbeat=heartbeat,
            heartbeat_timeout=heartbeat_timeout,
            connect_timeout=connect_timeout,
            max_pause=max_pause,
            queue=queue,
            run_id=run_id,
        )
        super().__init__(Dial(url, options, connect_timeout), wire.Names(prefix), settings)

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
            waiter.resolve(LayerUnavailable(link.why))
        place.post(link.wished)
        return DONE if waiter is None else waiter.wait(self._grace(place))

    async def publish(self, publication: Publication) -> None:
        if commands := self._commands(publication):
            await self._carry(commands)

    def keep(self, rules: Mapping[str, History]) -> None:
        self.histories.add(rules)

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
        history = self.histories.find(group)
        if history is None:
            raise ValueError(f"{group!r} has no history; see Channel(history=…)")
        command = self._keeper.recalling(group, history, after, epoch, last, most, page)
        answers: list[Any] = []
        for again in reversed(range(ASKED)):  # a question may be asked again, whatever has become of it
            try:
                answers = await self._carry([command], asks=True)
                break
            except LayerUnavailable as error:
                if not error.sent or not again:
                    raise
        recalled = self._keeper.read(group, answers[0])
        link, place = self._opened()
        if not link.over:
            place.post(self._begin, group, recalled)
        return recalled

    def _begin(self, group: str, recalled: Recalled) -> None:
        """What somebody who has joined was told, for the time after a break of the link; on the link's loop."""
        if self._wishes.is_heard(self._names.group(group)):
            self._tracks.begin(group, recalled.epoch, recalled.seq)

    async def _carry(self, commands: list[bytes], *, asks: bool = False) -> list[Any]:
        """Have the link send commands; returns the answers, if they are asked for.

        Raises:
            LayerUnavailable: the broker cannot be reached, or cannot in time.
        """
        again = False
        while True:
            link, place = self._opened()
            waiter = self._waiter()
            entry = Entry(commands, waiter, asks=asks)
            if place.post(link.publish, entry):
                try:
                    await waiter.wait(self._grace(place))
                except LayerUnavailable as error:
                    if again or error.sent or not link.over:
                        raise
                else:
                    return entry.answers or []
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

    async def answering(self, owner: str) -> None:
        """Wait until what is for the channels of this owner comes here.

        Where the broker cannot be reached, it is not waited for longer than `timeout`; it comes when the link is back.
        """
        channel = self._names.owner(owner)
        link, place = self._opened()
        if link.failed or self._wishes.is_heard(channel):
            return
        waiter = self._waiter()
        if self._wishes.want(channel, None, waiter):
            return
        place.post(link.wished)
        with suppress(LayerUnavailable):  # the log has it
            await waiter.wait(self._grace(place))

    def _commands(self, publication: Publication) -> list[bytes]:
        if publication.event is not None or not self.histories or not self.histories.any_of(publication.groups):
            return self._names.publishing(publication, f"{_process.identity}-{next(self._numbers)}")
        commands: list[bytes] = []
        for part in self.histories.parts(publication, self.members.users_of(publication)):
            history = self.histories.find(part.groups[0]) if isinstance(part, Kept) else None
            if history is not None and isinstance(part, Kept):
                commands.append(self._keeper.publishing(part, history))
            else:
                commands += self._names.publishing(part, f"{_process.identity}-{next(self._numbers)}")
        return commands


class _Anywhere:
    """The home of what is bound to no loop."""

    def here(self) -> bool:
        return True

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        function(*args)
        return True


_ANYWHERE = _Anywhere()


class _Echo:
    """Who hears what `RedisLayer.echo` sends."""

    def __init__(self, name: str, waiter: Waiter) -> None:
        self.id = f"{_process.identity}-{name}"
        self.home: Any = _ANYWHERE
        self._waiter = waiter

    def push(self, publication: Publication) -> None:
        """It has come back."""
        self._waiter.resolve()
