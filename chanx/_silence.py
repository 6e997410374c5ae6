"""Clients that say nothing: asked for a sign of life, and closed when they are gone or have been idle for long.

Rules: any frame is a sign of life; a message, not a heartbeat, is what keeps a connection from being idle. A frame
sets times and touches no timer: one timer per event loop looks at the connection whose time comes next, which
then tells when to look again. While nobody waits for a frame, silence is the server's own doing.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from chanx import _frames
from chanx._states import State
from chanx.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from chanx._runtime import Cancel, Runtime
    from chanx.connection import Connection

logger = logging.getLogger("chanx")

#: So many connections that are over may stand among those that are looked at, beside as many as live.
_FEW = 64


class Silence:
    """How long one client has been silent; only where `Limits.heartbeat` or `Limits.idle` is set.

    Args:
        connection: whose client it is.
        receive: the server's ASGI `receive`.
    """

    __slots__ = (
        *("_asked", "_asking", "_before", "_busy", "_connection", "_heard", "_listening", "_number"),
        *("_receive", "_spoke", "_time", "over"),
    )

    def __init__(self, connection: Connection, receive: Callable[[], Awaitable[Any]]) -> None:
        self._connection = connection
        self._receive = receive
        self._time = connection.home.time
        self._heard = self._spoke = self._before = self._busy = self._time()
        self._asked = 0.0
        self._asking: Cancel | None = None
        self._number = 0
        self._listening = False
        self.over = True

    async def receive(self) -> Any:
        """What the server received, noting when."""
        self._listening = True
        event = await self._receive()
        self._listening = False
        self._before = self._spoke
        self._heard = self._spoke = self._time()
        return event

    def beat(self) -> None:
        """What was received last is a heartbeat: a sign of life, but no message."""
        self._spoke = self._before

    def begin(self) -> None:
        """The connection is open."""
        now = self._time()
        self._heard = self._spoke = self._before = now
        home = self._connection.home
        self.over = False
        home.silences = home.silences or Silences(home)
        home.silences.add(self, now)

    def end(self) -> None:
        """The connection is over."""
        if not self.over:
            self.over = True
            if self._asking is not None:  # the server may never take the frame
                self._asking()
            silences = self._connection.home.silences
            if silences is not None:
                silences.discard()

    def look(self, now: float) -> float | None:
        """Do what is due; returns when to look again, None where the connection ends."""
        if self._connection.state is not State.OPEN:
            return None
        limits = self._connection.service.limits
        again: list[float] = []
        if limits.heartbeat is not None:
            next_beat = self._beat(now, limits.heartbeat, limits.heartbeat_timeout)
            if next_beat is None:
                return None
            again.append(next_beat)
        if limits.idle is not None:
            next_idle = self._idle(now, limits.idle)
            if next_idle is None:
                return None
            again.append(next_idle)
        return min(again)

    def _beat(self, now: float, heartbeat: float, timeout: float) -> float | None:
        if not self._listening:
            return now + timeout
        if self._asked <= self._heard:
            if now < self._heard + heartbeat:
                return self._heard + heartbeat
            self._asked = now
            self._number += 1
            connection = self._connection
            self._asking = connection.home.spawn(self._ask, context=connection.variables)
        elif now >= self._asked + timeout:
            self._timed_out()
            return None
        return self._asked + timeout

    async def _ask(self) -> None:
        connection = self._connection
        with contextlib.suppress(ConnectionClosed):
            await connection.send_text(_frames.heartbeat(connection.plan, self._number))

    def _timed_out(self) -> None:
        connection = self._connection
        counters = connection.service.counters
        counters.timed_out += 1
        dropped = connection.close(1011, "no heartbeat", now=True)
        counters.frames_dropped += dropped
        logger.info("connection %s gave no sign of life; closed with 1011, %d frames dropped", connection.id, dropped)

    def _idle(self, now: float, idle: float) -> float | None:
        if self._connection.handling:
            self._busy = now
            return now + idle / 8
        due = max(self._spoke, self._busy) + idle
        if now < due:
            return due
        self._connection.close(1000, "idle")
        return None


class Silences:
    """The connections of one event loop whose silence is looked at, and the one timer for them."""

    __slots__ = ("_cancel", "_due", "_live", "_numbers", "_runtime", "_timed")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._due: list[tuple[float, int, Silence]] = []
        self._numbers = itertools.count()
        self._live = 0
        self._timed = 0.0
        self._cancel: Cancel | None = None

    @property
    def idle(self) -> bool:
        """Nobody is looked at, and no timer runs."""
        return not self._due and self._cancel is None

    def add(self, silence: Silence, due: float) -> None:
        """Look at one more."""
        self._live += 1
        self._push(silence, due)
        self._set_timer()

    def discard(self) -> None:
        """One is over; its place is cleared when its time comes, when it was the last, or with many others."""
        self._live -= 1
        if not self._live:
            self._due.clear()
            self._stop_timer()
        elif len(self._due) > 2 * self._live + _FEW:  # their times may come in a day, and each keeps its connection
            self._due = [one for one in self._due if not one[2].over]
            heapq.heapify(self._due)

    def _push(self, silence: Silence, due: float) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), silence))

    def _stop_timer(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _set_timer(self) -> None:
        if not self._due or (self._cancel is not None and self._timed <= self._due[0][0]):
            return
        self._stop_timer()
        self._timed = self._due[0][0]
        self._cancel = self._runtime.later(max(0.0, self._timed - self._runtime.time()), self._ring)

    def _ring(self) -> None:
        self._cancel = None
        now = self._runtime.time()
        while self._due and self._due[0][0] <= now:
            silence = heapq.heappop(self._due)[2]
            try:
                again = None if silence.over else silence.look(now)
            except Exception:
                logger.exception("looking at a silent connection failed")
                again = None
            if again is not None:
                self._push(silence, again)
        self._set_timer()
