"""What the generated calls of `_inject` ask of a connection: contexts, connection-scoped values, threads."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import math
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread
from starlette.requests import HTTPConnection

from chanx import _lifecycle
from chanx._late import Late
from chanx._values import MISSING
from chanx.context import Context

if TYPE_CHECKING:
    from chanx._plan import Plan
    from chanx._runtime import Runtime
    from chanx._service import Service
    from chanx.connection import Connection

logger = logging.getLogger("chanx")


#: What a connection begins with, and most have to the end; they are replaced before anything is put into them.
_NONE: list[Any] = []
_NO_CONTEXTS: dict[int, Any] = {}


class Scoped:
    """The connection scope of injection; `Connection` is one.

    Attributes:
        values: connection-scoped values by slot, `MISSING` until they are made.
        ctx: the context of the served channel's state.
        http: the opening handshake, where some function asks for it.
        left: the client has left.
        entered: set by the call of a hook just before the hook itself runs.
        entering: the eager dependencies are being made.
        deadline: when the handshake must be over, on the loop's clock.
        late: the generator dependencies of included channels that were entered.
    """

    __slots__ = (
        *("_contexts", "_http", "_lock", "ctx", "deadline", "entered", "entering", "late"),
        *("home", "http", "id", "left", "plan", "scope", "service", "values"),
    )

    ctx: Context[Any]
    home: Runtime
    id: str

    def __init__(self, service: Service, scope: Any) -> None:
        self.service = service
        self.plan: Plan = service.plan
        self.scope = scope
        slots = self.plan.slots
        self.values: list[Any] = [MISSING] * len(slots) if slots else _NONE
        self.entered = False
        self.left = False
        self.entering = False
        self.deadline = math.inf
        self.late: list[Late] = _NONE
        self._contexts: dict[int, Context[Any]] = _NO_CONTEXTS
        self._lock: anyio.Lock | None = None
        self._http: HTTPConnection | None = None
        self.http: Any = self.handshake() if self.plan.uses_http else None

    def handshake(self) -> HTTPConnection:
        """The opening handshake as Starlette's class, made once."""
        if self._http is None:
            self._http = HTTPConnection(self.scope)
        return self._http

    def context(self, state: int) -> Context[Any]:
        """The context of one of the plan's states."""
        if state == 0:
            return self.ctx
        found = self._contexts.get(state)
        if found is None:
            found = self.made_context(state)
            self._contexts = {**self._contexts, state: found}
        return found

    def made_context(self, state: int) -> Context[Any]:
        """A new context, with a new state of the channel's."""
        factory = self.plan.states[state]
        return Context(cast("Connection", self), None if factory is None else factory())

    async def enter(self, slot: int, manager: contextlib.AbstractAsyncContextManager[Any]) -> Any:
        """Enter a connection-scoped generator dependency."""
        if self.entering:
            where = "closing a dependency"
            connection = cast("Connection", self)
            return await _lifecycle.begin(connection, where, manager.__aenter__(), _lifecycle.closing(manager))

        def lost(error: Exception) -> None:
            self.values[slot] = MISSING  # the next use makes it anew
            self.report("a dependency", error)

        late = Late(manager, self.home, lost)
        self.late = [*self.late, late]
        try:
            return await late.enter(contextvars.copy_context())
        except Exception:
            self.late.remove(late)
            raise

    async def close_late(self) -> None:
        """Close the generator dependencies of included channels, which were entered at their first use."""
        try:
            while self.late:
                try:
                    await self.late.pop().close()
                except Exception as error:  # noqa: BLE001 - each must get its turn
                    self.report("closing a dependency", error)
        finally:
            for late in self.late:
                late.abandon()

    async def resolve(self, index: int) -> Any:
        """A connection-scoped value of an included channel, at its first use. A refusal is not remembered."""
        self._lock = self._lock or anyio.Lock()
        async with self._lock:
            for one in (*self.plan.slots[index].needs, index):
                if self.values[one] is MISSING:
                    slot = self.plan.slots[one]
                    self.values[one] = slot.read(self.scope) if slot.read else await slot.make(self)
        return self.values[index]

    async def in_thread(self, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Run a plain function in a worker thread of the channel's own limiter."""
        limiter = self.home.threads.get(self.service)
        if limiter is None:
            limiter = self.home.threads[self.service] = anyio.CapacityLimiter(self.service.limits.threads)
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
        self.service.counters.handler_errors += 1
        logger.error("%s raised; connection %s", where, self.id, exc_info=error)
        listener = self.scope.get("chanx.report")
        if listener is not None:
            listener(error)
