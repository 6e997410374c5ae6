"""`service:{name}`: the measurements of a service, pushed as they are taken."""

from typing import Annotated

import anyio

from chanx import Channel, Context, Depends, Path, Reject
from examples.dashboard.fleet import Service, fleet
from examples.dashboard.messages import Confirm, Confirmed, Readings, Restart, Restarted
from examples.dashboard.visitors import OnCall

service = Channel("service", title="Service")

PAUSE = 1.0
"""Seconds between two measurements."""


async def current_service(name: Annotated[str, Path()]) -> Service:
    if name not in fleet.services:
        raise Reject(404, f"There is no service {name}.")
    return fleet.services[name]


Current = Annotated[Service, Depends(current_service, scope="connection")]


async def watch() -> None:
    """Measure for ever."""
    while True:
        await measure()
        await anyio.sleep(PAUSE)


async def measure() -> None:
    """Take one measurement of each service, and push it to those who watch."""
    for one, reading in fleet.tick():
        # By the key, a page that is slow gets the latest, not all that it has missed.
        await service.broadcast(reading, group=one.group, key="reading")


@service.on_connect
async def begin(ctx: Context, service: Current) -> None:
    await ctx.join(service.group)
    await ctx.send(Readings(readings=list(service.readings)))


# Nothing else waits for the visitor's answer: the other topics are handled beside this one.
@service.on(Restart)
async def restart(message: Restart, ctx: Context, service: Current, visitor: OnCall) -> Restarted:
    answer = await ctx.ask(Confirm(text=f"Restart {service.name}?"), Confirmed)
    if answer.yes:
        service.restart()
    return Restarted(yes=answer.yes)
