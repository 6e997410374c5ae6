"""Threads that the end of the program waits for, but not for ever.

`concurrent.futures` has it wait for each of its threads. One that asks an event loop for something, and whose loop has
ended in between, as that of a server does on SIGTERM, would never let the process end.
"""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class Pool(Executor):
    """Threads that run functions; made when they are needed.

    Args:
        most: so many threads at most.
        patience: how long the end of the program waits for what has been submitted, in seconds.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._most = most
        self._patience = patience
        self._made = 0
        self._unfinished = 0
        self._changed = threading.Condition()
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        atexit.register(self._wait)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function in a thread, as soon as one is free."""
        future: Future[Any] = Future()
        with self._changed:
            self._unfinished += 1
            self._work.put((future, lambda: fn(*args, **kwargs)))
            if self._made < min(self._most, self._unfinished):
                self._made += 1
                threading.Thread(target=self._run, name=f"chanx-consumer_{self._made}", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            future, function = self._work.get()
            _run(future, function)
            del future, function  # nothing is to be kept while the next one is waited for
            with self._changed:
                self._unfinished -= 1
                self._changed.notify_all()

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._unfinished, self._patience)


def _run(future: Future[Any], function: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it is for whoever waits for the future
            future.set_exception(error)
