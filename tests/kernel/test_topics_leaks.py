"""Thousands of subscriptions whose hooks and handlers raise leave nothing behind, on a connection that lasts."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncGenerator, Generator
from typing import Annotated

import pytest

from chanx import Channel, Context, Depends, Reject
from tests.full import rounds
from tests.kernel.messages import Boom, Hired, Said, Say
from tests.kernel.test_leaks import chanx_objects, idle, tasks
from tests.kernel.topical import sub, to, unsub
from tests.kernel.wire import Wire, serve

ROUNDS = rounds(250)
FEW = 5


@pytest.fixture(autouse=True)
def _quiet() -> Generator[None, None, None]:
    """Each of thousands of raised exceptions would be kept by the log capture, frames and all; and the collector need
    not look again and again at what the rest of the suite has loaded.
    """
    logger = logging.getLogger("chanx")
    logger.disabled = True
    gc.collect()
    gc.freeze()
    yield
    logger.disabled = False


class Held:
    """Counts dependencies that are open."""

    def __init__(self) -> None:
        self.open = 0

    async def resource(self) -> AsyncGenerator[str, None]:
        self.open += 1
        yield "r"
        self.open -= 1
        raise ValueError("closing")


def everything_raises(case: str, held: Held) -> Channel:
    hub, room = Channel(case, state=dict), Channel("room", state=dict)

    @room.on_connect
    async def enter(
        ctx: Context, value: Annotated[str, Depends(held.resource, scope="connection")]
    ) -> AsyncGenerator[None, None]:
        await ctx.join("room", ctx.id)
        await ctx.send(Said(text="hello"))
        yield
        raise ValueError("second half")

    @room.on_connect
    async def enter_too() -> None:
        if case == "on_connect raises":
            raise ValueError("connect")
        if case == "on_connect refuses":
            raise Reject(403, "no")

    @room.on_disconnect
    async def leave(ctx: Context) -> None:
        raise ValueError("leave")

    @room.on(Say)
    async def say(message: Say, ctx: Context, value: Annotated[str, Depends(held.resource)]) -> Said:
        await ctx.broadcast(Said(text=message.text), group="room")
        return Said(text=message.text)

    @room.on(Boom)
    async def boom(message: Boom, ctx: Context) -> None:
        if case == "the handler closes":
            await ctx.close(4000, "bye")
        raise ValueError(ctx)

    @room.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        raise ValueError(ctx)

    hub.include(room, topic="room:{pk}")
    return hub


async def round_trip(channel: Channel, wire: Wire, number: int) -> None:
    """One subscription from beginning to end; each has a name of its own."""
    topic = f"room:{number}"
    wire.say(sub(topic, "1"), to(topic, "say", "2", text="x"), to(topic, "say", text="y"), to(topic, "boom", "3"))
    await answered(wire, "3")
    await channel.emit(Hired(name="x"), group="room")
    wire.say(unsub(topic, "4"), to(topic, "say", "5", text="late"))
    await answered(wire, "5")
    wire.sent.clear()


async def answered(wire: Wire, ref: str) -> None:
    await wire.until(lambda: any(frame.get("ref") == ref for frame in wire.frames))


CASES = ["the client unsubscribes", "the handler closes", "on_connect raises", "on_connect refuses"]


@pytest.mark.parametrize("case", CASES)
async def test_nothing_is_left_behind(case: str) -> None:
    held = Held()
    channel = everything_raises(case, held)
    async with serve(channel, patience=30) as wire:
        await wire.accepted()
        for number in range(20):  # what is made once is made now
            await round_trip(channel, wire, number)
        await idle()
        before, tasks_before = chanx_objects(), tasks()
        for number in range(20, 20 + ROUNDS):
            await round_trip(channel, wire, number)
        await idle()
        grown = chanx_objects()
        grown.subtract(before)
        # of what each round leaves there would be many; a timer or two of the connection's own may be under way
        assert {kind: count for kind, count in grown.items() if count > FEW} == {}
        assert tasks() <= tasks_before + FEW
        assert held.open == 0
        members = channel.layers()[0].members
        assert members.groups() == []
        assert len(members.everyone()) == 1
        assert channel.stats().topics == 0
        assert channel.stats().connections == 1
    await idle()
    assert channel.layers()[0].members.everyone() == []


async def test_connections_that_end_with_their_topics_leave_nothing_behind() -> None:
    held = Held()
    channel = everything_raises("the client leaves", held)

    async def visit() -> None:
        async with serve(channel, patience=30) as wire:
            await wire.accepted()
            wire.say(*(sub(f"room:{number}") for number in range(5)), to("room:1", "say", "1", text="x"))
            wire.leave()
            await wire.end()

    for _ in range(20):
        await visit()
    await idle()
    before, tasks_before = chanx_objects(), tasks()
    for _ in range(ROUNDS):
        await visit()
    await idle()
    grown = chanx_objects()
    grown.subtract(before)
    assert {kind: count for kind, count in grown.items() if count > 0} == {}
    assert tasks() == tasks_before
    assert held.open == 0
    assert channel.layers()[0].members.groups() == []
    assert channel.layers()[0].members.everyone() == []
    assert (channel.stats().connections, channel.stats().topics) == (0, 0)
