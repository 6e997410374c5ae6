"""Closing all connections of a channel in this process, spread out, within a time that is known beforehand.

Rules: the gate is closed before anybody looks who is there, so nobody comes in unseen. Only a connection's
own loop touches it. Half of the time is for asking the connections to end, one batch after the other; what
has not ended when only the time of the hooks is left is cancelled; at the end nothing is waited for.
"""

from __future__ import annotations

import contextvars
import logging
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio

from chanx import _runtime
from chanx.types import Drained, may_be_sent

if TYPE_CHECKING:
    from chanx.connection import Connection

logger = logging.getLogger("chanx")


#: So long a loop that was stuck has to write the close before its connections are cut, in seconds.
MOMENT = 0.1


class Drain:
    """One drain of one channel; whoever asks for another joins it.

    Args:
        name: of the channel.
        everyone: the connections that it serves now, on all loops.
        cleanup: `Limits.cleanup` of the channel.
        options: those of `Channel.drain`.

    Raises:
        ValueError: an option is wrong.
    """

    def __init__(
        self, name: str, everyone: Callable[[], list[Connection]], cleanup: float, options: dict[str, Any]
    ) -> None:
        check(**options)
        self.reason: str = options["reason"]
        self._name = name
        self._everyone = everyone
        self._options = options
        self._timeout: float = options["timeout"]
        self._cut_after = self._timeout - min(cleanup, self._timeout / 2)
        self._home = _runtime.current()
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        self._closed = self._cut = 0
        self._empty = anyio.Event()
        self._waiters: list[tuple[_runtime.Runtime, anyio.Event]] = []
        self.over = False

    def start(self) -> None:
        """Begin, in a task of its own: who asked for it may be cancelled, the drain goes on."""
        self._home.spawn(self._run, context=contextvars.copy_context())

    async def result(self) -> Drained:
        """Wait for the end, on any loop."""
        done = anyio.Event()
        with self._lock:
            waits = not self.over
            if waits:
                self._waiters.append((_runtime.current(), done))
        if waits:
            with anyio.move_on_after(self._timeout + 1):  # the loop of the drain may have ended
                await done.wait()
        with self._lock:
            return Drained(closed=self._closed, cut=self._cut + len(self._open))

    def ended(self, connection: Connection) -> None:
        """A connection has ended; called on its own loop."""
        with self._lock:
            if connection not in self._open:
                return
            self._open.discard(connection)
            if connection.cut:
                self._cut += 1
            else:
                self._closed += 1
            last = not self._open
        if last:
            self._home.post(self._empty.set)

    async def _run(self) -> None:
        start = self._home.time()
        with self._lock:  # one that ends meanwhile waits in `ended` until it is known here
            connections = self._everyone()
            self._open.update(connections)
        logger.info("draining %s: %d connections", self._name, len(connections))
        try:
            with anyio.move_on_after(self._timeout):
                with anyio.CancelScope(deadline=start + self._cut_after):
                    await self._close(connections)
                    await self._all_ended()
                self._for_each(tuple(self._open), _cut)
                await self._all_ended()
        finally:
            with self._lock:
                self.over = True
                waiters, self._waiters = self._waiters, []
                left = len(self._open)
            for home, done in waiters:
                home.post(done.set)
        told = logger.warning if self._cut or left else logger.info
        told("drained %s: %d connections closed, %d cut, %d not ended yet", self._name, self._closed, self._cut, left)

    async def _close(self, connections: list[Connection]) -> None:
        interval: float = self._options["interval"]
        # in larger batches where these would take more than half of the time
        batch = max(self._options["batch"], math.ceil(len(connections) * interval / (self._timeout / 2)))
        for start in range(0, len(connections), batch):
            if start:
                await anyio.sleep(interval)
            if not self._open:  # they left by themselves
                return
            self._for_each(connections[start : start + batch], _close, self._options["code"], self.reason)

    def _for_each(self, connections: list[Connection] | tuple[Connection, ...], do: Any, *args: Any) -> None:
        for connection in connections:
            if not connection.home.post(do, connection, *args):  # its loop has ended, and nothing of it can run
                connection.cut = True
                self.ended(connection)

    async def _all_ended(self) -> None:
        while True:
            with self._lock:
                if not self._open:
                    return
            await self._empty.wait()


def check(*, batch: Any, interval: Any, code: Any, reason: Any, timeout: Any) -> None:
    """Refuse wrong options.

    Raises:
        ValueError: with the option's name and what it may be.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ValueError(f"batch={batch!r}: give how many connections are closed at once, at least 1")
    for name, value, least in (("interval", interval, 0), ("timeout", timeout, 0.001)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < math.inf:
            raise ValueError(f"{name}={value!r}: give a finite number of seconds, at least {least}")
    if not may_be_sent(code):
        raise ValueError(f"code={code!r}: give a close code that may be sent, such as 1012, or 3000 to 4999")
    if not isinstance(reason, str):  # one type of error for all of them
        raise ValueError(f"reason={reason!r}: give a string")  # noqa: TRY004


def _close(connection: Connection, code: int, reason: str) -> None:
    try:
        connection.close(code, reason)
    except Exception:  # on trio nothing may be raised here
        logger.exception("closing connection %s failed", connection.id)


def _cut(connection: Connection) -> None:
    connection.stop_serving(MOMENT)
