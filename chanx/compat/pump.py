"""Messages of one consumer, from its client and from its channel, dispatched one at a time.

Rules: the application's own task waits for the client. A message from the channel that comes meanwhile is dispatched by
a task made for it, and the client's next frame waits for its end; one that comes while a frame is handled is dispatched
after it, by the same task. So an idle consumer costs no task beside the server's own. What is raised, by whichever
task, ends the consumer in the server's task.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from chanx import _runtime
from chanx.compat.layer import ChannelLayer
from chanx.compat.mailbox import Mailbox, message_of

Dispatch = Callable[[dict[str, Any]], Awaitable[None]]


class Pump:
    """Runs one consumer, and what it lets run beside its messages.

    Args:
        dispatch: of the consumer.
        receive: the server's ASGI `receive`.
        broadcasts: has the consumer a method for what native channels send straight to clients?
    """

    __slots__ = (
        *("_broadcasts", "_cancel", "_cancel_beside", "_context", "_dispatch", "_done", "_error", "_home", "_mailbox"),
        *("_receive", "_scope", "_turn"),
    )

    def __init__(self, dispatch: Dispatch, receive: Callable[[], Awaitable[Any]], broadcasts: bool = False) -> None:
        self._dispatch = dispatch
        self._broadcasts = broadcasts
        self._receive = receive
        self._home = _runtime.current()
        self._context = contextvars.copy_context()
        self._mailbox: Mailbox | None = None
        self._turn = False  # is something being dispatched?
        self._done: anyio.Event | None = None
        self._cancel: _runtime.Cancel | None = None
        self._cancel_beside: _runtime.Cancel | None = None
        self._error: BaseException | None = None
        self._scope: anyio.CancelScope | None = None

    async def run(self, layer: Any, channel: str | None) -> None:
        """Dispatch until something is raised.

        Raises:
            BaseException: what a handler raised, such as `StopConsumer`.
        """
        try:
            with anyio.CancelScope() as self._scope:
                if isinstance(layer, ChannelLayer) and channel is not None:
                    self._mailbox = layer.listen(channel, self._home, self._came, self._broadcasts)
                elif channel is not None:
                    self._cancel = self._home.spawn(self._hear, layer, channel, context=self._context)
                await self._serve()
        finally:
            self._scope = None
            await self._stop()
            if self._mailbox is not None:
                layer.discard(self._mailbox)
        if self._error is not None:
            raise self._error

    async def _serve(self) -> None:
        while True:
            message = await self._receive()
            await self._take_turn()
            try:
                await self._dispatch(message)
                await self._drain()
            finally:
                self._over()

    async def _drain(self) -> None:
        """Dispatch what waits in the channel."""
        while self._mailbox is not None and (publication := self._mailbox.take()) is not None:
            await self._dispatch(message_of(publication))

    def beside(self, function: Callable[[], Awaitable[None]]) -> None:
        """Run something beside the messages; what it raises ends the consumer, whose end cancels it."""
        self._cancel_beside = self._home.spawn(self._run_beside, function, context=self._context)

    async def _run_beside(self, function: Callable[[], Awaitable[None]]) -> None:
        try:
            await function()
        except BaseException as error:  # noqa: BLE001 - as in `_work`
            self._failed(error)
        finally:
            self._cancel_beside = None
            self._wake()

    def _came(self) -> None:
        """A message has come from the channel; called on the consumer's loop."""
        if not self._turn and self._scope is not None:
            self._turn = True
            self._cancel = self._home.spawn(self._work, context=self._context)

    async def _hear(self, layer: Any, channel: str) -> None:
        """Dispatch what comes through a channel layer of somebody else's."""
        try:
            while True:
                message = await layer.receive(channel)
                await self._take_turn()
                try:
                    await self._dispatch(message)
                finally:
                    self._over()
        except BaseException as error:  # noqa: BLE001 - as in `_work`
            self._failed(error)
        finally:
            self._cancel = None
            self._over()

    async def _work(self) -> None:
        try:
            await self._drain()
        except BaseException as error:  # noqa: BLE001 - it ends the consumer, in the server's task
            self._failed(error)
        finally:
            self._cancel = None
            self._over()

    def _failed(self, error: BaseException) -> None:
        if self._scope is not None:  # else the consumer has ended, and this is its own cancellation
            self._error = error
            self._scope.cancel()

    async def _take_turn(self) -> None:
        while self._turn:
            self._done = self._done or anyio.Event()
            await self._done.wait()
        self._turn = True

    def _over(self) -> None:
        self._turn = False
        self._wake()

    def _wake(self) -> None:
        if self._done is not None:
            self._done.set()
            self._done = None

    async def _stop(self) -> None:
        """Nothing is dispatched any more; wait for the end of what is."""
        for cancel in (self._cancel, self._cancel_beside):
            if cancel is not None:
                cancel()
        with anyio.CancelScope(shield=True):
            while self._cancel is not None or self._cancel_beside is not None:
                self._done = self._done or anyio.Event()
                await self._done.wait()
