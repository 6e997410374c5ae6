"""Thousands of connections whose hooks and handlers raise leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

from chanx import Channel, Context, Depends
from tests.full import rounds
from tests.kernel.messages import Boom, Hired, Said, Say
from tests.kernel.wire import websocket_scope

#: Per case and backend; ten thousand over all in the long form.
ROUNDS = rounds(1250)


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


async def resource() -> AsyncGenerator[str, None]:
    yield "r"


async def failing() -> AsyncGenerator[str, None]:
    yield "f"
    raise ValueError("closing")


Resource = Annotated[str, Depends(resource, scope="connection")]
Failing = Annotated[str, Depends(failing)]


def everything_raises(case: str) -> Channel:
    channel = Channel(case, state=dict)
    child = Channel("child")

    @channel.on_connect
    async def enter(ctx: Context, value: Resource) -> AsyncGenerator[None, None]:
        await ctx.join("room", ctx.id)
        await ctx.send(Said(text="hello"))
        yield
        raise ValueError("second half")

    @channel.on_disconnect
    async def leave(ctx: Context) -> None:
        raise ValueError("leave")

    @child.on_connect
    async def child_enter() -> None:
        if case == "on_connect raises":
            raise ValueError("connect")

    @channel.on(Say)
    async def say(message: Say, ctx: Context, value: Failing) -> Said:
        await ctx.broadcast(Said(text=message.text), group="room")
        return Said(text=message.text)

    @channel.on(Boom)
    async def boom(message: Boom, ctx: Context) -> None:
        raise ValueError(ctx)

    @channel.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        raise ValueError(ctx)

    channel.include(child)
    return channel


FRAMES = ['{"action":"say","text":"x"}', '{"action":"boom","ref":1}', "not json", '{"action":"say","text":"y","ref":2}']


async def visit(channel: Channel, case: str) -> None:
    """One connection from beginning to end."""
    inbound: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    inbound += [{"type": "websocket.receive", "text": frame} for frame in FRAMES]
    inbound.append({"type": "websocket.disconnect", "code": 1001})
    inbound.reverse()
    scope = anyio.CancelScope()

    async def receive() -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        if len(inbound) == 2:
            await channel.emit(Hired(name="x"), group="room")
            if case == "cancelled by the server":
                scope.cancel()
                await anyio.sleep_forever()
        return inbound.pop()

    async def send(event: dict[str, Any]) -> None:
        if case == "a send fails" and event["type"] == "websocket.send":
            raise OSError("gone")

    with scope:
        await channel(websocket_scope(), receive, send)


def chanx_objects() -> Counter[str]:
    gc.collect()
    found: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        if str(kind.__module__).startswith("chanx"):  # of some types it is a descriptor
            found[f"{kind.__module__}.{kind.__qualname__}"] += 1
        elif issubclass(kind, anyio.Event | anyio.CancelScope):  # `isinstance` would make what others have lazily
            found[kind.__qualname__] += 1
    return found


async def idle() -> None:
    """Until the runtime's background work has come to its end."""
    from chanx import _runtime

    await anyio.wait_all_tasks_blocked()
    runtime = _runtime.current()
    with anyio.fail_after(5):
        while runtime._ticking:  # noqa: ASYNC110 - a timer that nothing tells of  # pyright: ignore[reportPrivateUsage]
            await anyio.sleep(_runtime.TICK)
    await anyio.wait_all_tasks_blocked()


def tasks() -> int:
    if "trio" in sys.modules:
        import trio

        if trio.lowlevel.in_trio_run():
            return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


CASES = ["the client leaves", "on_connect raises", "a send fails", "cancelled by the server"]


@pytest.mark.parametrize("case", CASES)
async def test_nothing_is_left_behind(case: str) -> None:
    channel = everything_raises(case)
    for _ in range(20):  # what is made once is made now
        await visit(channel, case)
    await idle()
    before, tasks_before = chanx_objects(), tasks()
    for _ in range(ROUNDS):
        await visit(channel, case)
    await idle()
    grown = chanx_objects()
    grown.subtract(before)
    assert {kind: count for kind, count in grown.items() if count > 0} == {}
    assert tasks() == tasks_before
    members = channel.layers()[0].members
    assert members.groups() == []
    assert members._ids == {}  # pyright: ignore[reportPrivateUsage]
    stats = channel.stats()
    assert stats.connections == 0
    assert stats.accepted + stats.refused == ROUNDS + 20
    assert stats.handler_errors >= ROUNDS
