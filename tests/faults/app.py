"""What the servers and the publisher of the end-to-end tests run: rooms whose messages are numbered.

Rooms whose name begins with `kept` or `few` have a history. A client comes to one of four channels, which differ in
what becomes of it when it may have missed something, or is too slow. It says in its query which room it joins, and
whether as a stream.
"""

from __future__ import annotations

import os
from typing import Any, Literal

import msgspec
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from chanx import Channel, Context, History, Limits
from chanx.groups.redis import RedisLayer

#: What is kept of a room: the most that may be. One test publishes 20 more; else nothing is gone but what Redis lost.
SIZE = 10_000
#: The same where something is to be missing: more than is read at once, and less than the tests publish.
FEW = 150
RULES = {"kept*": History(size=SIZE, ttl=3600), "few*": History(size=FEW, ttl=3600)}

# Soon noticed, and connected again soon. Who publishes waits until the link is back.
layer = RedisLayer(
    os.environ.get("CHANX_TEST_REDIS", "redis://127.0.0.1:6379"),
    heartbeat=0.1,
    heartbeat_timeout=float(os.environ.get("CHANX_TEST_HEARTBEAT_TIMEOUT", "1")),
    connect_timeout=2.0,
    max_pause=0.2,
    timeout=60.0,
)


class Said(BaseModel):
    """One of the numbered messages.

    Attributes:
        number: from 1 on, in each room.
        at: when it was published, by the clock that all processes of the machine share (`time.monotonic`).
    """

    action: Literal["said"] = "said"
    number: int
    at: float
    text: str = ""


def chat(name: str, **options: Any) -> Channel:
    channel = Channel(name, groups=layer, history=RULES, **options)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        query = ctx.connection.query_params
        if "stream" in query:
            await ctx.join(query["room"], stream=query["room"], user=query["name"])
        else:
            await ctx.join(query["room"])

    return channel


# No client is to be thrown out because it stood still for a while, but for what was published meanwhile.
patient = Limits(send_timeout=120.0)
small = Limits(outbox=200, outbox_bytes=1024 * 1024, send_timeout=120.0)

channels = {
    "chat": chat("chat", limits=patient),
    "closing": chat("closing", limits=patient, on_gap="close"),
    "strict": chat("strict", limits=small),
    "dropping": chat("dropping", limits=small, overflow="drop_oldest"),
}


async def stats(request: Request) -> JSONResponse:
    """The counters of each channel, and whether the link is up."""
    counters = {name: msgspec.structs.asdict(channel.stats()) for name, channel in channels.items()}
    return JSONResponse({"healthy": layer.healthy(), **counters})


app = Starlette(
    routes=[Route("/stats", stats), *(WebSocketRoute(f"/{name}", channel) for name, channel in channels.items())]
)
