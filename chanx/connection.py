"""One WebSocket, from the handshake to the last hook.

Rules: HANDSHAKE -> OPEN -> LEAVING -> CLOSED, never back. In HANDSHAKE nothing is written; a refusal goes
from there to CLOSED. LEAVING begins when either side has ended the connection: its groups are left at
once, what the client had sent before is still handled for `Limits.linger`. Hooks and dependencies end
in the way from LEAVING to CLOSED, shielded, whatever the reason.

The server's own task reads and handles, so that the common message needs no task, lock or timer. The
runtime's tick looks at connections that stay suspended and starts a background reader for them.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import secrets
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from chanx import _lifecycle, _runtime
from chanx._ahead import ReadAhead, Received
from chanx._handshake import open_socket
from chanx._inbox import Inbox
from chanx._outbox import Outbox
from chanx._scoped import Scoped
from chanx._serving import handle_event, serve
from chanx.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from chanx._lifecycle import Ending
    from chanx._service import Service
    from chanx.groups.layer import Publication

logger = logging.getLogger("chanx")

_PROCESS = secrets.token_hex(6)
_numbers = itertools.count(1)


class State(Enum):
    """Where a connection is in its life; see the rules at the top of the file."""

    HANDSHAKE = 0
    OPEN = 1
    LEAVING = 2
    CLOSED = 3


class Connection(Scoped):
    """One accepted, or not yet accepted, WebSocket. Made and run by the channel's ASGI entry."""

    __slots__ = (
        *("_ahead", "_context", "inbox", "_receive", "_seen", "_seen_writing", "_serving"),
        *("_strikes", "_strikes_since", "_stuck", "close_code", "close_reason", "closing", "endings"),
        *("groups", "left_groups", "outbox", "read", "running", "state", "subprotocol", "watched"),
    )

    def __init__(self, service: Service, scope: Any, receive: Any, send: Any) -> None:
        super().__init__(service, scope)
        self._receive = receive
        self.read = receive
        self.id = f"{_PROCESS}-{next(_numbers)}"
        self.home = _runtime.current()
        self.state = State.HANDSHAKE
        self._context = contextvars.copy_context()
        self.outbox = Outbox(send, self.home, service.limits, self._context, self.broke, self.watch)
        self.groups: set[str] = set()
        self.left_groups: set[str] = set()
        self.endings: list[Ending] = []
        self.subprotocol: str | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self.closing = False
        self.running: Any = None
        self.watched = False
        self._ahead: ReadAhead | None = None
        self.inbox: Inbox | None = None
        self._serving = anyio.CancelScope()
        self._seen: Any = None
        self._seen_writing: str | None = None
        self._stuck: _runtime.Cancel | None = None
        self._strikes = 0
        self._strikes_since = 0.0

    # -- life ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """From `websocket.connect` to the last hook."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        counters = self.service.counters
        counters.connections += 1
        self.home.connections.add(self)
        self.service.layer.members.add(self)
        ended_by: BaseException | None = None
        try:
            try:
                if await open_socket(self):
                    with self._serving:
                        await serve(self)
                        await self._settle()
                    if self._serving.cancelled_caught and self._handling:
                        counters.cancelled += 1
                        logger.warning("connection %s: a handler ran on after the end and was cancelled", self.id)
            except BaseException as error:  # noqa: BLE001 - raised again below, when the hooks have run
                ended_by = error
            ended_by = await self._end() or ended_by
        finally:
            counters.connections -= 1
            self.home.connections.discard(self)
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

    async def _settle(self) -> None:
        """Before the hooks end: event handlers finish, and a close that we began is written."""
        if self.inbox is not None:
            await self.inbox.finished()
        if self.closing:
            await self.outbox.drained()

    async def _end(self) -> BaseException | None:
        """Run the last hooks and let go of everything; returns a cancellation that came up meanwhile."""
        self.depart(1006)
        try:
            if self.inbox is not None and not self.inbox.idle:
                deadline = self.home.time() + self.service.limits.cleanup
                with anyio.CancelScope(shield=True, deadline=deadline):
                    self.inbox.cancel()
                    await self.inbox.finished()
            return await _lifecycle.leave(self) if self.endings else None
        finally:
            self.state = State.CLOSED
            self.outbox.abandon()
            if self._ahead is not None:
                self._ahead.stop()
            if self._stuck is not None:
                self._stuck()
            self.service.layer.members.remove(self)

    @property
    def _handling(self) -> bool:
        """Is a handler of a message or an event running?"""
        return self.running is not None or not (self.inbox is None or self.inbox.idle)

    # -- reading ------------------------------------------------------------------------------------

    def _read_ahead(self) -> None:
        """A handler stays suspended: let a background task read, so that a leaving client is seen."""
        if self.state is State.OPEN:
            if self._ahead is None:
                self._ahead = ReadAhead(self._receive, self.home, self.service.limits, self._context, self.gone)
                self.read = self._read_queued
            self._ahead.start()

    async def _read_queued(self) -> Received:
        assert self._ahead is not None
        event = await self._ahead.next()
        if self._ahead.idle and not self.closing:
            self._ahead = None
            self.read = self._receive
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

    async def send_text(self, text: str) -> None:
        """Send a frame, or wait for room in the outbox.

        Raises:
            ConnectionClosed: nothing more can be sent, or there was no room in time.
        """
        self.watch()
        try:
            await self.outbox.put(text)
        except TimeoutError:
            self._overloaded("its outbox had no room for an answer")
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
        limits = self.service.limits
        self._serving.deadline = self.home.time() + (limits.cleanup if now else limits.linger)
        return dropped

    # -- groups -------------------------------------------------------------------------------------

    async def join(self, group: str) -> None:
        """Become a member; returns when the layer has confirmed."""
        if self.state not in (State.HANDSHAKE, State.OPEN):
            raise ConnectionClosed(self.close_code, self.close_reason)
        layer = self.service.layer
        first = group not in self.groups
        if first:
            self.groups.add(group)
            layer.members.join(group, self)
        try:
            await layer.subscribe(group)  # also when another task of the connection has asked and still waits
        except BaseException:
            if first:
                self.leave(group)
            raise
        if self.state not in (State.HANDSHAKE, State.OPEN):
            raise ConnectionClosed(self.close_code, self.close_reason)

    def leave(self, group: str) -> None:
        """End a membership, if there is one."""
        if group in self.groups:
            self.groups.discard(group)
            layer = self.service.layer
            if layer.members.leave(group, self):
                try:
                    layer.unsubscribe(group)
                except Exception as error:  # noqa: BLE001 - the other groups must be left all the same
                    self.report(f"unsubscribing from {group!r}", error)

    async def publish(self, publication: Publication, message: Any) -> None:
        """Hand a publication to the layer."""
        layer = self.service.layer
        for observe in layer.members.observers:
            observe(message, publication)
        await layer.publish(publication)

    def push(self, publication: Publication) -> None:
        """Queue a publication for the client or for its event handler; never waits, never raises."""
        if self.state not in (State.HANDSHAKE, State.OPEN):
            return
        if publication.event is None:
            if not self.outbox.push(publication.body):
                self._overloaded("its outbox is full")
            return
        event = self.plan.events.get(publication.event)
        if event is None:
            self.service.counters.events_skipped += 1
            return
        if self.inbox is None:
            self.inbox = Inbox(partial(handle_event, self), self.home, self.service.limits, self._context)
            if self.state is State.OPEN:
                self.inbox.start()
        if not self.inbox.push(event, publication):
            self._overloaded("its inbox of events is full")

    # -- what ends it -------------------------------------------------------------------------------

    def gone(self, event: Received) -> None:
        """The client has left; `event` is `websocket.disconnect`."""
        if not self.closing:
            self.depart(event.get("code", 1005), event.get("reason") or "")
            self.outbox.shut()
        self.cancel_waiting()
        if self._handling:
            self._linger()

    def _linger(self) -> None:
        self._serving.deadline = min(self._serving.deadline, self.home.time() + self.service.limits.linger)

    def broke(self, error: Exception) -> None:
        """The server could not send, or could not be read from."""
        if self.state is State.OPEN and not isinstance(error, OSError):
            logger.info("connection %s broke: %r", self.id, error)
        self._linger()  # also without a handler: the server may never say that the client has left
        self.gone({"code": 1006})

    def depart(self, code: int, reason: str = "") -> None:
        """Leave all groups at once, in whatever state the connection is."""
        if self.state in (State.LEAVING, State.CLOSED):
            return
        self.state = State.LEAVING
        self.close_code = code
        self.close_reason = reason
        self.left_groups = set(self.groups)
        for group in self.left_groups:
            self.leave(group)
        if self.inbox is not None:
            self.inbox.clear()

    def _overloaded(self, why: str) -> None:
        """The client is too slow: say so and close, dropping what waits for it."""
        if self.closing:
            return
        counters = self.service.counters
        counters.slow_closed += 1
        waiting = self.inbox.clear() if self.inbox is not None else 0
        dropped = self.close(1013, "too slow", now=True) + waiting + 1
        counters.frames_dropped += dropped
        logger.warning(
            "connection %s (groups %s): %s; closed with 1013, %d frames dropped",
            self.id, ", ".join(sorted(self.left_groups)) or "none", why, dropped,
        )  # fmt: skip

    # -- the runtime's tick -------------------------------------------------------------------------

    def watch(self) -> None:
        """Have the runtime look at this connection while it is busy."""
        if not self.watched:
            self.watched = not self.closing  # never set while closing: `serve` then looks at that too
            self.home.watch(self)

    def tick(self) -> bool:
        """Find a handler or a send that has been suspended since the last look."""
        again = False
        running, writing = self.running, self.outbox.busy
        if running is not None and running is self._seen:
            self._read_ahead()
        elif running is not None:
            again = True
        self._seen = running if again else None
        if writing is None:
            self._seen_writing = None
        elif writing is not self._seen_writing:
            self._seen_writing = writing
            again = True
        elif self._stuck is None:
            self._stuck = self.home.later(self.service.limits.send_timeout, partial(self._check_stuck, writing))
        self.watched = again and not self.closing
        return again

    def _check_stuck(self, writing: str) -> None:
        self._stuck = None
        if self.outbox.writing is writing:
            self._overloaded("a frame could not be written in time")
        elif self.outbox.busy is not None:
            self.watch()  # a later frame is under way; it gets its own time

    @property
    def idle(self) -> bool:
        """Nothing is running, queued or being written."""
        return (
            self.state is State.OPEN
            and self.running is None
            and (self._ahead is None or self._ahead.empty)
            and self.outbox.busy is None
            and (self.inbox is None or self.inbox.idle)
        )


async def _read_nothing() -> Received:
    """What a connection reads once the server has closed it."""
    return {"type": "websocket.disconnect", "code": 1000, "reason": ""}
