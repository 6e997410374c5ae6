"""Messages of one consumer, from its client and from its channel, dispatched one at a time.

Rules: the application's own task waits for the client. A message from the channel that comes meanwhile is dispatched by
another one, the consumer's worker, and the client's next frame waits for its end; one that comes while a frame is
handled is dispatched after it, by the same task. The worker is made for the first such message, and parked between
them, so a consumer that nobody sends to costs no task beside the server's own. Neither side can keep the other from its
turn, however much comes from it. What is raised, by whichever task, ends the consumer in the server's task.

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
from chanx.compat.mailbox import Mailbox, is_native, message_of

logger = logging.getLogger("chanx")

#: A handler that goes on for so many seconds after it was cancelled is cancelled again.
PATIENCE = 1.0

Dispatch = Callable[[dict[str, Any]], Awaitable[None]]


class Pump:
    """Runs one consumer.

    Args:
        dispatch: of the consumer.
        receive: the server's ASGI `receive`.
        broadcasts: has the consumer a method for what native channels send straight to clients?

    Attributes:
        lost: what the server's `send` raised when the client had left; it ends a handler, and not the consumer.
        busy: is something being dispatched?
    """

    __slots__ = (
        *("_ahead", "_answering", "_broadcasts", "_cancel_ahead", "_cancel_hearing", "_context", "_dispatch", "_ended"),
        *("_error", "_home", "_interrupt", "_job", "_known", "_mailbox", "_receive", "_turns", "_worker", "_working"),
        *("busy", "lost"),
    )

    def __init__(self, dispatch: Dispatch, receive: Callable[[], Awaitable[Any]], broadcasts: bool = False) -> None:
        self.busy = False
        self.lost: OSError | None = None
        self._dispatch = dispatch
        self._receive = receive
        self._broadcasts = broadcasts
        self._home = _runtime.current()
        self._context = contextvars.copy_context()  # as the last handler left it, in whichever task
        self._mailbox: Mailbox | None = None
        self._turns: list[anyio.Event] | None = None  # of those who wait for their turn, the first first
        self._ended: anyio.Event | None = None  # for whoever waits for the end of another task
        self._worker: Writer | None = None  # the task that dispatches what has come from the channel
        self._working = False  # does it just now?
        self._job: Callable[[], Awaitable[None]] | None = None  # what it does in place of that
        self._known = self._context  # the context that it has resumed
        self._cancel_hearing: _runtime.Cancel | None = None  # the task that waits for a layer of somebody else's
        self._cancel_ahead: _runtime.Cancel | None = None  # the task that waits for the client meanwhile
        self._ahead: dict[str, Any] | None = None
        self._answering: anyio.CancelScope | None = None
        self._error: BaseException | None = None
        self._interrupt: Callable[[], object] | None = None  # ends the server's wait; None when the consumer has ended

    async def run(self, layer: Any, channel: str | None) -> None:
        """Dispatch until something is raised.

        Raises:
            BaseException: what a handler raised, such as `StopConsumer`.
        """
        task = self._home.task()
        cancelled = 0 if task is None else task.cancelling()
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
        except GeneratorExit:  # the loop has ended before the connection, and all its tasks with it
            self._worker = self._cancel_hearing = self._cancel_ahead = None
            raise
        except asyncio.CancelledError:
            if self._error is None or (task is not None and task.cancelling() > cancelled + 1):
                raise  # by somebody else
        finally:
            self._interrupt = None
            if task is not None and self._error is not None:
                task.uncancel()
            try:
                if self._worker is not None or self._cancel_hearing is not None or self._cancel_ahead is not None:
                    await self._stop()
            finally:
                if self._mailbox is not None:
                    layer.discard(self._mailbox)
                self._worker = None
                del self._dispatch  # nothing is to wait for the collector of garbage
        if self._error is not None:
            raise self._error

    def _listen(self, layer: Any, channel: str | None) -> None:
        if channel is None:
            return
        if isinstance(layer, ChannelLayer):
            self._mailbox = layer.listen(channel, self._home, self.interject, self._broadcasts)
        else:
            known = self._context
            self._cancel_hearing = self._home.spawn(self._hear, layer, channel, known, context=known)

    async def _serve(self) -> None:
        known, mailbox = self._context, self._mailbox
        while True:
            message = await (self._receive() if self._cancel_ahead is None and self._ahead is None else self._looked())
            if self.busy:
                await self._wait_for_turn()
            self.busy = True
            try:
                if self._error is not None:
                    return
                if self._context is not known:
                    self._resume()
                await self._one(message)
                if mailbox is not None and mailbox.waiting:
                    await self._some(mailbox)
                known = self._context = contextvars.copy_context()
            finally:
                self._pass_turn()
            if self._error is not None:
                return
            if mailbox is not None and mailbox.waiting:
                self.interject()

    async def _one(self, message: dict[str, Any]) -> None:
        try:
            await self._dispatch(message)
        except OSError as error:
            self._unless_lost(error, message)

    def _unless_lost(self, error: OSError, message: dict[str, Any]) -> None:
        """Raise what a handler raised, unless it is that the client has left."""
        if error is not self.lost:
            raise error
        if str(message.get("type")).endswith(".disconnect"):
            raise StopConsumer from None

    async def _some(self, mailbox: Mailbox) -> None:
        """Dispatch as much as waits in the channel at this moment, unless it is somebody else's turn."""
        for _ in range(mailbox.waiting):
            if self._turns or (publication := mailbox.take()) is None:
                return
            message = message_of(publication)
            try:
                await self._dispatch(message)
            except OSError as error:
                self._unless_lost(error, message)
            except NoMethod as error:
                if not is_native(publication):
                    raise
                logger.debug("an event for the native channels of a group goes by a consumer: %s", error)

    def _resume(self) -> None:
        """Set the context variables that another task's handler has set."""
        for variable, value in self._context.items():
            if variable.get(None) is not value:
                variable.set(value)

    # -- what comes from the channel ----------------------------------------------------------------

    def interject(self, function: Callable[[], Awaitable[None]] | None = None) -> None:
        """Dispatch what waits in the channel, unless something is being dispatched; called on the consumer's loop.

        Args:
            function: run this in place of it, as if a message had come for it.
        """
        if not self.busy and self._interrupt is not None and self._error is None:
            self.busy = self._working = True
            self._job = function
            if self._worker is None:
                self._known = self._context
                self._worker = self._home.worker(self._work, self._lost, self._context)
            self._worker.begin()

    async def _work(self) -> None:
        """What the worker does each time; the context is its own, and not the server's task's."""
        try:
            if self._known is not self._context:
                self._resume()
            if self._job is not None:
                await self._job()
            elif (mailbox := self._mailbox) is not None:
                await self._some(mailbox)
                while mailbox.waiting and not self._turns:
                    await anyio.lowlevel.checkpoint()  # a handler may send to its own channel, and never wait
                    await self._some(mailbox)
            self._known = self._context = contextvars.copy_context()
        except BaseException as error:
            self._failed(error)
            if not isinstance(error, Exception):
                raise  # it was cancelled, and is over
        finally:
            self._over()

    def _lost(self) -> None:
        """The worker was cancelled; maybe before it could begin."""
        if self._working:
            self._failed(asyncio.CancelledError())
            self._over()

    def _over(self) -> None:
        self._working = self.busy = False
        if self._turns:
            self._pass_turn()
        if self._ended is not None:
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
            self._cancel_ahead = self._home.spawn(self._look_ahead, context=contextvars.copy_context())
            try:
                await function(*args)
            finally:
                self._answering = None

    async def _look_ahead(self) -> None:
        try:
            self._ahead = message = await self._receive()
            if self._answering is not None and str(message.get("type")).endswith(".disconnect"):
                self._answering.cancel()
        except BaseException as error:  # noqa: BLE001 - as in `_work`
            self._failed(error)
        finally:
            self._cancel_ahead = None
            self._tell()

    async def _looked(self) -> dict[str, Any]:
        while (message := self._ahead) is None:
            await self._end()
        self._ahead = None
        return message

    # -- turns, and the end -------------------------------------------------------------------------

    async def _wait_for_turn(self) -> None:
        turn = anyio.Event()
        self._turns = self._turns or []
        self._turns.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn in self._turns:
                self._turns.remove(turn)
            else:  # it was passed on to this one already
                self._pass_turn()
            raise

    def _pass_turn(self) -> None:
        if self._turns:
            self.busy = True
            self._turns.pop(0).set()
        else:
            self.busy = False

    def _failed(self, error: BaseException) -> None:
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

    async def _stop(self) -> None:
        """Nothing is dispatched any more; wait for the end of what is."""
        with anyio.CancelScope(shield=True):
            while True:
                for cancel in (self._cancel_hearing, self._cancel_ahead):
                    if cancel is not None:
                        cancel()
                if self._worker is not None:
                    self._worker.cancel()
                if not self._working and self._cancel_hearing is None and self._cancel_ahead is None:
                    return
                with anyio.move_on_after(PATIENCE):  # a handler may have caught its cancellation
                    while self._working or self._cancel_hearing or self._cancel_ahead:
                        await self._end()
