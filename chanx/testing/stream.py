"""The answers to one message, as they come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from chanx.testing import frames
from chanx.testing.frames import Frame

T = TypeVar("T")


class Stream(Generic[T]):
    """An async iterator over the answers to one message; made by `Client.stream`.

    It ends with the final `complete` or `ack`. Frames that do not belong to the message stay pending.

    Attributes:
        ref: the message's; for `Client.cancel`.
    """

    def __init__(self, ref: str, take: Callable[[str], Awaitable[Frame]], read: Callable[[Frame], T]) -> None:
        self.ref = ref
        self._take = take
        self._read = read
        self._over = False

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        """The next message of the stream.

        Raises:
            Failed: the stream ended with an error.
            AssertionError: the frame is of another type, or none came in time.
            Closed: the application closed the connection.
        """
        if self._over:
            raise StopAsyncIteration
        frame = await self._take(self.ref)
        self._over = frames.ends(frame)
        if self._over:
            raise StopAsyncIteration
        failed = frames.failure(frame)
        if failed is not None:
            self._over = True
            raise failed
        return self._read(frame)
