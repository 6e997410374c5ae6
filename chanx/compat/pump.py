"""Messages of one consumer, from its client and from its channel, dispatched one at a time.

Rules: the application's own task waits for the client. A message from the channel that comes meanwhile is dispatched by
another one, the consumer's worker, and the client's next frame waits for its end; one that comes while a frame is
handled is dispatched after it, by the same task. The worker is made for the first such message, and parked between
them, so a consumer that nobody sends to costs no task beside the server's own. A message that finds the consumer idle
goes to the worker and not into the queue. Neither side can keep the other from its turn, however much comes from it.
What is raised, by whichever task, ends the consumer in the server's task.

On asyncio the wait of the server's task is ended by a native cancellation, taken back at once: a cancel scope takes
longer to enter and to leave than all else that a consumer does which never gets a message.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel

from chanx import _runtime
from chanx._writers import Writer
from chanx.compat.exceptions import NoMethod, StopConsumer
from chanx.compat.layer import ChannelLayer
from chanx.compat.leaving import FRAME, Leaving, is_farewell
from chanx.compat.mailbox import Mailbox, is_native, message_of
from chanx.groups.layer import Publication

logger = logging.getLogger("chanx")

#: A handler that goes on for so many seconds after it was cancelled is cancelled again.
PATIENCE = 1.0

#: How long a consumer that failed or was cancelled, or whose handlers were, may clean up, in seconds.
CLEANUP = 5.0

Dispatch = Callable[[dict[str, Any]], Awaitable[None]]


class Pump(Leaving):
    """Runs one consumer.

    Args:
        dispatch: of the consumer.
        receive: the server's ASGI `receive`.
        broadcasts: has the consumer a method for what native channels send straight to clients?
        gone: called when the client has left while something is dispatched.

    Attributes:
        lost: what the server's `send` raised when the client had left; it ends a handler, and not the consumer.
    """

    __slots__ = (
        *("_answering", "_broadcasts", "_cancel_hearing", "_context", "_dispatch", "_ended", "_error", "_handed"),
        *("_interrupt", "_job", "_layer", "_mailbox", "_own", "_worker", "_working", "lost"),
    )

    def __init__(
        self,
        dispatch: Dispatch,
        receive: Callable[[], Awaitable[Any]],
        broadcasts: bool = False,
        gone: Callable[[], None] | None = None,
    ) -> None:
        Leaving.__init__(self, receive, gone)
        self.lost: OSError | None = None
        self._dispatch = dispatch
        self._broadcasts = broadcasts
        self._context = contextvars.copy_context()  # as the last handler left it, in whichever task
        self._layer: Any = None
        self._mailbox: Mailbox | None = None
        self._ended: anyio.Event | None = None  # for whoever waits for the end of another task
        self._worker: Writer | None = None  # the task that dispatches what has come from the channel
        self._own = self._context  # the worker's, once there is one
        self._working = False  # does it just now?
        self._handed: Publication | None = None  # the message that it begins with
        self._job: Callable[[], Awaitable[None]] | None = None  # what it does in place of that
        self._cancel_hearing: _runtime.Cancel | None = None  # the task that waits for a layer of somebody else's
        self._answering: anyio.CancelScope | None = None  # of what is dispatched, where it ends with the client
        self._error: BaseException | None = None
        self._interrupt: Callable[[], object] | None = None  # ends the server's wait; None when the consumer has ended

    async def run(self, layer: Any, channel: str | None) -> None:
        """Dispatch until something is raised.

        Raises:
            BaseException: what a handler raised, such as `StopConsumer`.
        """
        task = self._server
        try:
            if task is not None:
                self._interrupt = task.cancel
                self._listen(layer, channel)
                await self._serve()
            else:
                with anyio.CancelScope() as scope:
                    self._interrupt = scope.cancel
                    self._listen(layer, channel)
                    await self._serve()
        except GeneratorExit:  # the loop has ended before the connection
            self._forget()
            raise
        except asyncio.CancelledError:
            if self._error is None or (task is not None and task.cancelling() > self._cancelling + 1):
                raise  # by somebody else
        finally:
            self._interrupt = None
            self._look_away()
            if task is not None and self._error is not None:
                task.uncancel()
            try:
                if self._halt():
                    await self._stop()
            finally:
                if self._mailbox is not None:
                    layer.discard(self._mailbox)
                self._forget()
                del self._dispatch, self._gone, self._next, self._receive  # nothing waits for the collector of garbage
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # it knows all that was under way, and so this pump

    def _listen(self, layer: Any, channel: str | None) -> None:
        if channel is None:
            return
        if isinstance(layer, ChannelLayer):
            self._layer = layer
            self._mailbox = layer.listen(channel, self._home, self, self._broadcasts)
        else:
            known = self._context
            self._cancel_hearing = self._home.spawn(self._hear, layer, channel, known, context=known)

    async def _serve(self) -> None:
        known, mailbox = self._context, self._mailbox
        while True:
            message = await self._next()
            kind = message.get("type")
            if kind == FRAME:
                self._begin()
            if self.busy:
                if kind != FRAME and is_farewell(message):
                    self.leave(message)
                await self._wait_for_turn()
            self.busy = True
            try:
                if self._error is not None:
                    return
                if self._context is not known:
                    self._resume()
                if not self.over:
                    if message is self.farewell:
                        self._stay()
                    self._handling = True
                    await self._one(message)
                    if mailbox is not None and mailbox.queue:
                        await self._some(mailbox)
                elif is_farewell(message):
                    await self._last(message)
                known = self._context = contextvars.copy_context()
            except asyncio.CancelledError:
                if not self._taken_back():
                    raise  # by somebody else
            finally:
                self._handling = False
                self._running = 0
                if self._cancels:
                    self._taken_back()
                self._pass_turn()
            if self._error is not None:
                return
            if mailbox is not None and mailbox.queue:
                self.interject()

    async def _one(self, message: dict[str, Any]) -> None:
        try:
            await self._dispatch(message)
        except OSError as error:
            self._unless_lost(error, message)

    async def _last(self, farewell: dict[str, Any]) -> None:
        """Dispatch the disconnect of a client whose handlers took too long; so may not this one as well."""
        self._stay()
        with anyio.move_on_after(CLEANUP, shield=True):
            await self._one(farewell)
        raise StopConsumer  # also where it was cut short, or is a method that raises nothing

    def _unless_lost(self, error: OSError, message: dict[str, Any]) -> None:
        """Raise what a handler raised, unless it is that the client has left."""
        if error is not self.lost:
            raise error
        if is_farewell(message):
            raise StopConsumer from None

    async def _some(self, mailbox: Mailbox) -> None:
        """Dispatch as much as waits in the channel at this moment, unless it is somebody else's turn."""
        for _ in range(mailbox.waiting):
            if self._turns or (publication := mailbox.take()) is None:
                return
            message = message_of(publication)
            try:
                await self._dispatch(message)
            except (OSError, NoMethod) as error:
                self._unless_harmless(error, message, publication)

    def _unless_harmless(self, error: OSError | NoMethod, message: dict[str, Any], publication: Publication) -> None:
        """Raise what a handler of a message raised, unless the client has left, or it is no message for consumers."""
        if isinstance(error, OSError):
            self._unless_lost(error, message)
        elif is_native(publication):
            logger.debug("an event for the native channels of a group goes by a consumer: %s", error)
        else:
            raise error

    def _resume(self) -> None:
        """Set the context variables that another task's handler has set."""
        for variable, value in self._context.items():
            if variable.get(None) is not value:
                variable.set(value)

    # -- what comes from the channel ----------------------------------------------------------------

    def offer(self, publication: Publication) -> bool:
        """Have a message dispatched before all others if nothing is being dispatched; False when something is."""
        if self.busy or self._interrupt is None or self._error is not None:
            return False
        self.busy = self._working = True
        self._handed = publication
        (self._worker or self._made_worker()).begin()
        return True

    def interject(self, function: Callable[[], Awaitable[None]] | None = None) -> None:
        """Dispatch what waits in the channel, unless something is being dispatched; called on the consumer's loop.

        Args:
            function: run this in place of it, as if a message had come for it.
        """
        if not self.busy and self._interrupt is not None and self._error is None:
            self.busy = self._working = True
            self._job = function
            (self._worker or self._made_worker()).begin()

    def _made_worker(self) -> Writer:
        self._own = self._context.copy()
        self._worker = self._home.worker(self._work, self._lost, self._own)
        return self._worker

    async def _work(self) -> None:
        """What the worker does each time; the context is its own, and not the server's task's."""
        try:
            if self._context is not self._own:
                self._resume()
                self._context = self._own
            mailbox, publication, job = self._mailbox, self._handed, self._job
            if publication is not None:
                self._handed = None
                message = message_of(publication)
                try:
                    await self._dispatch(message)
                except (OSError, NoMethod) as error:
                    self._unless_harmless(error, message, publication)
            elif job is not None:
                self._job = None
                await job()
                return
            elif mailbox is not None:
                await self._some(mailbox)
            while mailbox is not None and mailbox.queue and not self._turns:
                await anyio.lowlevel.checkpoint()  # a handler may send to its own channel, and never wait
                await self._some(mailbox)
        except BaseException as error:
            self._failed(error)
            if not isinstance(error, Exception):
                raise  # it was cancelled, and is over
        finally:
            self._working = self.busy = False
            if self._turns:
                self._pass_turn()
            if self._ended is not None:
                self._tell()

    def _lost(self) -> None:
        """The worker was cancelled; maybe before it could begin."""
        if self._working:
            self._failed(asyncio.CancelledError())
            self._working = False
            self._pass_turn()
            self._tell()

    async def _hear(self, layer: Any, channel: str, known: contextvars.Context) -> None:
        """Dispatch what comes through a channel layer of somebody else's."""
        try:
            while True:
                message = await layer.receive(channel)
                if self.busy:
                    await self._wait_for_turn()
                self.busy = True
                try:
                    if self._context is not known:
                        self._resume()
                    await self._one(message)
                    known = self._context = contextvars.copy_context()
                finally:
                    self._pass_turn()
                await anyio.lowlevel.checkpoint()  # as in `_work`
        except BaseException as error:  # noqa: BLE001 - as in `_work`
            self._failed(error)
        finally:
            self._cancel_hearing = None
            self._tell()

    # -- what lets a handler be interrupted ---------------------------------------------------------

    async def while_connected(self, function: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run a function as part of what is dispatched, and cancel it when the client leaves; that comes next then."""
        self._answering = scope = anyio.CancelScope()
        with scope:
            self._read_ahead()
            try:
                await function(*args)
            finally:
                self._answering = None

    def leave(self, farewell: dict[str, Any]) -> None:
        """The client has left while something is dispatched: its groups are left at once."""
        if self._interrupt is None or self._error is not None:
            return
        super().leave(farewell)
        if self._answering is not None:
            self._answering.cancel()
        if self._mailbox is not None and farewell.get("type") == "websocket.disconnect":
            self._layer.leave_all(self._mailbox)

    def cancel_others(self) -> None:
        """Cancel what the worker dispatches, or the task that hears a layer of somebody else's."""
        if self._working and self._worker is not None:
            self._worker.cancel()
        if self._cancel_hearing is not None:
            self._cancel_hearing()

    # -- the end ------------------------------------------------------------------------------------

    def _failed(self, error: BaseException) -> None:
        if self.over and not isinstance(error, Exception):
            return  # it was cancelled for the client's time is over
        if self._interrupt is None or self._error is not None:  # the consumer ends already, which cancels its tasks
            if isinstance(error, Exception) and not isinstance(error, StopConsumer):
                logger.error("a handler failed while its consumer ended", exc_info=error)
            return
        try:
            self._error = self._home.ordinary(error) if not isinstance(error, Exception) else error
        except BaseException as cancelled:  # noqa: BLE001 - by somebody else, such as a loop that ends
            self._error = cancelled
        self._interrupt()

    async def _end(self) -> None:
        """Wait for the end of another task."""
        self._ended = self._ended or anyio.Event()
        await self._ended.wait()

    def _tell(self) -> None:
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    def _halt(self) -> bool:
        """Nothing is dispatched any more: cancel what is; does anything go on?"""
        reader = self._reader
        if self._cancel_hearing is not None:
            self._cancel_hearing()
        if reader is not None:
            reader.stop()
        if self._worker is not None:
            self._worker.cancel()
        return self._working or self._cancel_hearing is not None or (reader is not None and reader.reading)

    async def _stop(self) -> None:
        """Wait for the end of what was cancelled."""
        with anyio.CancelScope(shield=True):
            while True:
                with anyio.move_on_after(PATIENCE):  # a handler may have caught its cancellation
                    await self._others_end()
                if not self._halt():
                    return

    async def _others_end(self) -> None:
        reader = self._reader
        while self._working or self._cancel_hearing:
            await self._end()
        while reader is not None and reader.reading:
            await reader.changed()

    def _forget(self) -> None:
        """The other tasks are over."""
        self._worker = self._cancel_hearing = self._reader = None
