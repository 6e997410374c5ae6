"""Messages of one consumer, several at a time.

Rules: one task at a time leads: it reads from the client, and handles what it has read itself. Mostly that is the
server's, and nothing else is there. When its handler suspends, another task leads from then on, and the one that
handles has no more to do with that until its handler has ended. So handlers begin in the order of their frames. When as
many are under way as may be, who leads puts frames into a bounded queue; when that is full, nobody leads until a
handler has ended, and the client feels it. The first to end takes what waits. The server's task leads whenever it is
free, and one other is kept in case.

Nothing is handled before `websocket.connect` is: frames wait in the queue, which is how a client that leaves meanwhile
is noticed. What comes from the channel is dispatched by the worker, one at a time, beside the frames. The disconnect
comes when all handlers have ended.

That a handler suspends is seen by driving its coroutine by hand: no timer, no task and no switch for one that does not.
Each handler has a copy of the context variables that `websocket.connect` has left.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import anyio

from chanx._ahead import Received
from chanx._room import Room
from chanx._runtime import Runtime
from chanx._writers import Writer
from chanx.compat.leaving import FRAME, LIMITS, is_farewell
from chanx.compat.pump import Dispatch, Pump
from chanx.exceptions import ConfigurationError
from chanx.types import size_of

T = TypeVar("T")

#: So many messages of one connection are handled at once, where a class says nothing else.
CONCURRENCY = 16


#: So often a handler may let others run, and go on in the loop's next round, before another task leads: as it does by
#: each message that it sends where `send_message_immediately` is true.
ROUNDS = 8


def check_concurrency(number: Any, owner: type[Any]) -> None:
    """Refuse what is no number of handlers.

    Raises:
        ConfigurationError: it is no whole number above 0.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ConfigurationError(
            f"{owner.__qualname__}.concurrency is {number!r}; give the number of messages that may be handled at once, "
            f"1 or more"
        )


def _here(function: Callable[[Any], T], argument: Any) -> T:
    """What `Context.run` does, in the context of the caller."""
    return function(argument)


def _size(message: Received) -> int:
    return 1 + len(message.get("bytes") or b"") + size_of(message.get("text") or "")


class ConcurrentPump(Pump):
    """Runs one consumer whose messages are handled concurrently.

    Args:
        dispatch: of the consumer; a coroutine function.
        receive: the server's ASGI `receive`.
        broadcasts: has the consumer a method for what native channels send straight to clients?
        gone: called when the client has left while something is dispatched.
        concurrency: so many frames are handled at once.
    """

    __slots__ = (
        *("_active", "_called", "_connected", "_frames", "_free", "_helpers", "_led", "_limit", "_room"),
        *("_spare", "_variables"),
    )

    def __init__(
        self,
        dispatch: Dispatch,
        receive: Callable[[], Any],
        broadcasts: bool,
        gone: Callable[[], None] | None,
        concurrency: int,
    ) -> None:
        Pump.__init__(self, dispatch, receive, broadcasts, gone)
        self._limit = concurrency
        self._active = 0  # handlers under way
        self._led = False  # does a task lead?
        self._called = False  # was a task called, and has not come yet?
        self._connected = False  # frames may be handled
        self._frames: deque[Received] = deque()  # what waits
        self._room = Room(LIMITS)
        self._free: asyncio.Future[None] | anyio.Event | None = None  # the server's task waits for something to do
        self._helpers: set[_Helper] = set()  # other tasks that do something
        self._spare: _Helper | None = None  # and one that does nothing
        self._variables = self._context  # what handlers get copies of

    # -- the server's task --------------------------------------------------------------------------

    async def _serve(self) -> None:
        while self._error is None:
            self._handling = True
            try:
                if not self._connected:
                    await self._connect()
                await self._work_on()
            except asyncio.CancelledError:
                if not self._taken_back():
                    raise  # by somebody else
            finally:
                self._handling = False
                if self._cancels:
                    self._taken_back()
            if self._error is None:
                if self._done:
                    await self._part()
                await self._wait_for_work()

    async def _connect(self) -> None:
        """Dispatch the first event, and let nothing else be dispatched before its end."""
        self.busy = self._led = True
        message = await self._receive()
        try:
            if is_farewell(message):
                self.farewell = message
            elif (started := self._start(message, _here)) is None or not await self._go_on(started, message, _here):
                self._led = False
        except asyncio.CancelledError:
            if not self._taken_back():
                raise  # by somebody else
        self._connected = True
        self._context = self._variables = contextvars.copy_context()
        self._pass_turn()
        if self._mailbox is not None and self._mailbox.queue:
            self.interject()

    @property
    def _done(self) -> bool:
        """The client has left, and all that it had sent was handled."""
        return self.farewell is not None and not self._active and not self._frames

    async def _part(self) -> None:
        """Dispatch the disconnect, when nothing else is dispatched."""
        farewell = self.farewell
        if farewell is None:
            return
        if self.busy:
            if self._again is None:  # it has begun since, and may not take for ever either
                self.farewell = None
                self.leave(farewell)
            await self._wait_for_turn()
        self.busy = True
        if self._error is None:
            await self._last(farewell)

    async def _wait_for_work(self) -> None:
        try:
            if self._server is not None:
                self._free = self._server.get_loop().create_future()  # an event takes longer
                await self._free
            else:
                self._free = anyio.Event()
                await self._free.wait()
        finally:
            self._free = None
            self._called = False

    def _wake(self) -> None:
        """Have the server's task go on, if it waits for something to do."""
        free = self._free
        if isinstance(free, anyio.Event):
            free.set()
        elif free is not None and not free.done():
            free.set_result(None)

    # -- each task ----------------------------------------------------------------------------------

    @property
    def _work_waits(self) -> bool:
        """Is there something that a task should do, and none does?"""
        if self._frames and self._connected and self._active < self._limit:
            return True
        return not self._led and self.farewell is None and not self._room.full

    async def _work_on(self) -> None:
        """Handle what waits, and lead, until others do."""
        while self._error is None and self._work_waits:
            if self._frames and self._connected and self._active < self._limit:
                message = self._frames.popleft()
                self._room.remove(_size(message))
                run = self._variables.copy().run
                started = self._start(message, run)
                if started is not None:
                    await self._go_on(started, message, run, leads=False)
            else:
                self._led = True
                await self._lead()

    async def _lead(self) -> None:
        """Read, and handle what was read, until a handler suspends or nothing more is to be read."""
        receive, frames, limit = self._receive, self._frames, self._limit
        while True:
            message = await receive()
            if message["type"] != FRAME and is_farewell(message):
                if self._active or frames or self.busy:
                    self.leave(message)
                else:
                    self.farewell = message
                self._led = False
                return
            if self._connected and not frames and self._active < limit:
                run = self._variables.copy().run
                started = self._start(message, run)
                if started is not None and await self._go_on(started, message, run):
                    return
            else:
                frames.append(message)
                self._room.add(_size(message))
                if self._room.full:
                    self._led = False
                    return
            if self._error is not None:
                return

    def _start(self, message: Received, run: Callable[..., Any]) -> tuple[Any, Any] | None:
        """Begin to handle a frame; returns the handler and what it waits for, or None where it has ended."""
        self._active += 1
        try:
            handling: Any = self._dispatch(message)
            return handling, run(handling.send, None)
        except StopIteration:
            pass
        except OSError as error:
            self._active -= 1
            self._unless_lost(error, message)
            return None
        except BaseException:
            self._active -= 1
            raise
        self._active -= 1
        return None

    @types.coroutine
    def _go_on(
        self, started: tuple[Any, Any], message: Received, run: Callable[..., Any], *, leads: bool = True
    ) -> Generator[Any, Any, bool]:
        """Handle a frame to the end, once its handler has suspended; has the task let another one lead meanwhile?"""
        handling, waits_for = started
        told = False
        rounds = ROUNDS
        send = handling.send
        try:
            while True:
                if not told:
                    if waits_for is None and rounds:
                        rounds -= 1
                    else:
                        told = True
                        if leads:
                            self._led = False
                        self._call()
                try:
                    value = yield waits_for
                except BaseException as error:  # noqa: BLE001 - it is the handler's
                    waits_for = run(handling.throw, error)
                else:
                    waits_for = run(send, value)
        except StopIteration:
            pass
        except OSError as error:
            self._unless_lost(error, message)
        finally:
            self._active -= 1
        return told

    def _call(self) -> None:
        """Have another task come if there is something to do."""
        if self._called or self._error is not None or self._interrupt is None or not self._work_waits:
            return
        self._called = True
        if self._free is not None:
            self._wake()
        else:
            helper, self._spare = self._spare or _Helper(self, self._home, self._variables.copy()), None
            self._helpers.add(helper)
            helper.begin()

    async def help(self) -> None:
        """What another task than the server's does."""
        self._called = False
        await self._work_on()

    def helped(self, helper: _Helper, error: BaseException | None) -> None:
        """Another task has no more to do."""
        self._helpers.discard(helper)
        if error is not None:
            self._called = False
            self._failed(error)
        if error is None and self._spare is None and self._interrupt is not None:
            self._spare = helper
        else:
            helper.dismiss()
        if self._done:
            self._wake()
        if self._ended is not None:
            self._tell()

    # -- the end ------------------------------------------------------------------------------------

    def cancel_others(self) -> None:
        """Cancel what other tasks than the server's handle, and forget what waits."""
        super().cancel_others()
        self._frames.clear()
        for helper in tuple(self._helpers):
            helper.cancel()

    def _halt(self) -> bool:
        self._frames.clear()
        for helper in tuple(self._helpers):
            helper.cancel()
        if self._spare is not None:
            self._spare.dismiss()
            self._spare = None
        return super()._halt() or bool(self._helpers)

    async def _others_end(self) -> None:
        while self._helpers:
            await self._end()
        await super()._others_end()

    def _forget(self) -> None:
        super()._forget()
        self._helpers.clear()
        self._spare = None


class _Helper:
    """A task that handles frames beside the server's.

    Args:
        pump: whose frames.
        home: the loop it runs on.
        context: of the task; nobody else's.
    """

    __slots__ = ("_pump", "_working", "_writer")

    def __init__(self, pump: ConcurrentPump, home: Runtime, context: contextvars.Context) -> None:
        self._pump = pump
        self._working = False
        self._writer: Writer | None = home.worker(self._work, self._lost, context)

    def begin(self) -> None:
        self._working = True
        if self._writer is not None:
            self._writer.begin()

    def cancel(self) -> None:
        if self._writer is not None:
            self._writer.cancel()

    def dismiss(self) -> None:
        """It is not needed again."""
        self.cancel()
        self._writer = None  # which knows it: nothing is to wait for the collector of garbage

    async def _work(self) -> None:
        try:
            await self._pump.help()
        except BaseException as error:
            self._end(error)
            if not isinstance(error, Exception):
                raise  # it was cancelled, and is over
        else:
            self._end(None)

    def _lost(self) -> None:
        """It was cancelled; maybe before it could begin."""
        if self._working:
            self._end(asyncio.CancelledError())

    def _end(self, error: BaseException | None) -> None:
        self._working = False
        self._pump.helped(self, error)
