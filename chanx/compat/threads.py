"""Plain functions of consumers in worker threads, with asgiref's bridge, so that `async_to_sync` works inside them.

Each consumer's functions run one at a time, in any of the threads; consumers do not wait for each other, as long as
there are threads. Under `async_to_sync`, as in the tests of Django's `TestCase`, all run in the thread that called it:
only there is the transaction of the test.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync

T = TypeVar("T")

#: So many plain functions may run at once, in all consumers together; asgiref and Daphne read the same variable.
_THREADS = int(os.environ.get("ASGI_THREADS") or 40)

_executor: ThreadPoolExecutor | None = None


def _pool() -> ThreadPoolExecutor:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="chanx-consumer")
    return _executor


def _forked() -> None:
    """Threads do not survive a fork."""
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run a function in a thread, with Django's connections to databases looked after where Django is in use."""
    if asyncio.get_running_loop() in AsyncToSync.loop_thread_executors:
        return await SyncToAsync(_looked_after, thread_sensitive=True)(function, *args)
    return await SyncToAsync(_looked_after, thread_sensitive=False, executor=_pool())(function, *args)


def _looked_after(function: Callable[..., T], *args: Any) -> T:
    django = sys.modules.get("django.db")
    if django is None:
        return function(*args)
    django.close_old_connections()
    try:
        return function(*args)
    finally:
        django.close_old_connections()
