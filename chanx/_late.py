"""Generator dependencies that are entered in the middle of a connection, each in a task of its own.

They are entered inside one handler and left long after it, so they cannot live in the handler's cancel
scopes. A task of their own gives them scopes that nest, whatever they hold open.
"""

from __future__ import annotations

import contextvars
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from chanx._runtime import Cancel, Runtime


class Late:
    """One entered generator dependency of an included channel."""

    __slots__ = ("_cancel", "_done", "_error", "_manager", "_ready", "_stop", "_value")

    def __init__(self, manager: AbstractAsyncContextManager[Any]) -> None:
        self._manager = manager
        self._ready = anyio.Event()
        self._stop = anyio.Event()
        self._done = anyio.Event()
        self._value: Any = None
        self._error: Exception | None = None
        self._cancel: Cancel | None = None

    async def enter(self, runtime: Runtime, context: contextvars.Context) -> Any:
        """Start the task and wait for the value; raises what the first half raises."""
        self._cancel = runtime.spawn(self._live, context=context)
        try:
            await self._ready.wait()
        except BaseException:
            self._cancel()
            raise
        if self._error is not None:
            raise self._error
        return self._value

    async def close(self) -> None:
        """Let the second half run and wait for its end; raises what it raises."""
        self._stop.set()
        try:
            await self._done.wait()
        except BaseException:
            if self._cancel is not None:
                self._cancel()
            raise
        if self._error is not None:
            raise self._error

    async def _live(self) -> None:
        try:
            async with self._manager as self._value:
                self._ready.set()
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - raised where the dependency is used, or closed
            self._error = error
        finally:
            self._ready.set()
            self._done.set()
