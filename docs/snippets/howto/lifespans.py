from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel

first = Channel("first")
second = Channel("second")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for channel in (first, second):
            await stack.enter_async_context(channel.lifespan(app))
        yield


app = Starlette(
    routes=[WebSocketRoute("/first", first), WebSocketRoute("/second", second)],
    lifespan=lifespan,
)
