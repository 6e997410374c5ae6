"""The channel that is served: one connection is one page, and the others are topics on it."""

from collections.abc import AsyncIterator

import anyio

from chanx import Channel, Context, Depends
from examples.dashboard.fleet import fleet
from examples.dashboard.incident import incident, tell_incidents
from examples.dashboard.incidents import EVERYBODY, here, incidents
from examples.dashboard.logs import logs
from examples.dashboard.messages import Present, Report, Reported, Welcome
from examples.dashboard.service import service
from examples.dashboard.visitors import Who, only_on_call

# The page's code can read the reason of a refusal only from a close frame, never from an HTTP status.
hub = Channel("dashboard", title="Dashboard", refuse="close", overflow="coalesce")
hub.include(service, topic="service:{name}")
hub.include(logs, topic="logs:{name}", dependencies=[Depends(only_on_call, scope="connection")])
hub.include(incident, topic="incident:{pk}")


@hub.on_connect
async def stay(ctx: Context, visitor: Who) -> AsyncIterator[None]:
    with here.visit(visitor.name, ctx.id):
        await ctx.join(EVERYBODY)
        known = Welcome(
            you=visitor.name,
            on_call=visitor.on_call,
            services=list(fleet.services),
            incidents=incidents.summary,
        )
        await ctx.send(known)
        await hub.broadcast(Present(people=here.names), group=EVERYBODY)
        yield
    await hub.broadcast(Present(people=here.names), group=EVERYBODY)


@hub.on(Report)
async def report(message: Report) -> Reported:
    opened = incidents.open(message.title)
    await tell_incidents()
    return Reported(pk=opened.pk)


PAUSE = 1.0
"""Seconds between two measurements."""


async def watch() -> None:
    """Measure for ever."""
    while True:
        await measure()
        await anyio.sleep(PAUSE)


async def measure() -> None:
    """Take one measurement of each service, and push it to those who watch."""
    readings = fleet.tick()
    if hub.stats().topics == 0:
        return
    for one, reading in readings:
        # By the key, a page that is slow gets the latest, not all that it has missed.
        await service.broadcast(reading, group=one.group, key="reading")
