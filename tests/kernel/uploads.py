"""A channel that takes streams of its client, and the frames of such a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import anyio
import msgspec
import pytest
from pydantic import BaseModel

from chanx import Channel, Limits
from tests.kernel.desk import Desk
from tests.kernel.messages import Done, Job, Said, Say, Wait


class Upload(BaseModel):
    action: Literal["upload"] = "upload"
    name: str = ""


class Chunk(BaseModel):
    action: Literal["chunk"] = "chunk"
    data: int


class Note(BaseModel):
    action: Literal["note"] = "note"


class Bit(msgspec.Struct, tag_field="action", tag="bit"):
    on: bool


def start(ref: Any = "u", name: str = "", **more: Any) -> dict[str, Any]:
    return {"action": "upload", "name": name or str(ref), "ref": ref, **more}


def chunk(data: Any, ref: Any = "u") -> dict[str, Any]:
    return {"action": "chunk", "data": data, "ref": ref}


def end(ref: Any = "u") -> dict[str, Any]:
    return {"action": "complete", "ref": ref}


def say(text: str = "x") -> dict[str, Any]:
    return {"action": "say", "text": text, "ref": text}


class Uploads:
    """A channel whose uploads are summed up; the handler takes each chunk as soon as the test lets it."""

    def __init__(self, limits: Limits | None = None, *, paced: bool = False, **options: Any) -> None:
        self.channel = channel = Channel(limits=limits)
        self.desk = desk = Desk()
        self.taken: list[tuple[str, int]] = []

        @channel.on(Upload, **options)
        async def upload(message: Upload, chunks: AsyncIterator[Chunk]) -> Said:
            desk.log.append(f"+{message.name}")
            try:
                async for one in chunks:
                    self.taken.append((message.name, one.data))
                    if paced:
                        await desk.gate(f"{message.name}{one.data}").wait()
            except BaseException:
                desk.log.append(f"!{message.name}")
                raise
            desk.log.append(f"-{message.name}")
            return Said(text=str(sum(data for name, data in self.taken if name == message.name)))

        @channel.on(Say)
        async def say(message: Say) -> Said:
            return Said(text=message.text)

        @channel.on(Wait)
        async def wait(message: Wait) -> None:
            await desk.work(message.name)

        @channel.on(Job, concurrency=2)
        async def work(message: Job) -> Done:
            await desk.work(message.name)
            return Done(name=message.name)

    def data(self, name: str = "u") -> list[int]:
        return [data for whose, data in self.taken if whose == name]


BESIDE = pytest.mark.parametrize("options", [{}, {"concurrency": 2}], ids=["serial", "concurrent"])


async def settled_or_stuck() -> None:
    """Until nothing goes on, also where frames are left that nobody reads."""
    await anyio.sleep(5)
    await anyio.wait_all_tasks_blocked()
