"""`logs:{name}`: the log of a service, as a stream that the page may cancel."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from chanx import Channel
from examples.dashboard.messages import Follow, Line
from examples.dashboard.service import Current

logs = Channel("logs", title="Logs")


# A new one ends the one before: the page has chosen another level.
@logs.on(Follow, latest=True)
async def follow(message: Follow, service: Current) -> AsyncIterator[Line]:
    async with aclosing(service.log.follow(message.level)) as lines:
        async for line in lines:
            yield line
