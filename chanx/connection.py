"""One WebSocket, from the handshake to the last hook.

Rules: HANDSHAKE -> OPEN -> LEAVING -> CLOSED, never back. In HANDSHAKE nothing is written; a refusal goes
from there to CLOSED. LEAVING begins when either side has ended the connection: its groups are left at
once, what the client had sent before is still handled for `Limits.linger`. Hooks and dependencies end
in the way from LEAVING to CLOSED, shielded, whatever the reason.

The server's own task reads and handles, so that the common message needs no task, lock or timer. The
runtime's tick looks at connections that stay suspended and starts a background reader for them.
"""

from __future__ import annotations

import itertools
import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from chanx import _lifecycle, _process, _runtime
from chanx._ahead import ReadAhead, Received
from chanx._control import sift, streams
from chanx._handshake import open_socket
from chanx._outbox import Outbox
from chanx._room import Room
from chanx._runs import Runs
from chanx._serving import begin, serve, settle, stop_beside
from chanx._silence import Silence
from chanx._states import State
from chanx._suspended import Suspended
from chanx.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chanx._dispatch import Control
    from chanx._lifecycle import Ending
    from chanx._service import Service
    from chanx._states import Beside

logger = logging.getLogger("chanx")

_numbers = itertools.count(1)
_NO_ENDINGS: list[Ending] = []  # `_lifecycle.enter` replaces it before anything is put into it


class Connection(Suspended):
    """One accepted, or not yet accepted, WebSocket. Made and run by the channel's ASGI entry.

    Attributes:
        topic: of a subscription, which is a connection within another one.
    """

    __slots__ = (
        *("_strikes", "_strikes_since", "ahead", "close_code", "close_reason", "cut", "endings", "ends_at", "outbox"),
        *("read", "reading", "receive", "ref", "runs", "silence", "subprotocol", "term", "waiting"),
    )

    topic: str | None = None

    def __init__(self, service: Service, scope: Any, receive: Any, send: Any) -> None:
        Suspended.__init__(self, service, scope)  # `super()` takes three times as long
        self.id = f"{_process.identity}-{next(_numbers)}"
        self.home = _runtime.current()
        self.silence: Silence | None = None
        if service.limits.heartbeat is not None or service.limits.idle is not None:
            self.silence = Silence(self, receive)
            receive = self.silence.receive
        self.receive = receive
        self.read = receive
        self.outbox = Outbox(send, self)
        self.endings: list[Ending] = _NO_ENDINGS
        self.subprotocol: str | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self.cut = self.reading = False
        self.ref = ""
        self.ahead: ReadAhead | None = None
        self.runs: Runs | None = None
        if self.plan.queued:
            self.queue_frames()
        self.ends_at = math.inf
        self.term: _runtime.Term | anyio.CancelScope | None = None
        self.waiting: Any = None
        self._strikes = 0
        self._strikes_since = 0.0

    # -- life ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """From `websocket.connect` to the last hook."""
        if (await self.receive())["type"] != "websocket.connect":
            return
        counters = self.service.counters
        counters.connections += 1
        self.home.connections.add(self)
        self.service.layer.members.add(self)
        ended_by: BaseException | None = None
        try:
            try:
                if await open_socket(self):
                    cut = False
                    if await begin(self):
                        self.term = scope = anyio.CancelScope(deadline=self.ends_at)
                        self.reading = True
                        with scope:
                            await serve(self)
                        cut = scope.cancelled_caught and self.running is not None
                    self.reading = False
                    if self.closing or self.unfinished:
                        self.term = scope = anyio.CancelScope(deadline=self.ends_at)
                        with scope:
                            await settle(self)
                        cut = cut or scope.cancelled_caught
                    if cut:
                        self.was_cut()
            except BaseException as error:  # noqa: BLE001 - raised again below, when the hooks have run
                ended_by = error
            if self.state is not State.LEAVING:
                self.depart(1006)
            if self.unfinished:
                ended_by = await stop_beside(self) or ended_by
            if self.endings:
                ended_by = await _lifecycle.leave(self) or ended_by
        finally:
            counters.connections -= 1
            self._let_go()
        if ended_by is not None:
            await self.home.raise_unless_over(ended_by)

    def opened(self) -> None:
        """The socket is accepted: what waited for that goes on its way."""
        self.service.counters.accepted += 1
        if self.state is State.HANDSHAKE:
            self.state = State.OPEN
        self.outbox.release()
        if self.inbox is not None:
            self.inbox.start()
        if self.silence is not None:
            self.silence.begin()

    def _let_go(self) -> None:
        self.state = State.CLOSED
        self.outbox.abandon()
        if self.ahead is not None:
            self.ahead.stop()
        self.unwatch()
        if self.silence is not None:
            self.silence.end()
        self.service.layer.members.remove(self)
        self.home.connections.discard(self)
        if self.service.gate.drain is not None:
            self.service.gate.drain.ended(self)

    def stop_serving(self, moment: float) -> None:
        """Wait no longer than a moment: what still runs is cancelled then, and the hooks have their time."""
        self._end_by(min(self.ends_at, self.home.time() + moment))

    def was_cut(self) -> None:
        """Its time is over: count and tell which handlers of its own are cancelled, once."""
        before, self.cut = (
            self.cut,
            self.cut or self.handling or bool(self.outbox.waiting) or self.outbox.busy is not None,
        )
        if not before and (self.running is not None or self._beside):
            self.service.counters.cancelled += 1
            logger.warning("connection %s: a handler ran on after the end and was cancelled", self.id)

    @property
    def _beside(self) -> bool:
        """Does a handler run, or wait to run, beside the serial messages?"""
        return not ((self.inbox is None or self.inbox.idle) and (self.runs is None or self.runs.idle))

    @property
    def unfinished(self) -> bool:
        """Is there something that ends before the hooks do?"""
        return self._beside

    def beside(self) -> list[Beside]:
        """What ends before the hooks do."""
        return [one for one in (self.inbox, self.runs) if one is not None]

    @property
    def handling(self) -> bool:
        """Is a handler of a message or an event running?"""
        return self.running is not None or self._beside

    def made_runs(self) -> Runs:
        """What runs otherwise than by a plain call; made when it is needed."""
        if self.runs is None:
            self.runs = Runs(self, Room(self.service.limits))
        return self.runs

    def in_flight(self, ref: str) -> bool:
        """Has a message with this ref, as JSON, no answer yet?"""
        return ref == self.ref or (self.runs is not None and ref in self.runs.refs)

    # -- reading ------------------------------------------------------------------------------------

    def read_ahead(self) -> None:
        """A handler stays suspended: let a background task read, so that a leaving client is seen."""
        if self.state is State.OPEN:
            self.queue_frames().start()

    def queue_frames(self) -> ReadAhead:
        """Let every frame pass a queue from now on; made when it is needed."""
        if self.ahead is None:
            self.ahead = ReadAhead(
                self.receive,
                self.home,
                Room(self.service.limits),
                self.variables,
                sift=self.sifting(),
                gone=self.gone,
                stuck=self.stuck_reading,
                streams=partial(streams, self),
                stays=self.plan.queued,
            )
            self.read = self._read_queued
        return self.ahead

    def sifting(self) -> Callable[[Received], Awaitable[tuple[str, Control | None] | None]]:
        """What looks at frames that are read ahead."""
        return partial(sift, self)

    def stuck_reading(self) -> None:
        """So much waits that nothing more is read."""
        if self.asks is not None:
            self.asks.overloaded()

    async def _read_queued(self) -> Received:
        assert self.ahead is not None
        event = await self.ahead.next()
        if self.ahead.idle and not self.closing:
            self.ahead = None
            self.read = self.receive
        return event

    def strike(self) -> bool:
        """Count a frame that could not be read; False when it was one too many, and the connection closes."""
        limits = self.service.limits
        self.service.counters.bad_frames += 1
        self._strikes += 1
        if 1 < self._strikes <= limits.strikes:
            return True
        now = self.home.time()
        if self._strikes > 1 and now - self._strikes_since > limits.strikes_window:
            self._strikes = 1
        if self._strikes == 1:
            self._strikes_since = now
        if self._strikes > limits.strikes:
            self.close(1008, "too many bad frames")
            return False
        return True

    # -- sending and closing ------------------------------------------------------------------------

    async def send_text(self, text: str, more: bool = False) -> None:
        """Send a frame, or wait for room in the outbox; see `Outbox.put`.

        Raises:
            ConnectionClosed: nothing more can be sent, or there was no room in time.
        """
        self.watch()
        try:
            await self.outbox.put(text, more)
        except TimeoutError:
            self.overloaded("its outbox had no room for an answer")
            raise ConnectionClosed(1013, "too slow") from None
        except ConnectionClosed:
            raise ConnectionClosed(self.close_code, self.close_reason) from None

    def close(self, code: int, reason: str, *, now: bool = False) -> int:
        """Begin to close: what waits is sent (or dropped, `now`), then the close frame; nothing more is handled.

        Returns how many frames were dropped.
        """
        if self.closing or self.outbox.closed:
            return 0
        self.closing = True
        self.watched = False
        self.read = _read_nothing
        dropped = self.outbox.close(code, reason, now=now)
        self.depart(code, reason)
        self._end_conversation()
        if self.runs is not None:
            self.runs.clear()
        limits = self.service.limits
        self._end_by(self.home.time() + (limits.cleanup if now else limits.linger))
        self.home.later(_runtime.TICK, self._stop_reading)
        return dropped

    def _stop_reading(self) -> None:
        """Nothing more is handled, so nobody need wait for it; Granian sends no close frame while somebody does."""
        if self.ahead is not None:
            self.ahead.stop()
        if self.running is None and self.reading and self.term is not None:  # else it goes on to read nothing
            self.term.cancel()

    # -- what ends it -------------------------------------------------------------------------------

    def gone(self, event: Received) -> None:
        """The client has left; `event` is `websocket.disconnect`."""
        if not self.closing:
            self.depart(event.get("code", 1005), event.get("reason") or "")
            self.outbox.shut()
        self.left = True
        self._end_conversation()
        if self.ahead is not None or self.handling:  # what waits there is still handled
            self._linger()

    def _end_conversation(self) -> None:
        """Nothing can be said any more: what lives of that ends."""
        if self.asks is not None:
            self.asks.closed()
        if self.runs is not None:
            self.runs.left()
        if self.ahead is not None:
            self.ahead.wake()

    def _linger(self) -> None:
        self._end_by(min(self.ends_at, self.home.time() + self.service.limits.linger))

    def _end_by(self, deadline: float) -> None:
        """Have the connection's task end what it does at a time of the loop's clock."""
        self.ends_at = deadline
        if self.term is not None:
            self.term.deadline = deadline
        elif self.waiting is not None:
            self.term = _runtime.Term(self.waiting, deadline)

    def broke(self, error: Exception) -> None:
        """The server could not send, or could not be read from."""
        if self.state is State.OPEN and not isinstance(error, OSError):
            logger.info("connection %s broke: %r", self.id, error)
        self._linger()  # also without a handler: the server may never say that the client has left
        self.gone({"type": "websocket.disconnect", "code": 1006})

    def depart(self, code: int, reason: str = "") -> None:
        """Leave all groups at once, in whatever state the connection is."""
        state = self.state
        if state is State.LEAVING or state is State.CLOSED:
            return
        self.state = State.LEAVING
        self.close_code = code
        self.close_reason = reason
        if self.groups:
            self.left_groups = set(self.groups)
            for group in self.left_groups:
                self.leave(group)
        if self.inbox is not None:
            self.inbox.clear()
        if self.serial is not None:
            self.serial.clear()

    def overloaded(self, why: str) -> None:
        """The client is too slow: say so and close, dropping what waits for it."""
        if self.closing:
            return
        counters = self.service.counters
        counters.slow_closed += 1
        waiting = sum(inbox.clear() for inbox in (self.inbox, self.serial) if inbox is not None)
        dropped = self.close(1013, "too slow", now=True) + waiting + 1
        counters.frames_dropped += dropped
        logger.warning(
            "connection %s (groups %s): %s; closed with 1013, %d frames dropped",
            self.id, ", ".join(sorted(self.left_groups)) or "none", why, dropped,
        )  # fmt: skip

    @property
    def idle(self) -> bool:
        """Nothing is running, queued or being written."""
        return (
            self.state is State.OPEN
            and self.running is None
            and (self.ahead is None or self.ahead.empty)
            and self.outbox.busy is None
            and (self.serial is None or self.serial.idle)
            and not self._beside
        )


async def _read_nothing() -> Received:
    """What a connection reads once the server has closed it."""
    return {"type": "websocket.disconnect", "code": 1000, "reason": ""}
