"""What the application keeps, and the queue of its jobs: in the memory of one process, or in Redis."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, cast

from chanx.channels.layers import InMemoryChannelLayer, RedisChannelLayer, register_channel_layer

#: So many jobs wait; the next ones are refused.
MAX_JOBS = 100
#: So much of what was said is shown to somebody who comes into a room.
REMEMBERED = 20

Perform = Callable[[str], Awaitable[None]]


class Backend(ABC):
    """What the application keeps, for all of its parts."""

    @abstractmethod
    def running(self, perform: Perform) -> AbstractAsyncContextManager[None]:
        """Use it, and its channel layer; it does jobs with `perform`, unless a worker does."""

    @abstractmethod
    async def enqueue(self, job: str) -> bool:
        """Put a job into the queue; False where that is full."""

    @abstractmethod
    async def remember(self, room: str, said: str) -> None:
        """Keep what was said in a room."""

    @abstractmethod
    async def recent(self, room: str) -> list[str]:
        """What was said last in a room, the oldest first."""

    @abstractmethod
    async def vote(self, poll: str, user: str, choice: str) -> int:
        """Set a user's vote; returns how many times somebody has voted by then."""

    @abstractmethod
    async def votes(self, poll: str) -> dict[str, str]:
        """The votes by user."""


def backend_of(scope: MutableMapping[str, Any]) -> Backend:
    """That of the application that serves a connection."""
    backend: Backend = scope["app"].state.backend
    return backend


class MemoryBackend(Backend):
    """Everything in this process, the jobs too: nothing else has to run."""

    def __init__(self) -> None:
        self._jobs: asyncio.Queue[str] = asyncio.Queue(MAX_JOBS)
        self._recent: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._votes: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._voted = 0

    @asynccontextmanager
    async def running(self, perform: Perform) -> AsyncGenerator[None]:
        register_channel_layer("default", InMemoryChannelLayer())
        worker = asyncio.create_task(self._work(perform))
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    async def _work(self, perform: Perform) -> None:
        while True:
            await perform(await self._jobs.get())

    async def enqueue(self, job: str) -> bool:
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            return False
        return True

    async def remember(self, room: str, said: str) -> None:
        self._recent[room].append(said)

    async def recent(self, room: str) -> list[str]:
        return list(self._recent[room])

    async def vote(self, poll: str, user: str, choice: str) -> int:
        self._votes[poll][user] = choice
        self._voted += 1
        return self._voted

    async def votes(self, poll: str) -> dict[str, str]:
        return dict(self._votes[poll])


class RedisBackend(Backend):
    """Everything in Redis, for any number of servers and workers.

    Args:
        url: of the Redis server, such as `"redis://127.0.0.1:6379"`.
    """

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis

        self._layer = RedisChannelLayer(hosts=[url], prefix="rooms")
        # The types of this client are those of the one without asyncio.
        self._redis = cast("Any", Redis).from_url(url, decode_responses=True)

    @asynccontextmanager
    async def running(self, perform: Perform) -> AsyncGenerator[None]:  # noqa: ARG002 - a worker does the jobs
        register_channel_layer("default", self._layer)
        try:
            yield
        finally:
            await self._layer.close()
            await self._redis.aclose()

    async def enqueue(self, job: str) -> bool:
        if await self._redis.llen("rooms:jobs") >= MAX_JOBS:
            return False
        await self._redis.lpush("rooms:jobs", job)
        return True

    async def next_job(self, seconds: float) -> str | None:
        """The job that waits longest; None where none comes in time."""
        found: list[str] | None = await self._redis.brpop(["rooms:jobs"], timeout=seconds)
        return None if found is None else found[1]

    async def remember(self, room: str, said: str) -> None:
        await self._redis.rpush(f"rooms:recent:{room}", said)
        await self._redis.ltrim(f"rooms:recent:{room}", -REMEMBERED, -1)

    async def recent(self, room: str) -> list[str]:
        found: list[str] = await self._redis.lrange(f"rooms:recent:{room}", 0, -1)
        return found

    async def vote(self, poll: str, user: str, choice: str) -> int:
        await self._redis.hset(f"rooms:votes:{poll}", user, choice)
        number: int = await self._redis.incr("rooms:voted")
        return number

    async def votes(self, poll: str) -> dict[str, str]:
        found: dict[str, str] = await self._redis.hgetall(f"rooms:votes:{poll}")
        return found
