import logging
from collections.abc import Awaitable

from chanx import GroupLayer, MemoryLayer, Publication

logger = logging.getLogger(__name__)


class LoggingLayer:
    """Groups of another layer, with a line in the log for each publication."""

    def __init__(self, inner: GroupLayer) -> None:
        self.inner = inner
        self.members = inner.members  # one `Members` per layer: what is delivered there reaches our connections

    def subscribe(self, group: str) -> Awaitable[None]:
        return self.inner.subscribe(group)

    def unsubscribe(self, group: str) -> None:
        self.inner.unsubscribe(group)

    async def publish(self, publication: Publication) -> None:
        self._log(publication)
        await self.inner.publish(publication)

    def publish_sync(self, publication: Publication) -> None:
        self._log(publication)
        self.inner.publish_sync(publication)

    def healthy(self) -> bool:
        return self.inner.healthy()

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _log(self, publication: Publication) -> None:
        logger.info("to %s: %d characters", ", ".join(publication.groups), len(publication.body))


layer: GroupLayer = LoggingLayer(MemoryLayer())
