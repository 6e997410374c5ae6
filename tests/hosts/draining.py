"""The applications of test_drain.py: they are drained at SIGTERM, or by a route that is called before it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from chanx import Channel, drain_on_sigterm
from tests.hosts.apps import Echo, Echoed

BATCH = 2
INTERVAL = 0.3

chat = Channel("draining")


@chat.on(Echo)
async def echo(message: Echo) -> Echoed:
    return Echoed(text=message.text)


@chat.on_disconnect
async def leave(connection: HTTPConnection) -> None:
    closed = time.monotonic()
    await anyio.sleep(0.1)
    print(f"left: {connection.query_params['name']} {closed}")  # noqa: T201 - for the test, which reads the log


async def stop(request: Request) -> Response:
    drained = await chat.drain(batch=BATCH, interval=INTERVAL)
    return JSONResponse({"closed": drained.closed, "cut": drained.cut})


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    async with drain_on_sigterm(chat, batch=BATCH, interval=INTERVAL):
        yield
    print("resource closed")  # noqa: T201


app = Starlette(routes=[Route("/stop", stop), Mount("/chat", chat)], lifespan=lifespan)

first_use = contextlib.AsyncExitStack()
entered = False


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    """For a server that knows no lifespan: the signal is taken when the first client comes."""
    global entered
    if not entered:
        entered = True
        await first_use.enter_async_context(drain_on_sigterm(chat, batch=BATCH, interval=INTERVAL))
    await app(scope, receive, send)
