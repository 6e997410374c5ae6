"""`incident:{pk}`: those who look at an incident talk about it. Served as a topic, and on a route of its own."""

import time
from collections.abc import AsyncIterator
from typing import Annotated

from chanx import Channel, Context, Depends, Path, Reject
from examples.dashboard.incidents import EVERYBODY, Incident, incidents
from examples.dashboard.messages import Incidents, Present, Resolve, Resolved, Said, Say, Story
from examples.dashboard.visitors import OnCall, Who

incident = Channel("incident", title="Incident", refuse="close")

RESOLVED = 4000


async def current_incident(pk: Annotated[int, Path()]) -> Incident:
    found = incidents.get(pk)
    if found is None:
        raise Reject(404, f"There is no incident {pk}.")
    return found


Current = Annotated[Incident, Depends(current_incident, scope="connection")]


async def tell_incidents() -> None:
    # A group is of the layer, not of a channel: this channel is part of the hub, and so reaches its members.
    await incident.broadcast(Incidents(incidents=incidents.summary), group=EVERYBODY)


@incident.on_connect
async def stay(ctx: Context, here: Current, visitor: Who) -> AsyncIterator[None]:
    """Before the `yield` the visitor has come; after it, they have left: the topic, or the page."""
    with here.people.visit(visitor.name, ctx.id):
        await ctx.join(here.group)
        await ctx.send(Story(title=here.title, said=list(here.said)))
        await incident.broadcast(Present(people=here.people.names), group=here.group)
        yield
    await incident.broadcast(Present(people=here.people.names), group=here.group)


@incident.on(Say)
async def say(message: Say, ctx: Context, here: Current, visitor: Who) -> None:
    said = Said(who=visitor.name, text=message.text, at=time.time_ns() // 1_000_000)
    here.said.append(said)
    await ctx.broadcast(said, group=here.group)


@incident.on(Resolve)
async def resolve(_: Resolve, here: Current, visitor: OnCall) -> None:
    incidents.resolve(here.pk)
    await tell_incidents()
    await incident.emit(Resolved(by=visitor.name), group=here.group)


@incident.event(Resolved)
async def resolved(event: Resolved, ctx: Context) -> None:
    # In a topic this ends the topic alone, and on a route of its own the connection.
    await ctx.close(RESOLVED, f"Resolved by {event.by}.")
