"""Plain functions of consumers in worker threads, with asgiref's bridge, so that `async_to_sync` works inside them.

Each consumer's functions run one at a time, in any of the threads; consumers do not wait for each other, as long as
there are threads. Under `async_to_sync`, as in the tests of Django's `TestCase`, all run in the thread that called it:
only there is the transaction of the test.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import anyio
from asgiref.sync import AsyncToSync, SyncToAsync

from chanx.compat.pool import Pool

T = TypeVar("T")

#: So many plain functions may run at once, in all consumers together; asgiref and Daphne read the same variable.
_THREADS = int(os.environ.get("ASGI_THREADS") or 40)

#: How long a cancelled consumer, and the end of the program, wait for the end of a thread, in seconds.
PATIENCE = 5.0

_lock = threading.Lock()
_executor: Pool | None = None


def _pool() -> Any:
    global _executor
    if _executor is None:
        _executor = Pool(_THREADS, PATIENCE)
    return _executor


def _forked() -> None:
    """Threads do not survive a fork."""
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run a function in a thread, with Django's connections to databases looked after where Django is in use."""
    call = _Call(function)
    sensitive = asyncio.get_running_loop() in AsyncToSync.loop_thread_executors
    run: Any = SyncToAsync(call.run, thread_sensitive=sensitive, executor=None if sensitive else _pool())
    try:
        return cast(T, await run(*args))
    except asyncio.CancelledError:
        await call.ended()
        raise


class _Call:
    """One call in a thread; who was cancelled in waiting for it can still wait for its end.

    Args:
        function: what is called.
    """

    __slots__ = ("_abandoned", "_done", "_function", "_started", "_waiter")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._started = self._done = self._abandoned = False
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def run(self, *args: Any) -> Any:
        with _lock:
            if self._abandoned:
                return None
            self._started = True
        try:
            return _looked_after(self._function, *args)
        finally:
            with _lock:
                self._done = True
                waiter = self._waiter
            if waiter is not None:
                loop, event = waiter
                loop.call_soon_threadsafe(event.set)

    async def ended(self) -> None:
        """Wait for its end, `PATIENCE` seconds at most; what has not begun will not begin."""
        with _lock:
            if not self._started:
                self._abandoned = True
            if self._abandoned or self._done:
                return
            event = asyncio.Event()
            self._waiter = asyncio.get_running_loop(), event
        with anyio.move_on_after(PATIENCE, shield=True):
            await event.wait()


def _looked_after(function: Callable[..., T], *args: Any) -> T:
    _close_old()
    try:
        return function(*args)
    finally:
        _close_old()


def _close_old() -> None:
    """As Django does around a request, but for a connection in a transaction of the caller's, such as a `TestCase`."""
    django: Any = sys.modules.get("django.db")
    if django is None or not sys.modules["django.conf"].settings.configured:  # it may be installed and not in use
        return
    for connection in django.connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
