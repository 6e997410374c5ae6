"""Channels that stream."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Annotated, Any

import anyio
import anyio.lowlevel

from chanx import Channel, Context, Depends, Limits
from tests.kernel.messages import Done, Job, Said, Say


def stream_of(function: Callable[..., Any], limits: Limits | None = None, **options: Any) -> Channel:
    """A channel whose job is this generator function, with `say` as a serial message."""
    channel = Channel(limits=limits)
    channel.on(Job, **options)(function)

    @channel.on(Say)
    async def answer(message: Say) -> Said:
        return Said(text=message.text)

    return channel


async def three(message: Job) -> AsyncGenerator[Done, None]:
    for number in range(3):
        yield Done(name=str(number))


def with_resource(log: list[str], function: Callable[..., AsyncGenerator[Any, None]], **options: Any) -> Channel:
    """Its dependency writes down when it is closed, among the frames."""
    channel = Channel()

    async def resource(ctx: Context) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                if ctx.is_open:
                    await ctx.send(Said(text="closed"))
            log.append("closed")

    @channel.on(Job, **options)
    async def work(message: Job, value: Annotated[None, Depends(resource)]) -> AsyncIterator[Any]:
        try:
            async with contextlib.aclosing(function(message)) as items:
                async for item in items:
                    yield item
        finally:
            log.append("finally")

    return channel
