"""Where a link runs: on the asyncio loop of those who use it, or on one of its own in a thread.

Rules: redis-py speaks asyncio only, and a link lives as long as its loop. So where an asyncio loop is the first to need
it, the link runs there, and nothing passes between threads. Where trio is, or nobody knows how long the loop lasts (as
under `async_to_sync`, or in a thread without a loop), it has a loop in a daemon thread. The thread is asked to end when
the last loop that used it has; a program may also just end.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from asgiref.sync import AsyncToSync

from chanx import _runtime

Main = Callable[[], Coroutine[Any, Any, None]]


class Host(Protocol):
    """A loop for one link."""

    def here(self) -> bool:
        """Is the caller running on it?"""
        ...

    def alive(self) -> bool:
        """Does it still run, as far as one can tell?"""
        ...

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        """Run a function there soon, from any thread, in order; False if it has ended."""
        ...

    def start(self, main: Main) -> None:
        """Run the link."""
        ...

    def stop(self) -> None:
        """Cancel the link, from any thread."""
        ...


class Guest:
    """On the asyncio loop that the caller runs on. Its runtime owns the task."""

    def __init__(self, runtime: _runtime.AsyncioRuntime) -> None:
        self._runtime = runtime
        self._loop = asyncio.get_running_loop()
        self._cancel: Callable[[], object] | None = None

    def here(self) -> bool:
        return self._runtime.here()

    def alive(self) -> bool:
        return not self._loop.is_closed()

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        if self._runtime.here():
            function(*args)
            return True
        return self._runtime.post(function, *args)

    def start(self, main: Main) -> None:
        self._cancel = self._runtime.spawn(main, context=contextvars.Context())

    def stop(self) -> None:
        self.post(self._stop)

    def _stop(self) -> None:
        if self._cancel is not None:
            self._cancel()


class Own:
    """On a loop of its own, in a daemon thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._thread: threading.Thread | None = None

    def here(self) -> bool:
        return threading.current_thread() is self._thread

    def alive(self) -> bool:
        return not self._loop.is_closed() and (self._thread is None or self._thread.is_alive())

    def post(self, function: Callable[..., None], *args: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(function, *args, context=contextvars.Context())
        except RuntimeError:
            return False
        return True

    def start(self, main: Main) -> None:
        self._thread = threading.Thread(target=self._run, args=(main,), name="chanx-redis", daemon=True)
        self._thread.start()

    def _run(self, main: Main) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main(main))

    async def _main(self, main: Main) -> None:
        self._task = task = asyncio.current_task()
        if self._stopped and task is not None:
            task.cancel()  # at its first pause: it is to end in order
        try:
            await main()
        except asyncio.CancelledError:
            return  # `stop`

    def stop(self) -> None:
        self.post(self._stop)

    def _stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()


def lasting() -> bool:
    """Does the caller run on a loop that lasts longer than the call? That of `async_to_sync` does not."""
    if _runtime.on_trio():
        return True
    try:
        return asyncio.get_running_loop() not in AsyncToSync.loop_thread_executors
    except RuntimeError:
        return False


def choose() -> Host:
    """The place for a link that the caller is the first to need."""
    if lasting() and isinstance(runtime := _runtime.current(), _runtime.AsyncioRuntime):
        return Guest(runtime)
    return Own()
