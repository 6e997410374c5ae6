"""Messages whose handling is more than a call: streams, time limits, cancelling, and order beside the serial ones.

Rules: a run is registered under its `ref` from the moment its message was accepted until its final answer has
been sent; so each `ref` is answered once, and a second message with it is refused meanwhile. The handler
runs inside the run's scope, its final answer outside: what cancels the one never cuts the other. A lane
holds the messages of one handler that run beside the serial ones; those that wait are bounded like frames
read ahead, and past that the connection's own task waits too, so that the client feels it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from chanx import _answers, _dispatch, _frames
from chanx._answers import Stopped
from chanx._chunks import Chunks

if TYPE_CHECKING:
    from chanx._plan import Handler
    from chanx._room import Room
    from chanx._runtime import Cancel
    from chanx.connection import Connection
    from chanx.context import Context

#: After so many items a stream lets others run, also where its sends never wait.
_FAIR = 16


class Run:
    """One message or event on its way through its handler.

    Attributes:
        ref: as JSON; empty when there is none.
        size: of its frame in bytes, while it waits in a lane.
        key: what must not overlap with it.
        chunks: the client's stream that belongs to it.
    """

    __slots__ = ("_scope", "_stopped", "chunks", "connection", "handler", "key", "message", "ref", "size")

    def __init__(self, connection: Connection, handler: Handler, message: Any, ref: str = "", size: int = 0) -> None:
        self.connection = connection
        self.handler = handler
        self.message = message
        self.ref = ref
        self.size = size
        self.key: Any = None
        self.chunks = None if handler.chunks is None else Chunks(connection, handler.chunks, ref, handler.order is None)
        self._scope: anyio.CancelScope | None = None
        self._stopped: Stopped | None = None

    def context(self, state: int) -> Context[Any]:
        """For middleware, which knows a run as a connection."""
        return self.connection.context(state)

    def stop(self, code: str, detail: str) -> None:
        """Cancel the handler; the message is answered with an error of this code."""
        self._stopped = self._stopped or Stopped(code, detail)
        if self._scope is not None:
            self._scope.cancel()

    async def result(self) -> Any:
        """Run the handler; returns what it returns.

        Raises:
            Stopped: it was cancelled by `stop` or by its time limit.
        """
        connection, handler = self.connection, self.handler
        if handler.ends_on_leave and (connection.left or connection.closing):
            self.stop("cancelled", "the client has left")
        before: Stopped | None = self._stopped
        if before is not None:
            raise before
        runs = connection.made_runs()
        runs.active.add(self)
        scope = self._scope = anyio.CancelScope()
        if handler.timeout is not None:
            scope.deadline = connection.home.time() + handler.timeout
        try:
            with scope:
                result = await handler.run(self.message, self if handler.wide else connection)
                return () if handler.streams and result is None else result  # a middleware may have dropped it
        finally:
            self._scope = None
            runs.active.discard(self)
        raise self._stopped or Stopped("timeout", "the server took too long")

    async def execute(self) -> None:
        """Run the handler and send the final answer."""
        connection, handler, ref = self.connection, self.handler, self.ref
        try:
            try:
                result = await self.result()
                await _answers.answer(connection, result, ref)
            except BaseException as error:  # noqa: BLE001 - a handler may raise anything
                await _answers.failed(connection, handler, connection.home.ordinary(error), ref)
        finally:
            connection.made_runs().forget(self)

    async def stream(self, items: AsyncGenerator[Any, None]) -> tuple[()]:
        """Send each item as it comes; the answer that remains is that of no further message: `complete`."""
        connection, ref = self.connection, self.ref
        plan, count = connection.plan, 0
        try:
            async for item in items:
                frame = _dispatch.encode(plan, item)
                await connection.send_text(_frames.with_ref(frame, ref) if ref else frame, more=True)
                count += 1
                if not count % _FAIR:
                    await anyio.lowlevel.checkpoint()
        except BaseException:
            # its `finally` may wait, for as long as other cleaning up
            with anyio.CancelScope(shield=True, deadline=connection.home.time() + connection.service.limits.cleanup):
                await items.aclose()
            raise
        return ()


class _Lane:
    """The messages of one handler that run beside the serial ones."""

    __slots__ = ("busy", "handler", "running", "waiting")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.running = 0
        self.busy: dict[Any, Run] = {}
        self.waiting: deque[Run] = deque()

    def startable(self, most: int) -> Run | None:
        """Take out the first that may start now."""
        order = self.handler.order
        assert order is not None
        if self.running >= (order.concurrency or most):
            return None
        for index, run in enumerate(self.waiting):
            if run.key not in self.busy or not (order.latest or order.key is not None):
                del self.waiting[index]
                return run
        return None


class Runs:
    """The runs of one connection; made when it needs the first.

    Attributes:
        refs: those in flight, by their ref.
        active: those whose handler runs.
        hungry: streams of the client whose handlers wait for more of them.
        room: for messages that wait in lanes.
    """

    __slots__ = (
        *("_connection", "_finished", "_full", "_jobs", "_lanes", "_waiting"),
        *("active", "hungry", "refs", "room"),
    )

    def __init__(self, connection: Connection, room: Room) -> None:
        self._connection = connection
        self.room = room
        self.refs: dict[str, Run] = {}
        self.active: set[Run] = set()
        self.hungry: set[Chunks] = set()
        self._lanes: dict[Handler, _Lane] = {}
        self._jobs: dict[Run, Cancel] = {}
        self._waiting = 0
        self._full = False
        self._finished: anyio.Event | None = None

    @property
    def idle(self) -> bool:
        """Nothing runs or waits beside the serial messages."""
        return not self._jobs and not self._waiting

    @property
    def stuck(self) -> bool:
        """Nobody takes anything out of the queue of frames: all that runs waits for what is not in it.

        The connection's own task does so too, or waits for room in a lane.
        """
        ahead, reads = self._connection.ahead, self._connection.running is None
        if ahead is None or len(self.hungry) < len(self._jobs) or not (reads or self._full):
            return False
        return not ahead.wanted({one.ref for one in self.hungry}, messages=reads)

    async def begin(self, run: Run) -> None:
        """Handle a message: to its end where it is a serial one, else as soon as its lane has room for it."""
        if run.ref:
            self.refs[run.ref] = run
        order = run.handler.order
        if order is None:
            await run.execute()
            return
        if callable(order.key):
            try:
                run.key = order.key(run.message)
                hash(run.key)
            except Exception as error:  # noqa: BLE001 - a function of the user's
                await _answers.failed(self._connection, run.handler, error, run.ref)
                self.forget(run)
                return
        lane = self._lanes.setdefault(run.handler, _Lane(run.handler))
        if order.latest:
            await self._supersede(lane, run.key)
            if self._connection.closing:  # meanwhile: nothing more is handled
                self.forget(run)
                return
        lane.waiting.append(run)
        self._waiting += 1
        self.room.add(run.size)
        self._start(lane)
        while self.room.full:
            self._full = True
            self._wake()
            await self.room.changed()
        self._full = False

    async def cancel(self, ref: str) -> None:
        """The client wants no answer to a message any more. Unknown refs have been answered already."""
        run = self.refs.get(ref)
        if run is None:
            return
        lane = self._lanes.get(run.handler)
        if lane is not None and run in lane.waiting:
            await self._drop(lane, [run], "cancelled by the client")
        elif run.handler.cancellable:
            run.stop("cancelled", "cancelled by the client")

    def left(self) -> None:
        """The client has left, or cannot be sent to any more: end what does not outlive that."""
        for run in tuple(self.active):
            if run.handler.ends_on_leave:
                run.stop("cancelled", "the client has left")

    def clear(self) -> None:
        """Forget what waits: nothing more is handled."""
        for lane in self._lanes.values():
            for run in tuple(lane.waiting):
                self._left_lane(run)
                self.forget(run)
            lane.waiting.clear()
        self._notify()

    def stop(self) -> None:
        """Cancel all that runs beside the serial messages."""
        self.clear()
        for cancel in tuple(self._jobs.values()):
            cancel()

    async def finished(self) -> None:
        """Wait until nothing runs or waits beside the serial messages."""
        while not self.idle:
            self._finished = self._finished or anyio.Event()
            await self._finished.wait()

    def forget(self, run: Run) -> None:
        """A run is over: its ref may be used again, and what is left of its client's stream is dropped."""
        if run.ref and self.refs.get(run.ref) is run:
            del self.refs[run.ref]
        if run.chunks is not None:
            run.chunks.drop()

    async def _supersede(self, lane: _Lane, key: Any) -> None:
        detail = "a newer message took its place"
        if key in lane.busy:
            lane.busy[key].stop("cancelled", detail)
        await self._drop(lane, [run for run in lane.waiting if run.key == key], detail)

    async def _drop(self, lane: _Lane, dropped: list[Run], detail: str) -> None:
        """Messages that wait will not be handled."""
        for run in dropped:
            lane.waiting.remove(run)
            self._left_lane(run)
        self._notify()
        for run in dropped:
            try:
                await _answers.failed(self._connection, run.handler, Stopped("cancelled", detail), run.ref)
            finally:
                self.forget(run)

    def _left_lane(self, run: Run) -> None:
        self._waiting -= 1
        self.room.remove(run.size)

    def _start(self, lane: _Lane) -> None:
        connection = self._connection
        most = connection.service.limits.handlers
        while lane.waiting and len(self._jobs) < most:
            run = lane.startable(most)
            if run is None:
                return
            self._left_lane(run)
            lane.running += 1
            lane.busy[run.key] = run
            self._jobs[run] = connection.home.spawn(self._work, lane, run, context=connection.variables)

    async def _work(self, lane: _Lane, run: Run) -> None:
        try:
            await run.execute()
        finally:
            lane.running -= 1
            if lane.busy.get(run.key) is run:
                del lane.busy[run.key]
            del self._jobs[run]
            for one in self._lanes.values():
                self._start(one)
            self._notify()
            self._wake()

    def _wake(self) -> None:
        """Have handlers that wait for their client's stream look whether it can still come."""
        if self.hungry and self._connection.ahead is not None:
            self._connection.ahead.wake()

    def _notify(self) -> None:
        """Wake who waits for the end."""
        if self._finished is not None:
            self._finished.set()
            self._finished = None
