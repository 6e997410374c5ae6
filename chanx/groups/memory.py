"""The group layer of a single process: what is published is delivered on the spot."""

from __future__ import annotations

from collections.abc import Generator

from chanx.groups.layer import Publication
from chanx.groups.members import Members


class _Done:
    """An awaitable that has nothing to wait for, cheaper than a coroutine."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


DONE = _Done()


class MemoryLayer:
    """Groups within this process, over all its event loops and threads.

    Give one to several channels to let them share groups: `Channel(groups=layer)`.
    """

    def __init__(self) -> None:
        self.members = Members()

    def subscribe(self, group: str) -> _Done:
        return DONE

    def unsubscribe(self, group: str) -> None:
        """Nothing to do: what is not joined is not delivered."""

    async def publish(self, publication: Publication) -> None:
        self.members.deliver(publication)

    def publish_sync(self, publication: Publication) -> None:
        self.members.deliver(publication)

    def healthy(self) -> bool:
        return True

    async def aclose(self) -> None:
        """Nothing to let go of."""
