"""The two connections of a layer to its broker, and the watch over them.

Rules: everything here but `post` runs on one asyncio loop. One connection hears, the other publishes. What is published
waits in a bounded queue, and all that waits goes out in one write. A link is up when it has heard itself, on a channel
of its own, and is broken when it no longer does in time, whatever sockets say. Then subscriptions are made anew, and
those who may have missed something are told once they are back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import secrets
import time
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from chanx.exceptions import ChanxError, LayerUnavailable
from chanx.groups.layer import Publication
from chanx.groups.redis import dial, wire
from chanx.groups.redis.options import Options
from chanx.groups.redis.outgoing import Entry, Outgoing
from chanx.groups.redis.wishes import Wishes

logger = logging.getLogger("chanx")

#: How long the first pause after a failure is, in seconds; each is twice the last one.
FIRST_PAUSE = 0.1
#: How many are told of a gap at once, and the seconds until the next: they all come with a request then.
TOLD_AT_ONCE, TOLD_EVERY = 500, 0.05
#: The parts of a timeout. One in which something came does not count, nor more than one while the loop stood still;
#: but after so many times the timeout it is over.
SLICES, PATIENCE = 10, 6
#: Ids of packets that came by several of the broker's channels, which are remembered so that each is taken once.
REMEMBERED = 4096


class Silent(ChanxError):
    """The link did not hear itself in time."""


class Listens(Protocol):
    """What the link belongs to: the layer."""

    def heard(self, publication: Publication) -> None:
        """A publication has come in."""
        ...

    def affected(self, groups: Iterable[str]) -> list[str]:
        """The ids of the members of these groups."""
        ...

    def unheard(self, channel: bytes) -> None:
        """A channel is not subscribed any more."""
        ...

    def refill(self) -> None:
        """The link is up: ask for what may not have come, of groups with history."""
        ...

    def tell(self, ids: list[str]) -> None:
        """Tell members that they may have missed something."""
        ...

    def unused(self) -> bool:
        """Is the link of no use to anybody, so that it may end?"""
        ...

    def ended(self, link: Link) -> None:
        """The link has ended, on whatever way; its loop may be gone."""
        ...


class Link:
    """See above; `run` is the whole of it.

    Args:
        dial: makes connections.
        names: the broker's channels.
        options: of the layer.
        wishes: what is to be heard.
        layer: who hears it.

    Attributes:
        up: it has heard itself, and not been found broken since.
        failed: it was broken, or could not be made, and has not come up since.
        why: what to tell who could not wait longer: that the broker cannot be reached, and the last reason known.
        over: it has ended.
    """

    def __init__(self, dialer: dial.Dial, names: wire.Names, options: Options, wishes: Wishes, layer: Listens) -> None:
        self.up = self.failed = self.over = False
        self.sockets: list[int] = []
        self.why = f"{dialer.where} cannot be reached"
        self._dial = dialer
        self._names = names
        self._options = options
        self._wishes = wishes
        self._layer = layer
        self._name = secrets.token_hex(8)
        self._control = names.control(self._name)
        self._outgoing = Outgoing(options)
        self._wished = asyncio.Event()  # wishes have changed
        self._answers = 0
        self._confirmed = asyncio.Event()
        self._needed = 0
        self._echo = b""
        self._echoed = asyncio.Event()
        self._risen = asyncio.Event()
        self._down = asyncio.Event()
        self._down.set()
        self._received = 0
        self._remembered: dict[bytes, None] = {}
        self._affected: dict[str, None] = {}
        self._refused = 0

    # -- what the layer asks for, on the link's loop --------------------------------------------------

    def publish(self, entry: Entry) -> None:
        """Queue a publication."""
        if self.over:
            entry.resolve(LayerUnavailable("the link was closed"))
        elif self.failed and not self._options.wait:
            entry.resolve(LayerUnavailable(self.why))
        else:
            self._outgoing.put(entry)

    def wished(self) -> None:
        """Wishes have changed."""
        self._wished.set()

    # -- the whole ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again, until it is cancelled or nobody needs it."""
        self._wishes.want(self._control, None)
        self._wished.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                minder = tasks.create_task(self._mind())
                await self._live()
                minder.cancel()
        finally:
            self.end()

    async def _live(self) -> None:
        attempts = 0
        while not self._layer.unused():
            began = time.monotonic()
            error = await self._try()
            if error is None:
                return
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # a task group tells of what broke at that moment instead
                raise asyncio.CancelledError
            lasted = self._broken()
            attempts = 0 if lasted and time.monotonic() - began > self._options.max_pause else attempts + 1
            told = _told(error)
            why, self.why = self.why, f"{self._dial.where} cannot be reached: {told}"
            if not self.failed:
                self.failed = True
                logger.warning("the link to %s broke: %s; connecting again", self._dial.where, told)
            elif why != self.why:  # as where the broker is back, with another password
                logger.warning("the link to %s is still broken: %s; connecting again", self._dial.where, told)
            if not self._options.wait:
                self._fail(self.why)
            pause = min(self._options.max_pause, FIRST_PAUSE * 2 ** min(attempts, 20))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    def end(self) -> None:
        """The link is over; also called from another thread when its loop has ended without a word."""
        if self.over:
            return
        self.over = True
        self._broken()
        self._wishes.forget(self._control)
        self._outgoing.fail("the link was closed")
        self._layer.ended(self)

    def take_affected(self) -> list[str]:
        """Those who may have missed something and were not told; for the link that comes after."""
        affected, self._affected = self._affected, {}
        return list(affected)

    def owes(self, ids: Iterable[str]) -> None:
        """These may have missed something before this link was made."""
        self._affected.update(dict.fromkeys(ids))

    async def _try(self) -> BaseException | None:
        """One life of the connections; what broke them, or None when nobody needs them any more."""
        lines: list[dial.Line] = []
        grips: list[dial.Grip] = []
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                for kind in ("hear", "publish"):
                    line = self._dial.line(f"chanx-{kind}-{self._name}")
                    lines.append(line)
                    await line.connect()
                    grips.append(dial.Grip(line))
                    self.sockets = [grip.number for grip in grips if grip.number is not None]
            hear, publish = lines
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(self._hear(hear)), tasks.create_task(self._subscribe(hear))]
                await self._within(self._confirmed, self._options.connect_timeout, "subscriptions were not confirmed")
                beside += [tasks.create_task(self._outgoing.send(publish)), tasks.create_task(self._tell())]
                await self._watch()
                for task in beside:
                    task.cancel()
        except Exception as error:  # noqa: BLE001 - whatever it is, the link is made anew
            return _first(error)
        finally:
            self.sockets = []
            for grip in grips:
                grip.abort()
            for line in lines:
                with contextlib.suppress(Exception):
                    await line.disconnect(nowait=True)
        return None

    def _broken(self) -> bool:
        """Nothing is heard from here on; was something before?"""
        was, self.up = self.up, False
        self._outgoing.broke()
        self._needed = self._answers = 0
        self._confirmed.clear()
        self._risen.clear()
        groups, left = self._wishes.broke()
        for channel in left:  # the answer will not come
            self._layer.unheard(channel)
        self._affected.update(dict.fromkeys(self._layer.affected(groups)))
        if not self.over:  # else there may be no loop any more to wake somebody on
            self._down.set()
            self._wished.set()
        self._outgoing.lost()
        return was

    async def _mind(self) -> None:
        """While the link is down, let nobody wait for longer than he may."""
        while True:
            await self._down.wait()
            self._expire()
            await asyncio.sleep(0.1)

    def _expire(self) -> None:
        now = time.monotonic()
        self._outgoing.expire(now, self.why)
        for waiter in self._wishes.waiting():
            if waiter.deadline <= now:
                waiter.resolve(LayerUnavailable(self.why))

    def _fail(self, why: str) -> None:
        self._outgoing.fail(why)
        for waiter in self._wishes.waiting():
            waiter.resolve(LayerUnavailable(why))

    # -- its parts ----------------------------------------------------------------------------------

    async def _hear(self, line: dial.Line) -> None:
        while True:
            message: Any = await line.read_response(disable_decoding=True)
            self._received += 1
            kind = message[0]
            if kind == b"message":
                self._took(message[1], message[2])
            else:
                self._answered(message[1], kind == b"subscribe")
            if not self._received & 63:
                await asyncio.sleep(0)  # what is in the buffer already is read without a break

    def _took(self, channel: bytes, payload: bytes) -> None:
        if channel == self._control:
            if payload == self._echo:
                self._echoed.set()
            return
        try:
            publication, number = self._names.read(channel, payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refused += 1
            if self._refused in (1, 10, 100) or not self._refused % 1000:
                logger.warning("%s brought what is no packet of ours (%d so far): %s", channel, self._refused, error)
            return
        if number:
            if number in self._remembered:
                return
            self._remembered[number] = None
            if len(self._remembered) > REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        try:
            self._layer.heard(publication)
        except Exception:
            logger.exception("delivering what %s brought failed", channel)

    def _answered(self, channel: bytes, subscribed: bool) -> None:
        waiters, again = self._wishes.answered(channel, subscribed)
        for waiter in waiters:
            waiter.resolve()
        if again:
            self._wished.set()
        if not subscribed:
            self._layer.unheard(channel)
        else:
            self._answers += 1
            if self._answers >= self._needed:
                self._confirmed.set()

    async def _subscribe(self, line: dial.Line) -> None:
        while True:
            await self._wished.wait()
            self._wished.clear()
            come, go = self._wishes.changes()
            if not self._needed:
                self._needed = len(come)  # the control channel is among them
            commands = [*wire.commands(b"SUBSCRIBE", come), *wire.commands(b"UNSUBSCRIBE", go)]
            for at in range(0, len(commands), 16):
                await line.send_packed_command(commands[at : at + 16], check_health=False)

    async def _watch(self) -> None:
        """Publish to itself, and hear it in time; again and again, until nobody needs the link."""
        while not self._layer.unused():
            self._echo = secrets.token_bytes(8)
            self._echoed.clear()
            self._outgoing.put_first(Entry([wire.command(b"PUBLISH", self._control, self._echo)], None))
            await self._within(self._echoed, self._options.heartbeat_timeout, "it did not hear itself in time")
            if not self.up:
                self._came_up()
            self._layer.refill()
            await asyncio.sleep(self._options.heartbeat)

    def _came_up(self) -> None:
        self.up = True
        self._down.clear()
        if self.failed:  # also who has given out an id while nothing was heard
            self._affected.update(dict.fromkeys(self._layer.affected(())))
        if self.failed or self._affected:
            self.failed = False
            logger.warning(
                "the link to %s is up again; members that may have missed some: %d",
                self._dial.where,
                len(self._affected),
            )
        self._risen.set()

    async def _tell(self) -> None:
        """Tell of the gap, once the link is up; who is not told when it breaks again will be told after that."""
        await self._risen.wait()
        while self._affected:
            some = list(itertools.islice(self._affected, TOLD_AT_ONCE))
            for one in some:
                del self._affected[one]
            self._layer.tell(some)
            await asyncio.sleep(TOLD_EVERY)

    async def _within(self, event: asyncio.Event, timeout: float, why: str) -> None:
        """Wait for an event, for a time in which the loop runs and nothing else comes; but `PATIENCE` times that."""
        part = timeout / SLICES
        quiet = 0
        for _ in range(SLICES * PATIENCE):
            received = self._received
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(part):
                    await event.wait()
                return
            quiet += received == self._received
            if quiet >= SLICES:
                break
        raise Silent(why)


def _first(error: BaseException) -> BaseException:
    """What broke the link, where several tasks noticed."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return error  # pyright: ignore[reportUnknownVariableType]


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error) or 'no answer in time'}"
