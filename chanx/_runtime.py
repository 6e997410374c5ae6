"""One runtime per event loop: background tasks, timers and the watch over suspended connections.

It works mounted with no lifespan wiring, so nothing here belongs to a nursery of the application: on
asyncio the tasks are held strongly by the runtime, on trio they are system tasks. What a background task
raises is logged and never escapes; when nothing runs, the runtime holds nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio
import anyio.lowlevel
from anyio.lowlevel import RunVar
from starlette.exceptions import HTTPException

from chanx._writers import AsyncioWriter, Late, ParkedWriter, Starts, TrioWriter, Work, Writer

if sys.version_info >= (3, 12):
    from chanx._writers import SoonWriter

if TYPE_CHECKING:
    from chanx._silence import Silences

logger = logging.getLogger("chanx")

#: How often suspended connections are looked at, in seconds. A handler that is still suspended at the
#: second look gets a background reader, so a client that leaves is noticed well within 250 ms.
TICK = 0.03


#: A coroutine function that runs in the background, and what cancels something that runs.
Background = Callable[..., Coroutine[Any, Any, None]]
Cancel = Callable[[], object]


class Watched(Protocol):
    """A connection that is busy; looked at on each tick."""

    def tick(self) -> bool:
        """Look for what is stuck; False when there is no need to look again."""
        ...


class Runtime(ABC):
    """Background work of one event loop. Use `current()`; everything but `post` is for the loop's own thread."""

    def __init__(self) -> None:
        self.threads: weakref.WeakKeyDictionary[object, anyio.CapacityLimiter] = weakref.WeakKeyDictionary()
        self.silences: Silences | None = None
        self._watched: set[Watched] = set()
        self._ticking = False
        self.connections: set[Any] = set()

    @abstractmethod
    def here(self) -> bool:
        """Is the caller running on this loop?"""

    @abstractmethod
    def post(self, function: Callable[..., None], *args: Any) -> bool:
        """Run a function on the loop soon, from any thread, in order; False if the loop has ended."""

    @abstractmethod
    def spawn(self, function: Background, *args: Any, context: contextvars.Context) -> Cancel:
        """Run a coroutine function in the background and log what it raises; returns what cancels it.

        It gets a copy of the context of the connection that it is for, not the context of whoever set it off.
        """

    @abstractmethod
    def writer(self, work: Work, lost: Callable[[], None], context: contextvars.Context, late: Late) -> Writer:
        """What has frames written in the background, in a copy of the connection's context.

        `lost` is called when its task was cancelled, by `Writer.cancel` or by somebody else; `late` when a piece of
        work for which `Writer.begin` said False was not ended by its first steps.
        """

    @abstractmethod
    def worker(self, work: Work, lost: Callable[[], None], context: contextvars.Context) -> Writer:
        """The same for work that is never to begin inside the caller, as a user's function.

        It is done in this very context, which is nobody else's.
        """

    @abstractmethod
    def time(self) -> float:
        """The loop's clock, in seconds; the one that deadlines are counted by."""

    @abstractmethod
    def ordinary(self, error: BaseException) -> Exception:
        """What a user's function raised, as an error of its own; raises what is a cancellation from outside.

        On asyncio a function that awaits a task which somebody cancelled raises `CancelledError` as well.
        """

    @abstractmethod
    async def raise_unless_over(self, error: BaseException) -> None:
        """Raise what ended a connection, unless it is a cancellation by a scope that is over by now.

        A hook's own task group cancels its connection when one of its tasks fails. Once the hook has ended,
        that is settled; a cancellation by the server is not.
        """

    def task(self) -> Any:
        """The caller's task, if a `Term` can end what it waits for; else None."""
        return None

    @abstractmethod
    def later(self, delay: float, function: Callable[[], None]) -> Cancel:
        """Call a function after `delay` seconds; returns what cancels that."""

    def watch(self, connection: Watched) -> None:
        """Look at a connection on every tick until its `tick` says False."""
        self._watched.add(connection)
        if not self._ticking:
            self._ticking = True
            self.later(TICK, self._tick)

    def unwatch(self, connection: Watched) -> None:
        """Look at it no more; nothing happens where it is not looked at."""
        self._watched.discard(connection)

    def _tick(self) -> None:
        for connection in tuple(self._watched):
            try:
                again = connection.tick()
            except Exception:
                logger.exception("looking at %r failed", connection)
                again = False
            if not again:
                self._watched.discard(connection)
        self._ticking = bool(self._watched)
        if self._ticking:
            self.later(TICK, self._tick)


def refusal_of(error: Exception) -> Exception:
    """A refusal that was raised inside a task group, without the group; any other error as it is."""
    inner: Any = error
    while isinstance(inner, ExceptionGroup):
        inside: list[Any] = list(cast(Any, inner).exceptions)
        if len(inside) > 1:
            break
        inner = inside[0]
    return inner if isinstance(inner, HTTPException) else error


class _Job:
    """One background task. Cancelled before it starts, it starts all the same, into a cancelled scope: what
    stands in its `finally` is always reached.
    """

    __slots__ = ("_args", "_cancelled", "_function", "_scope")

    def __init__(self, function: Background, args: tuple[Any, ...]) -> None:
        self._function = function
        self._args = args
        self._scope: anyio.CancelScope | None = None
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    async def run(self) -> None:
        self._scope = anyio.CancelScope()
        if self._cancelled:
            self._scope.cancel()
        try:
            with self._scope:
                await self._function(*self._args)
        except Exception:
            logger.exception("background task %s failed", getattr(self._function, "__qualname__", self._function))


class Term:
    """The deadline of one wait of an asyncio task that is in no cancel scope. A scope does more, and takes longer to
    enter and to leave than all else that a connection does which never sends a frame.
    """

    __slots__ = ("_came", "_task", "_timer")

    def __init__(self, task: asyncio.Task[Any], deadline: float) -> None:
        self._task = task
        self._came = False
        self._timer = task.get_loop().call_at(deadline, self._come)

    @property
    def deadline(self) -> float:
        """When the wait ends, on the loop's clock."""
        return self._timer.when()

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._timer.cancel()
        if not self._came:
            self._timer = self._task.get_loop().call_at(deadline, self._come)

    def cancel(self) -> None:
        """End the wait now."""
        self.deadline = 0

    def _come(self) -> None:
        self._came = True
        self._task.cancel()

    def over(self) -> bool:
        """The wait is over: was it this that ended it, and nobody else?"""
        self._timer.cancel()
        return self._came and self._task.uncancel() == 0


class AsyncioRuntime(Runtime):
    """The runtime of an asyncio loop."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starts = Starts(self._loop)

    def here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(function, *args, context=contextvars.Context())
        except RuntimeError:
            return False
        return True

    def spawn(self, function: Background, *args: Any, context: contextvars.Context) -> Cancel:
        # not through the loop's task factory: an eager one would run the task inside its creator
        job = _Job(function, args)
        task = asyncio.Task(job.run(), loop=self._loop, context=context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job.cancel

    def writer(self, work: Work, lost: Callable[[], None], context: contextvars.Context, late: Late) -> Writer:
        return AsyncioWriter(self._starts, self._loop, self._tasks, work, lost, context.copy(), late)

    def worker(self, work: Work, lost: Callable[[], None], context: contextvars.Context) -> Writer:
        if sys.version_info >= (3, 12):
            return SoonWriter(self._starts, self._loop, self._tasks, work, lost, context)
        return ParkedWriter(self._starts, self._loop, self._tasks, work, lost, context)

    def time(self) -> float:
        return self._loop.time()

    def ordinary(self, error: BaseException) -> Exception:
        if isinstance(error, Exception):
            return refusal_of(error)
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling():
            stray = RuntimeError("it awaited something that was cancelled")
            stray.__cause__ = error
            return stray
        raise error

    async def raise_unless_over(self, error: BaseException) -> None:
        task = asyncio.current_task()
        if not isinstance(error, asyncio.CancelledError) or (task is not None and task.cancelling()):
            raise error
        await anyio.lowlevel.checkpoint_if_cancelled()

    def task(self) -> Any:
        return asyncio.current_task(self._loop)

    def later(self, delay: float, function: Callable[[], None]) -> Cancel:
        return self._loop.call_later(delay, function).cancel


class TrioRuntime(Runtime):
    """The runtime of a trio run."""

    def __init__(self) -> None:
        super().__init__()
        import trio

        self._trio = trio.lowlevel
        self._cancelled = trio.Cancelled
        self._token = trio.lowlevel.current_trio_token()

    def here(self) -> bool:
        try:
            return self._trio.current_trio_token() is self._token
        except RuntimeError:
            return False

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        import trio

        try:
            self._token.run_sync_soon(function, *args)
        except trio.RunFinishedError:
            return False
        return True

    def spawn(self, function: Background, *args: Any, context: contextvars.Context) -> Cancel:
        job = _Job(function, args)
        self._trio.spawn_system_task(job.run, context=context.copy())
        return job.cancel

    def writer(self, work: Work, lost: Callable[[], None], context: contextvars.Context, late: Late) -> Writer:  # noqa: ARG002
        return TrioWriter(work, lost, context.copy())

    def worker(self, work: Work, lost: Callable[[], None], context: contextvars.Context) -> Writer:
        return TrioWriter(work, lost, context)

    def ordinary(self, error: BaseException) -> Exception:
        if isinstance(error, Exception):
            return refusal_of(error)
        raise error

    async def raise_unless_over(self, error: BaseException) -> None:
        if not isinstance(error, self._cancelled):
            raise error
        await self._trio.checkpoint_if_cancelled()

    def time(self) -> float:
        return self._trio.current_clock().current_time()

    def later(self, delay: float, function: Callable[[], None]) -> Cancel:
        async def wait() -> None:
            await anyio.sleep(delay)
            function()

        return self.spawn(wait, context=contextvars.copy_context())


_current: RunVar[Runtime] = RunVar("chanx_runtime")

#: The asyncio runtime that was asked for last; most processes have no other, and a `RunVar` takes ten times as long.
_last: weakref.ref[AsyncioRuntime] | None = None


def on_trio() -> bool:
    """Is the caller inside a trio run?"""
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_run()


def on_a_loop() -> bool:
    """Does the calling thread run an event loop at this moment?"""
    if on_trio():
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def current() -> Runtime:
    """The runtime of the running event loop, made at first use."""
    global _last
    trio = on_trio()
    if not trio and _last is not None and (last := _last()) is not None and last.here():
        return last
    try:
        runtime = _current.get()
    except LookupError:
        runtime = TrioRuntime() if trio else AsyncioRuntime()
        _current.set(runtime)
    if isinstance(runtime, AsyncioRuntime):
        _last = weakref.ref(runtime)
    return runtime
