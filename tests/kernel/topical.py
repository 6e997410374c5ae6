"""A hub with topics, frames to talk to them, and their answers in a word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import anyio
import anyio.lowlevel
from pydantic import BaseModel

from chanx import Channel, Context, Path, Reject
from tests.kernel.desk import Desk
from tests.kernel.messages import Boom, Done, Fired, Hired, Job, Said, Say, Wait
from tests.kernel.wire import Wire

Number = Annotated[int, Path("pk")]


class Shout(BaseModel):
    """Something that all subscribers of the room hear."""

    action: Literal["shout"] = "shout"
    text: str


class Bye(BaseModel):
    """A handler that is told to end the subscription."""

    action: Literal["bye"] = "bye"


class Count(BaseModel):
    """A stream: one `done`, then as long as the desk works, then another."""

    action: Literal["count"] = "count"
    name: str


class House:
    """A hub with rooms: `room:{pk}`, and a group of that name for each.

    Attributes:
        desk: what the handlers of `wait` and `job` do, and the hooks of a room while a name stands in `held`: the work
            of `on_connect` in room 5 is called `on 5`, that of `on_disconnect` `off 5`.
        log: what the hooks did: `+5` when `on_connect` of room 5 has finished, `-5` at the end of `on_disconnect`.
        refusals: what `on_connect` raises, by the number of the room.
    """

    def __init__(self, *, job: dict[str, Any] | None = None, **options: Any) -> None:
        self.desk = Desk()
        self.held: set[str] = set()
        self.log: list[str] = []
        self.refusals: dict[int, Exception] = {}
        self.contexts: dict[int, Context] = {}
        self.room = self._room(job or {})
        self.hub = Channel("hub", **options)
        self._fill_hub()

    def _room(self, options: dict[str, Any]) -> Channel:
        room, desk = Channel("room"), self.desk

        @room.on_connect
        async def enter(ctx: Context, pk: Number) -> None:
            self.contexts[pk] = ctx
            await ctx.join(f"room:{pk}")
            if f"on {pk}" in self.held:
                await desk.work(f"on {pk}")
            if pk in self.refusals:
                raise self.refusals[pk]
            self.log.append(f"+{pk}")

        @room.on_disconnect
        async def leave(ctx: Context, pk: Number) -> None:
            assert ctx.groups == frozenset()
            assert ctx.left_groups == {f"room:{pk}"}
            if f"off {pk}" in self.held:
                await desk.work(f"off {pk}")
            self.log.append(f"-{pk}")

        @room.on(Say)
        async def say(message: Say, pk: Number) -> Said:
            return Said(text=f"{message.text} in {pk}")

        @room.on(Shout)
        async def shout(message: Shout, ctx: Context, pk: Number) -> None:
            await ctx.broadcast(Said(text=message.text), group=f"room:{pk}")

        @room.on(Wait)
        async def wait(message: Wait) -> Done:
            await desk.work(message.name)
            return Done(name=message.name)

        @room.on(Job, **options)
        async def job(message: Job) -> Done:
            await desk.work(message.name)
            return Done(name=message.name)

        @room.on(Count)
        async def count(message: Count) -> AsyncIterator[Done]:
            yield Done(name="1")
            await desk.work(message.name)
            yield Done(name="2")

        @room.on(Boom)
        async def boom(message: Boom) -> None:
            raise ValueError("boom")

        @room.on(Bye)
        async def bye(message: Bye, ctx: Context) -> None:
            await ctx.close(4000, "bye")

        @room.event(Hired)
        async def hired(event: Hired) -> Said:
            return Said(text=f"hired {event.name}")

        @room.event(Fired)
        async def fired(event: Fired) -> Said:
            await desk.work(event.name)
            return Said(text=f"fired {event.name}")

        return room

    def _fill_hub(self) -> None:
        hub, desk = self.hub, self.desk

        @hub.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("hub")
            self.log.append("+hub")

        @hub.on_disconnect
        async def leave(ctx: Context) -> None:
            self.log.append("-hub")

        @hub.on(Say)
        async def say(message: Say) -> Said:
            return Said(text=f"{message.text} in hub")

        @hub.on(Wait)
        async def wait(message: Wait) -> Done:
            await desk.work(message.name)
            return Done(name=message.name)

        @hub.on(Boom)
        async def boom(message: Boom) -> None:
            raise ValueError("boom")

        @hub.on(Bye)
        async def bye(message: Bye, ctx: Context) -> None:
            await ctx.close(4001, "bye")

        hub.include(self.room, topic="room:{pk}")

    @property
    def members(self) -> dict[str, int]:
        """How many members each group has."""
        members = self.hub.layers()[0].members
        return {group: members.count(group) for group in sorted(members.groups())}

    def refuse(self, pk: int, status: int, detail: str = "no") -> None:
        self.refusals[pk] = Reject(status, detail)


def sub(topic: Any, ref: Any = None) -> dict[str, Any]:
    """Subscribe."""
    return {"action": "subscribe", "topic": topic} | ({} if ref is None else {"ref": ref})


def unsub(topic: Any, ref: Any = None) -> dict[str, Any]:
    """Unsubscribe."""
    return {"action": "unsubscribe", "topic": topic} | ({} if ref is None else {"ref": ref})


def to(topic: Any, action: str, ref: Any = None, **fields: Any) -> dict[str, Any]:
    """A message for a topic; None is the hub's."""
    return (
        {"action": action, **fields}
        | ({} if topic is None else {"topic": topic})
        | ({} if ref is None else {"ref": ref})
    )


def word(frame: dict[str, Any]) -> str:
    """A frame in a word: `room:5 subscribed #1`, `said x`, `room:5 !not_subscribed #2`."""
    topic, payload, what = frame.get("topic"), frame.get("payload"), str(frame["action"])
    assert ("version" in frame) == (topic is not None), frame
    assert frame.get("version", 1) == 1
    if what == "error":
        what = f"!{frame['payload']['code']}"
        assert frame["payload"].get("reason", frame["payload"]["code"]) == frame["payload"]["code"], frame
    elif what in ("said", "done"):
        what = f"{what} {frame.get('text', frame.get('name'))}"
    elif what == "unsubscribed" and payload is not None:
        what = f"unsubscribed {payload['code']} {payload['reason']}"
    return " ".join([*([topic] if topic else []), what, *([f"#{frame['ref']}"] if "ref" in frame else [])])


def words(wire: Wire, start: int = 0) -> list[str]:
    """All frames that were sent, from one on."""
    return [word(frame) for frame in wire.frames[start:]]


def part(wire: Wire, topic: str) -> list[str]:
    """The frames of one topic, without its name."""
    return [word(frame).removeprefix(f"{topic} ") for frame in wire.frames if frame.get("topic") == topic]


async def stuck() -> None:
    """Until nothing goes on, be it that there is something to read."""
    for _ in range(3):
        await anyio.wait_all_tasks_blocked()
        await anyio.lowlevel.checkpoint()
