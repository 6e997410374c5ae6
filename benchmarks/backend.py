"""The two event loops: how to start one, and how to give it a turn."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, TypeVar

import anyio
import trio

from benchmarks.wire import Pause

BackendName = Literal["asyncio", "trio"]
BACKENDS: dict[BackendName, Pause] = {"asyncio": partial(asyncio.sleep, 0), "trio": trio.lowlevel.checkpoint}
T = TypeVar("T")


def run(backend: BackendName, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` in a new event loop."""
    return anyio.run(main, backend=backend)
