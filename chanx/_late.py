"""Generator dependencies that are entered in the middle of a connection, each in a task of its own.

They are entered inside one handler and left long after it, so they cannot live in the handler's cancel
scopes. A task of their own gives them scopes that nest, whatever they hold open.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from chanx._runtime import Cancel, Runtime


class Late:
    """One generator dependency of an included channel.

    Args:
        manager: the dependency as a context manager.
        runtime: of the connection's loop.
        lost: called when it ends by itself while its value is in use, with what it raised.
    """

    __slots__ = ("_cancel", "_done", "_error", "_lost", "_manager", "_ready", "_runtime", "_stop", "_value")

    def __init__(
        self, manager: AbstractAsyncContextManager[Any], runtime: Runtime, lost: Callable[[Exception], None]
    ) -> None:
        self._manager = manager
        self._runtime = runtime
        self._lost = lost
        self._ready = anyio.Event()
        self._stop = anyio.Event()
        self._done = anyio.Event()
        self._value: Any = None
        self._error: Exception | None = None
        self._cancel: Cancel | None = None

    async def enter(self, context: contextvars.Context) -> Any:
        """Start the task and wait for the value; raises what the first half raises."""
        self._cancel = self._runtime.spawn(self._live, context=context)
        try:
            await self._ready.wait()
        except BaseException:
            self.abandon()
            raise
        if self._done.is_set():
            error, self._error = self._error, None
            raise error or RuntimeError("a dependency ended before it gave its value")
        return self._value

    def abandon(self) -> None:
        """End it without waiting for it."""
        self._stop.set()
        if self._cancel is not None:
            self._cancel()

    async def close(self) -> None:
        """Let the second half run and wait for its end; raises what it raises."""
        self._stop.set()
        try:
            await self._done.wait()
        except BaseException:
            self.abandon()
            raise
        if self._error is not None:
            raise self._error

    async def _live(self) -> None:
        try:
            async with self._manager as self._value:
                self._ready.set()
                await self._stop.wait()
        except BaseException as error:  # noqa: BLE001 - a cancellation by `abandon` is raised again
            failure = self._runtime.ordinary(error)
            if self._ready.is_set() and not self._stop.is_set():
                self._lost(failure)
            else:
                self._error = failure
        finally:
            self._done.set()
            self._ready.set()
