"""One WebSocket, from the handshake to the last hook.

Rules: HANDSHAKE -> OPEN -> LEAVING -> CLOSED, never back. In HANDSHAKE nothing is written; a refusal goes
from there to CLOSED. LEAVING begins when either side has ended the connection: its groups are left at
once, what the client had sent before is still handled for `Limits.linger`. Hooks and dependencies end
in the way from LEAVING to CLOSED, shielded, whatever the reason.

The server's own task reads and handles, so that the common message needs no task, lock or timer. The
runtime's tick looks at connections that stay suspended and starts a background reader for them.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from chanx import _dispatch, _handshake, _lifecycle, _runtime
from chanx._ahead import ReadAhead, Received
from chanx._dispatch import BadFrame
from chanx._inbox import Inbox
from chanx._outbox import HELD, Outbox
from chanx._plan import Event, Handler, Plan
from chanx._values import MISSING
from chanx.context import Context
from chanx.exceptions import ConnectionClosed, Reject

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


class Connection:
    """One accepted, or not yet accepted, WebSocket. Made and run by the channel's ASGI entry."""

    __slots__ = (
        *("_ahead", "_cancellable", "_closing", "_context", "_contexts", "_http", "_inbox", "_life", "_lock"),
        *("_receive", "_running", "_seen", "_seen_writing", "_serving", "_service", "_strikes", "_strikes_since"),
        *("_stuck", "_unanswered", "_watched", "close_code", "close_reason", "ctx", "endings", "entered", "entered_stack", "groups"),
        *("home", "http", "id", "left_groups", "outbox", "plan", "scope", "state", "subprotocol", "values"),
    )

    def __init__(self, service: Service, scope: Any, receive: Any, send: Any) -> None:
        self._service = service
        self._receive = receive
        self.plan: Plan = service.plan
        self.scope = scope
        self.id = f"{_PROCESS}-{next(_numbers)}"
        self.home = _runtime.current()
        self.state = State.HANDSHAKE
        self.outbox = Outbox(send, self.home, service.limits, self._broke, self.watch)
        self.values: list[Any] = [MISSING] * len(service.plan.slots)
        self.groups: set[str] = set()
        self.left_groups: set[str] = set()
        self.endings: list[Ending] = []
        self.entered_stack: contextlib.AsyncExitStack | None = None
        self.entered = False
        self.subprotocol: str | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self._http: HTTPConnection | None = None
        self.http: Any = self.handshake() if service.plan.uses_http else None
        self._context = contextvars.copy_context()
        self._contexts: dict[int, Context[Any]] = {}
        self._ahead: ReadAhead | None = None
        self._inbox: Inbox | None = None
        self._lock: anyio.Lock | None = None
        self._cancellable: set[anyio.CancelScope] = set()
        self._life = anyio.CancelScope()
        self._serving = anyio.CancelScope()
        self._unanswered = True
        self._closing = False
        self._running: Any = None
        self._seen: Any = None
        self._seen_writing: str | None = None
        self._stuck: _runtime.Cancel | None = None
        self._watched = False
        self._strikes = 0
        self._strikes_since = 0.0

    # -- life ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """From `websocket.connect` to the last hook."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        counters = self._service.counters
        counters.connections += 1
        self.home.connections.add(self)
        self._service.layer.members.add(self)
        try:
            with self._life:
                try:
                    if await self._open():
                        with self._serving:
                            await self._serve()
                            await self._settle()
                        if self._serving.cancelled_caught and self._running is not None:
                            counters.cancelled += 1
                            logger.warning("connection %s: its handler outlived the client and was cancelled", self.id)
                finally:
                    await self._end()
            if self._life.cancelled_caught:
                await self._overran()
        finally:
            counters.connections -= 1
            self.home.connections.discard(self)

    async def _open(self) -> bool:
        """The handshake; True when the socket is accepted."""
        service = self._service
        plan = self.plan
        try:
            if not _handshake.origin_allowed(self.scope, service.allowed_origins):
                raise Reject(403, "this origin is not allowed")
            self.subprotocol = _handshake.subprotocol(self.scope, service.subprotocols)
            self.ctx = self.context(0)
            if plan.eager or plan.hooks:
                self._life.deadline = self.home.time() + service.limits.connect_timeout
                await _lifecycle.enter(self)
                self._life.deadline = float("inf")
        except HTTPException as refusal:
            await self._refuse(refusal)
            return False
        except Exception as error:  # noqa: BLE001 - a broken hook refuses its connection, not the server
            self.report("on_connect", error)
            await self._refuse(Reject(500, "internal error"))
            return False
        try:
            await self.outbox.send({"type": "websocket.accept", "subprotocol": self.subprotocol, "headers": []})
        except Exception as error:  # noqa: BLE001 - the client left during the handshake
            self._broke(error)
            return False
        self._unanswered = False
        service.counters.accepted += 1
        if self.state is State.HANDSHAKE:
            self.state = State.OPEN
        self.outbox.release()
        if self._inbox is not None:
            self._inbox.start()
        return True

    async def _refuse(self, refusal: HTTPException) -> None:
        self._unanswered = False
        self._service.counters.refused += 1
        self._depart(4000 + refusal.status_code, str(refusal.detail))
        with contextlib.suppress(OSError):
            await _handshake.refuse(
                self.scope,
                self.outbox.send,
                refusal.status_code,
                str(refusal.detail),
                refusal.headers,
                self._service.refuse,
            )

    async def _settle(self) -> None:
        """Before the hooks end: event handlers finish, and a close that we began is written."""
        if self._inbox is not None:
            await self._inbox.finished()
        if self._closing:
            await self.outbox.drained()

    async def _end(self) -> None:
        self._depart(1006)
        limits = self._service.limits
        try:
            if self.endings or self.entered_stack is not None or not (self._inbox is None or self._inbox.idle):
                if self._life.cancel_called:
                    with anyio.CancelScope(shield=True, deadline=self.home.time() + limits.cleanup):
                        await self._finish()
                else:
                    # not a scope of its own: a hook may hold a task group that was opened in this one
                    self._life.shield = True
                    self._life.deadline = self.home.time() + limits.cleanup
                    await self._finish()
        finally:
            self.state = State.CLOSED
            self.outbox.abandon()
            if self._ahead is not None:
                self._ahead.stop()
            if self._stuck is not None:
                self._stuck()
            self._service.layer.members.remove(self)

    async def _finish(self) -> None:
        if self._inbox is not None:
            self._inbox.cancel()
            await self._inbox.finished()
        await _lifecycle.leave(self)

    async def _overran(self) -> None:
        """The connection's own scope was cancelled: the handshake or the last hooks took too long."""
        if self._unanswered:
            logger.warning("connection %s: dependencies and on_connect took too long; refused", self.id)
            await self._refuse(Reject(503, "the handshake took too long"))
        else:
            logger.warning("connection %s: its last hooks outlived Limits.cleanup and were cancelled", self.id)

    # -- frames in ----------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Read, handle, answer; one frame at a time, in order. The common path is written out in full:
        each call that it does not make is a tenth of what the message costs."""
        plan, outbox, receive = self.plan, self.outbox, self._receive
        send, encoders, envelope = outbox.send, plan.encoders, plan.envelope
        decode, runs = (plan.direct.decode, plan.direct.runs) if plan.direct else (None, {})
        roomy = self._service.limits.max_size // 4  # so many characters fit, whatever they are
        while not self._closing:
            event = await receive() if self._ahead is None else await self._next()
            text: str | None = event.get("text")
            if text is None or len(text) > roomy:
                if not await self._acceptable(event, text):
                    if event["type"] != "websocket.receive":
                        self._gone(event)
                        return
                    continue
                assert text is not None
            if decode is None or (envelope and ('"ref"' in text or "\\" in text)):
                await self._enveloped(text)
                continue
            try:
                message = decode(text)
                run = runs[message.__class__]
            except Exception as error:  # noqa: BLE001 - each family has exceptions of its own
                await self._invalid(text, error)
                continue
            self._running = message
            if not self._watched:
                self.watch()
            try:
                result = await run(message, self)
                if result is not None:
                    try:
                        answer = encoders[result.__class__](result).decode()
                    except KeyError:
                        await self._answer(result, "")
                    else:
                        if outbox.writing is None and not outbox.closed:
                            outbox.writing = answer
                            try:
                                await send({"type": "websocket.send", "text": answer})
                            except Exception as error:  # noqa: BLE001 - whatever a server raises
                                outbox.broke(error)
                            finally:
                                outbox.writing = None
                                if outbox.queue:
                                    outbox.start()
                        else:
                            await self.send_text(answer)
            except Exception as error:  # noqa: BLE001 - a handler may raise anything
                await self._failed(plan.direct.handlers[message.__class__], error, "")  # type: ignore[union-attr]
            self._running = None

    async def _enveloped(self, text: str) -> None:
        """The longer way: a `ref`, several families, a prefix."""
        try:
            handler, message, ref = _dispatch.read(self.plan, text)
        except BadFrame as bad:
            await self._bad(bad)
            return
        self._running = message
        self.watch()
        try:
            await self._answer(await handler.run(message, self), ref)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            await self._failed(handler, error, ref)
        self._running = None

    async def _acceptable(self, event: Received, text: str | None) -> bool:
        """Whether a frame that is not plainly small text may be handled; else it is answered here."""
        if event["type"] != "websocket.receive":
            return False
        limit = self._service.limits.max_size
        size = len(event.get("bytes") or b"") if text is None else len(text.encode("utf-8", "surrogatepass"))
        if size > limit:
            await self.close(1009, f"a frame may have at most {limit} bytes")
            return False
        if text is None:
            await self._bad(BadFrame("unsupported_frame", "binary frames are not understood here; send text"))
            return False
        return True

    async def _next(self) -> Received:
        assert self._ahead is not None
        event = await self._ahead.next()
        if self._ahead.idle:
            self._ahead = None
        return event

    async def _invalid(self, text: str, error: Exception) -> None:
        section = self.plan.direct
        assert section is not None
        if section.strict:  # the envelope's keys may be what it does not like
            await self._enveloped(text)
        else:
            await self._bad(_dispatch.explain(self.plan, section, text, error))

    async def _bad(self, bad: BadFrame) -> None:
        """Answer a frame that cannot be handled, until its sender has struck out."""
        limits = self._service.limits
        self._service.counters.bad_frames += 1
        now = self.home.time()
        if now - self._strikes_since > limits.strikes_window:
            self._strikes_since = now
            self._strikes = 0
        self._strikes += 1
        if self._strikes > limits.strikes:
            await self.close(1008, "too many bad frames")
            return
        with contextlib.suppress(ConnectionClosed):
            await self.send_text(_dispatch.error_frame(self.plan, bad))

    # -- answers out --------------------------------------------------------------------------------

    async def _answer(self, result: Any, ref: str) -> None:
        """Send what a handler returned: one message, several, or nothing."""
        for frame in _dispatch.answer(self.plan, result, ref):
            await self.send_text(frame)

    async def _failed(self, handler: Handler, error: Exception, ref: str) -> None:
        """Answer a message whose handler raised."""
        try:
            answer = await self._recover(handler, error)
            if answer is not None:
                await self._answer(answer[0], ref)
                return
            if isinstance(error, ConnectionClosed) and self.outbox.closed:
                return
            if isinstance(error, HTTPException):
                bad = BadFrame("unauthorized", str(error.detail), ref=ref)
            else:
                self.report(handler.where, error)
                bad = BadFrame("internal_error", "the server could not handle this message", ref=ref)
            await self.send_text(_dispatch.error_frame(self.plan, bad))
        except ConnectionClosed:
            return

    async def _recover(self, handler: Handler, error: Exception) -> tuple[Any] | None:
        """What the matching `on_error` function returns, in a tuple; None where there is none."""
        for cls in type(error).__mro__ if handler.errors else ():
            recover = handler.errors.get(cls)
            if recover is not None:
                try:
                    return (await recover(error, self),)
                except ConnectionClosed:
                    raise
                except Exception as second:  # noqa: BLE001 - then the message fails as without it
                    self.report(f"the error handler of {handler.where}", second)
                    return None
        return None

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

    async def close(self, code: int, reason: str) -> None:
        """Begin to close: what waits is sent, then the close frame; nothing more is handled."""
        self._close(code, reason, now=False)

    def _close(self, code: int, reason: str, *, now: bool) -> int:
        if self._closing or self.outbox.closed:
            return 0
        self._closing = True
        dropped = self.outbox.close(code, reason, now=now)
        self._depart(code, reason)
        limits = self._service.limits
        self._serving.deadline = self.home.time() + (limits.cleanup if now else limits.linger)
        return dropped

    # -- groups -------------------------------------------------------------------------------------

    async def join(self, group: str) -> None:
        """Become a member; returns when the layer has confirmed."""
        if self.state not in (State.HANDSHAKE, State.OPEN):
            raise ConnectionClosed(self.close_code, self.close_reason)
        if group in self.groups:
            return
        layer = self._service.layer
        self.groups.add(group)
        layer.members.join(group, self)
        try:
            await layer.subscribe(group)
        except BaseException:
            self.leave(group)
            raise

    def leave(self, group: str) -> None:
        """End a membership, if there is one."""
        if group in self.groups:
            self.groups.discard(group)
            layer = self._service.layer
            if layer.members.leave(group, self):
                layer.unsubscribe(group)

    async def publish(self, publication: Publication, message: Any) -> None:
        """Hand a publication to the layer."""
        layer = self._service.layer
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
            self._service.counters.events_skipped += 1
            return
        if self._inbox is None:
            self._inbox = Inbox(self._handle_event, self.home, self._service.limits, self._context)
            if self.state is State.OPEN:
                self._inbox.start()
        if not self._inbox.push(event, publication):
            self._overloaded("its inbox of events is full")

    async def _handle_event(self, event: Event, body: str) -> None:
        handler = event.handler
        try:
            message = event.decode(body)
        except Exception as error:  # noqa: BLE001 - another program published what this one does not understand
            self._service.counters.events_skipped += 1
            self.report(f"reading an event for {handler.where}", error)
            return
        try:
            try:
                result = await handler.run(message, self)
            except Exception as error:
                answer = await self._recover(handler, error)
                if answer is None:
                    raise
                result = answer[0]
            await self._answer(result, "")
        except ConnectionClosed:
            return
        except HTTPException:  # its guards hold the event back from this client, who asked for nothing
            self._service.counters.events_skipped += 1
        except Exception as error:  # noqa: BLE001
            self.report(handler.where, error)

    # -- what ends it -------------------------------------------------------------------------------

    def _gone(self, event: Received) -> None:
        """The client has left; `event` is `websocket.disconnect`."""
        if not self._closing:
            self._depart(event.get("code", 1005), event.get("reason") or "")
        self.outbox.closed = True
        for scope in self._cancellable:
            scope.cancel()
        self._serving.deadline = min(self._serving.deadline, self.home.time() + self._service.limits.linger)

    def _broke(self, error: Exception) -> None:
        """The server could not send."""
        if self.state is State.OPEN and not isinstance(error, OSError):
            logger.info("connection %s: sending failed: %r", self.id, error)
        self._gone({"code": 1006})

    def _depart(self, code: int, reason: str = "") -> None:
        """Leave all groups at once, in whatever state the connection is."""
        if self.state in (State.LEAVING, State.CLOSED):
            return
        self.state = State.LEAVING
        self.close_code = code
        self.close_reason = reason
        self.left_groups = set(self.groups)
        for group in self.left_groups:
            self.leave(group)
        if self._inbox is not None:
            self._inbox.clear()

    def _overloaded(self, why: str) -> None:
        """The client is too slow: say so and close, dropping what waits for it."""
        if self._closing:
            return
        counters = self._service.counters
        counters.slow_closed += 1
        waiting = self._inbox.clear() if self._inbox is not None else 0
        dropped = self._close(1013, "too slow", now=True) + waiting + 1
        counters.frames_dropped += dropped
        logger.warning(
            "connection %s (groups %s): %s; closed with 1013, %d frames dropped",
            self.id, ", ".join(sorted(self.left_groups)) or "none", why, dropped,
        )  # fmt: skip

    # -- the runtime's tick -------------------------------------------------------------------------

    def watch(self) -> None:
        """Have the runtime look at this connection while it is busy."""
        if not self._watched:
            self._watched = True
            self.home.watch(self)

    def tick(self) -> bool:
        """Find a handler or a send that has been suspended since the last look."""
        again = False
        running, writing = self._running, self.outbox.writing
        if running is not None and running is self._seen:
            if self._ahead is None:
                self._ahead = ReadAhead(self._receive, self.home, self._service.limits, self._gone)
            if self.state is State.OPEN:
                self._ahead.start()
        elif running is not None:
            again = True
        self._seen = running if again else None
        if writing is None or writing is HELD:
            self._seen_writing = None
        elif writing is not self._seen_writing:
            self._seen_writing = writing
            again = True
        elif self._stuck is None:
            self._stuck = self.home.later(self._service.limits.send_timeout, partial(self._check_stuck, writing))
        self._watched = again
        return again

    def _check_stuck(self, writing: str) -> None:
        self._stuck = None
        if self.outbox.writing is writing:
            self._overloaded("a frame could not be written in time")

    # -- what generated calls ask for ---------------------------------------------------------------

    def handshake(self) -> HTTPConnection:
        """The opening handshake as Starlette's class, made once."""
        if self._http is None:
            self._http = HTTPConnection(self.scope)
        return self._http

    def context(self, state: int) -> Context[Any]:
        """The context of one of the plan's states."""
        found = self._contexts.get(state)
        if found is None:
            factory = self.plan.states[state]
            found = self._contexts[state] = Context(self, None if factory is None else factory())
        return found

    @property
    def stack(self) -> contextlib.AsyncExitStack:
        """Holds connection-scoped generator dependencies."""
        if self.entered_stack is None:
            self.entered_stack = contextlib.AsyncExitStack()
        return self.entered_stack

    async def resolve(self, index: int) -> Any:
        """A connection-scoped value of an included channel, at its first use. A refusal is not remembered."""
        self._lock = self._lock or anyio.Lock()
        async with self._lock:
            for one in (*self.plan.slots[index].needs, index):
                if self.values[one] is MISSING:
                    slot = self.plan.slots[one]
                    self.values[one] = slot.read(self.scope) if slot.read else await slot.make(self)
        return self.values[index]

    async def until_left(self, run: Any, message: Any) -> Any:
        """Run a handler that is cancelled as soon as the client has left."""
        with anyio.CancelScope() as scope:
            self._cancellable.add(scope)
            if self.state is not State.OPEN:
                scope.cancel()
            try:
                return await run(message, self)
            finally:
                self._cancellable.discard(scope)

    async def in_thread(self, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Run a plain function in a worker thread of the channel's own limiter."""
        limiter = self.home.threads.get(self._service)
        if limiter is None:
            limiter = self.home.threads[self._service] = anyio.CapacityLimiter(self._service.limits.threads)
        return await anyio.to_thread.run_sync(partial(function, *args, **keywords), limiter=limiter)

    @contextlib.asynccontextmanager
    async def threaded(self, manager: contextlib.AbstractContextManager[Any]) -> AsyncGenerator[Any, None]:
        """A plain generator dependency, both halves in worker threads."""
        value = await self.in_thread(manager.__enter__)
        try:
            yield value
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                if not await self.in_thread(manager.__exit__, type(error), error, error.__traceback__):
                    raise
        else:
            await self.in_thread(manager.__exit__, None, None, None)

    def report(self, where: str, error: Exception) -> None:
        """Log what a user's function raised; a test client hears of it too."""
        self._service.counters.handler_errors += 1
        logger.error("%s raised; connection %s", where, self.id, exc_info=error)
        listener = self.scope.get("chanx.report")
        if listener is not None:
            listener(error)

    @property
    def idle(self) -> bool:
        """Nothing is running, queued or being written."""
        return (
            self.state is State.OPEN
            and self._running is None
            and self._ahead is None
            and self.outbox.writing is None
            and (self._inbox is None or self._inbox.idle)
        )
