"""`service:{name}`: the measurements of a service. The new ones are pushed by `hub.py`."""

from typing import Annotated

from chanx import Channel, Context, Depends, Path, Reject
from examples.dashboard.fleet import Service, fleet
from examples.dashboard.messages import Confirm, Confirmed, Readings, Restart, Restarted
from examples.dashboard.visitors import OnCall

service = Channel("service", title="Service")


async def current_service(name: Annotated[str, Path()]) -> Service:
    if name not in fleet.services:
        raise Reject(404, f"There is no service {name}.")
    return fleet.services[name]


Current = Annotated[Service, Depends(current_service, scope="connection")]


@service.on_connect
async def begin(ctx: Context, service: Current) -> None:
    await ctx.join(service.group)
    await ctx.send(Readings(readings=list(service.readings)))


# Nothing else waits for the visitor's answer: the other topics are handled beside this one.
@service.on(Restart)
async def restart(_: Restart, ctx: Context, service: Current, visitor: OnCall) -> Restarted:
    answer = await ctx.ask(Confirm(text=f"Restart {service.name}?"), Confirmed)
    if answer.yes:
        service.restart(visitor.name)
    return Restarted(yes=answer.yes)
