"""The task that writes what is pushed to a connection, in the cheapest form that its event loop has.

Rules: a send never runs inside the task or the context of whoever pushed, so that what it wraps around itself (a
context variable, a timeout, a cancel scope) works, and a failure or a cancellation stays there. The task is owned
by the connection: `cancel` ends it for good.

Where a task can be started at once, the writer is one for each time that something is to be written: mostly it is
done when `begin` returns. Elsewhere a new task costs more than all the rest, so the writer is parked when nothing
is left to write, and goes on when there is.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

logger = logging.getLogger("chanx")

#: Writes until nothing waits.
Work = Callable[[], Coroutine[Any, Any, None]]

#: Is told that a piece of work was not ended by its first steps.
Late = Callable[[], None] | None


class Writer(Protocol):
    """Has the work done in a task of its own; only one piece of work at a time is asked for."""

    def begin(self) -> bool:
        """Have the work done, at once where that can be.

        False when it is done already, or when `late` will be called if its first steps do not end it.
        """
        ...

    def soon(self) -> None:
        """Have the work done, but not before the caller has let the loop go on."""
        ...

    def cancel(self) -> None:
        """The connection is over; so is the work, wherever it stands."""
        ...


class Due(Protocol):
    """What begins when it is asked to."""

    def start(self) -> None:
        """Begin, unless that is cancelled by now."""
        ...


class Starts:
    """What is to begin when the loop goes on: one callback for all of it."""

    __slots__ = ("_due", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[Due] = []

    def add(self, one: Due) -> None:
        if not self._due:
            self._loop.call_soon(self._start)
        self._due.append(one)

    def _start(self) -> None:
        due, self._due = iter(self._due), []
        try:
            for one in due:
                one.start()
        finally:
            for one in due:  # one has ended the program, maybe only for now
                self.add(one)


class Turn:
    """What a parked task waits for: a future as far as asyncio can tell (`asyncio.isfuture`).

    A future of asyncio wakes its task by a callback of the loop, and serves once. This one is used again and again, and
    `Starts` wakes all whose turn it is in one callback; that takes half as long.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_context", "_due", "_late", "_loop", "_starts", "_wake")

    def __init__(self, starts: Starts, loop: asyncio.AbstractEventLoop, late: Late) -> None:
        self._asyncio_future_blocking = False
        self._starts = starts
        self._loop = loop
        self._late = late
        self._wake: Callable[[Turn], object] | None = None
        self._context: contextvars.Context | None = None
        self._due = False
        self._cancelled = False

    def __await__(self) -> Generator[Turn, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def give(self) -> bool:
        """Let the task go on soon; False when it does not wait."""
        if self._wake is None or self._due:
            return False
        self._due = True
        self._starts.add(self)
        return True

    def start(self) -> None:
        """Let the task go on now; not within another task."""
        wake, context = self._wake, self._context
        assert wake is not None
        assert context is not None
        self._wake, self._due = None, False
        context.run(wake, self)
        del wake  # the traceback of a cancellation has this frame, and the task has the traceback
        if self._late is not None and not self._cancelled and not self.parked():
            self._late()

    def parked(self) -> bool:
        """Does the task wait for its turn?"""
        return self._wake is not None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[Turn], object], *, context: contextvars.Context) -> None:
        """The task waits."""
        self._wake = wake
        self._context = context

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio passes it on
        """The task is cancelled; False when it goes on anyway, and will be told then."""
        if self.done():
            return False
        self._cancelled = self._due = True
        self._loop.call_soon(self.start)
        return True

    def done(self) -> bool:
        """Does the task go on soon, or has it gone on? Asked by anyio, which looks for tasks that wait."""
        return self._wake is None or self._due

    def result(self) -> None:
        """Asked by the task when it goes on.

        Raises:
            asyncio.CancelledError: it was cancelled meanwhile.
        """
        if self._cancelled:
            raise asyncio.CancelledError


class _Tasks:
    """What the writers of asyncio share: tasks that are held strongly and whose end is looked at."""

    __slots__ = ("_context", "_loop", "_lost", "_starts", "_task", "_tasks", "_work")

    def __init__(
        self,
        starts: Starts,
        loop: asyncio.AbstractEventLoop,
        tasks: set[asyncio.Task[None]],
        work: Work,
        lost: Callable[[], None],
        context: contextvars.Context,
    ) -> None:
        self._starts = starts
        self._loop = loop
        self._tasks = tasks
        self._work = work
        self._lost = lost
        self._context = context
        self._task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        latest = self._task is task
        if latest:
            self._task = None
        if task.cancelled():
            if latest:
                self._lost()
        elif (error := task.exception()) is not None:
            logger.error("writing to a connection failed", exc_info=error)


class ParkedWriter(_Tasks):
    """One task, which waits for the next piece of work."""

    __slots__ = ("_late", "_turn")

    def __init__(
        self,
        starts: Starts,
        loop: asyncio.AbstractEventLoop,
        tasks: set[asyncio.Task[None]],
        work: Work,
        lost: Callable[[], None],
        context: contextvars.Context,
        late: Late = None,
    ) -> None:
        _Tasks.__init__(self, starts, loop, tasks, work, lost, context)
        self._late = late
        self._turn: Turn | None = None

    def begin(self) -> bool:
        if self._turn is not None and self._turn.give():
            return self._late is None
        self._turn = None  # there is none yet, or it was cancelled
        self._keep(asyncio.Task(self._run(), loop=self._loop, context=self._context))
        return True

    def soon(self) -> None:
        self.begin()

    async def _run(self) -> None:
        turn = Turn(self._starts, self._loop, self._late)
        while True:
            await self._work()
            self._turn = turn
            await turn


if sys.version_info >= (3, 12):

    class EagerWriter(_Tasks):
        """A task for each piece of work, which takes its first steps while it is made."""

        __slots__ = ()

        def __init__(
            self,
            starts: Starts,
            loop: asyncio.AbstractEventLoop,
            tasks: set[asyncio.Task[None]],
            work: Work,
            lost: Callable[[], None],
            context: contextvars.Context,
            late: Late = None,  # noqa: ARG002 - `begin` tells it
        ) -> None:
            _Tasks.__init__(self, starts, loop, tasks, work, lost, context)

        def begin(self) -> bool:
            # not through the loop's task factory, which may be anything
            task = asyncio.Task(self._work(), loop=self._loop, context=self._context, eager_start=True)
            if task.done():
                return False
            self._keep(task)
            return True

        def soon(self) -> None:
            self._keep(asyncio.Task(self._work(), loop=self._loop, context=self._context))

    class SoonWriter(_Tasks):
        """A task for each piece of work, which takes its first steps while it is made, and that is never in `begin`."""

        __slots__ = ("_due",)

        def __init__(
            self,
            starts: Starts,
            loop: asyncio.AbstractEventLoop,
            tasks: set[asyncio.Task[None]],
            work: Work,
            lost: Callable[[], None],
            context: contextvars.Context,
        ) -> None:
            _Tasks.__init__(self, starts, loop, tasks, work, lost, context)
            self._due = False

        def begin(self) -> bool:
            self._due = True
            self._starts.add(self)
            return True

        def soon(self) -> None:
            self.begin()

        def start(self) -> None:
            """Begin, unless that is cancelled by now."""
            if self._due:
                self._due = False
                task = asyncio.Task(self._work(), loop=self._loop, context=self._context, eager_start=True)
                if not task.done():
                    self._keep(task)
                elif task.cancelled():
                    self._lost()

        def cancel(self) -> None:
            if self._due:
                self._due = False
                self._loop.call_soon(self._lost)
            else:
                super().cancel()

    AsyncioWriter = EagerWriter
else:
    AsyncioWriter = ParkedWriter


class TrioWriter:
    """One system task, which waits for the next piece of work."""

    __slots__ = ("_context", "_lost", "_parked", "_scope", "_trio", "_work")

    def __init__(self, work: Work, lost: Callable[[], None], context: contextvars.Context) -> None:
        import trio

        self._trio = trio
        self._work = work
        self._lost = lost
        self._context = context
        self._scope: Any = None
        self._parked: Any = None

    def begin(self) -> bool:
        parked = self._parked
        if parked is not None:
            self._parked = None
            self._trio.lowlevel.reschedule(parked)
        else:
            self._scope = self._trio.CancelScope()
            self._trio.lowlevel.spawn_system_task(self._run, self._scope, context=self._context)
        return True

    def soon(self) -> None:
        self.begin()

    def cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    async def _run(self, scope: Any) -> None:
        lowlevel = self._trio.lowlevel
        try:
            with scope:
                while True:
                    await self._work()
                    self._parked = lowlevel.current_task()
                    await lowlevel.wait_task_rescheduled(self._abort)
        except Exception:
            logger.exception("writing to a connection failed")
        finally:
            self._lost()

    def _abort(self, _raise_cancel: Any) -> Any:
        self._parked = None
        return self._trio.lowlevel.Abort.SUCCEEDED
