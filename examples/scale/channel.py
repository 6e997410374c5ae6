"""What each server process serves: one room. Its clients hear the same, whichever process they are connected to.

The processes and their supervisor make their layer in the same way, and so hear each other.
"""

import os
import time

from chanx import Channel, Context, History
from chanx.groups.redis import RedisLayer
from examples.scale.messages import Answered, Kill, Said, Say, Start, Welcome

REDIS, PREFIX, PROCESS = "SCALE_REDIS", "SCALE_PREFIX", "SCALE_PROCESS"
"""The variables by which the supervisor tells a process where Redis is, and who it is."""

ROOM, PROCESSES = "room", "processes"
HISTORIES = {ROOM: History(size=500, ttl=600)}


def layer() -> RedisLayer | None:
    """What connects the processes; None, which means memory, for one that was started alone."""
    if (url := os.environ.get(REDIS)) is None:
        return None
    return RedisLayer(url, prefix=os.environ[PREFIX])


def now() -> int:
    return time.time_ns() // 1_000_000


name = os.environ.get(PROCESS, "alone")
scale = Channel("scale", title="Scale", groups=layer(), history=HISTORIES)


@scale.on_connect
async def enter(ctx: Context) -> None:
    await ctx.send(Welcome(process=name, pid=os.getpid(), at=now()))
    await ctx.join(ROOM, stream="room")
    await ctx.join(PROCESSES)


@scale.on(Say)
async def say(message: Say, ctx: Context) -> Answered:
    said = Said(text=message.text, process=name, at=now())
    await ctx.broadcast(said, group=ROOM, idempotency_key=f"say:{message.id}")
    return Answered(process=name)


# The supervisor reads the standard output of its processes.
@scale.on(Kill)
async def kill(message: Kill) -> None:
    print("kill", message.process, flush=True)


@scale.on(Start)
async def start(message: Start) -> None:
    print("start", message.process, flush=True)
