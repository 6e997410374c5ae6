"""The group layer of a single process: what is published is delivered on the spot."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from chanx.groups.history import MOST, PAGE, Histories, History, Kept, Recalled
from chanx.groups.layer import Publication
from chanx.groups.logs import Logs
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
        self.histories = Histories()
        self._logs = Logs()

    def keep(self, rules: Mapping[str, History]) -> None:
        """Keep the history of more groups; what `Channel(history=…)` does.

        Raises:
            ConfigurationError: there is another history for the same pattern.
        """
        self.histories.add(rules)
        if self.histories:  # without them, publishing does not even ask
            self.publish, self.publish_sync = self._publish, self._take  # type: ignore[method-assign]

    def subscribe(self, group: str) -> _Done:
        return DONE

    def unsubscribe(self, group: str) -> None:
        """Nothing to do: what is not joined is not delivered."""

    async def publish(self, publication: Publication) -> None:
        self.members.deliver(publication)

    def publish_sync(self, publication: Publication) -> None:
        self.members.deliver(publication)

    async def recall(
        self,
        group: str,
        *,
        after: int | None = None,
        epoch: str = "",
        last: int = 0,
        most: int = MOST,
        page: int = PAGE,
    ) -> Recalled:
        return self._logs.recall(self._history(group), group, after, epoch, last, most, page)

    async def _publish(self, publication: Publication) -> None:
        histories, groups = self.histories, publication.groups
        if publication.event is not None or histories.plain.issuperset(groups) or not histories.any_of(groups):
            self.members.deliver(publication)
        else:
            self._take_parts(publication)

    def _take(self, publication: Publication) -> None:
        histories, groups = self.histories, publication.groups
        if publication.event is not None or histories.plain.issuperset(groups) or not histories.any_of(groups):
            self.members.deliver(publication)
        else:
            self._take_parts(publication)

    def _take_parts(self, publication: Publication) -> None:
        members = self.members
        for part in self.histories.parts(publication, members.users_of(publication)):
            if not isinstance(part, Kept):
                members.deliver(part)
                continue
            with self._logs.lock:
                placed = self._logs.append(self._history(part.groups[0]), part)
                if placed is not None:
                    members.deliver_kept(placed)

    def _history(self, group: str) -> History:
        history = self.histories.find(group)
        if history is None:
            raise ValueError(f"{group!r} has no history; see Channel(history=…)")
        return history

    def healthy(self) -> bool:
        return True

    async def aclose(self) -> None:
        """Nothing to let go of."""
