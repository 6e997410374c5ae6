"""A channel that asks its client, and the frames of such a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import pytest
from pydantic import BaseModel

from chanx import AskFailed, Channel, ConnectionClosed, Context, Limits
from tests.kernel.desk import Desk
from tests.kernel.messages import Boom, Hired, Job, Said, Say, Wait


class Confirm(BaseModel):
    action: Literal["confirm"] = "confirm"
    text: str = ""


class Yes(BaseModel):
    action: Literal["yes"] = "yes"
    sure: bool = True


class No(BaseModel):
    action: Literal["no"] = "no"


class Move(msgspec.Struct, tag_field="action", tag="move"):
    x: int


def answer(ask: Any = "q1", tag: str = "yes", **fields: Any) -> dict[str, Any]:
    return {"action": tag, "ask": ask, **fields}


def decline(ask: str = "q1", **payload: str) -> dict[str, Any]:
    return {"action": "error", "payload": payload, "ask": ask}


#: What a handler of these tests does with its context.
Asking = Callable[[Context[Any]], Awaitable[Any]]


async def confirm(ctx: Context[Any]) -> Any:
    return await ctx.ask(Confirm(), Yes, No)


class Asker:
    """A channel whose job asks; `outcomes` are the answers, or the codes of what was raised."""

    def __init__(self, asking: Asking = confirm, limits: Limits | None = None, **options: Any) -> None:
        self.channel = channel = Channel(limits=limits)
        self.outcomes: list[Any] = []
        self.desk = desk = Desk()

        async def ask(ctx: Context[Any]) -> None:
            try:
                self.outcomes.append(await asking(ctx))
            except AskFailed as failed:
                self.outcomes.append(failed.code)
                raise
            except ConnectionClosed as closed:
                self.outcomes.append(closed.code)
                raise

        @channel.on(Job, **options)
        async def work(message: Job, ctx: Context) -> None:
            await ask(ctx)

        @channel.on(Say)
        async def say(message: Say) -> Said:
            return Said(text=message.text)

        @channel.on(Wait)
        async def wait(message: Wait) -> None:
            await desk.work(message.name)

        @channel.on(Boom, concurrency=5)
        async def boom(message: Boom, ctx: Context) -> None:
            await ctx.close(3000)

        @channel.event(Hired)
        async def hired(event: Hired, ctx: Context) -> None:
            await ask(ctx)

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room")


BESIDE = pytest.mark.parametrize("options", [{}, {"concurrency": 2}, {"timeout": 500}, {"on_leave": "cancel"}], ids=str)
