"""Applications that a client comes to and leaves: the bare loop of ASGI, chanx, and frameworks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI
from fastapi import WebSocket as FastAPIWebSocket
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from benchmarks.consumers import CHANNELS, consumer, member
from benchmarks.messages import family, handlers
from benchmarks.routers import router
from benchmarks.wire import App, Event, Receive, Send
from chanx import Channel, Context

BARE = "bare loop"
TARGET = 3.5  # of the bare loop's CPU time
MEMORY_TARGET = 2048  # bytes above the bare loop
CONSUMER_TARGET = 0.1  # of the CPU time of the same consumer of Django Channels


@dataclass(frozen=True, slots=True)
class Life:
    """An application, and what the CPU time and the memory of its connections are held to."""

    name: str
    build: Callable[[], App]
    limit: str | None = BARE
    target: float | None = None
    added_to: str | None = None
    memory_target: int | None = None


async def bare(_scope: Event, receive: Receive, send: Send) -> None:
    """The least that an application can do: accept, and read until the client has left."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


def joining() -> App:
    """A channel whose connections enter a group of their own."""
    channel = Channel("benchmark")

    @channel.on_connect
    async def enter(ctx: Context) -> None:  # pyright: ignore[reportUnusedFunction]
        await ctx.join(ctx.id)

    for kind, handler in handlers(family("msgspec", 10)).items():
        channel.on(kind)(handler)
    channel.compile()
    return channel


class Endpoint(WebSocketEndpoint):
    """Starlette's endpoint class, as it is."""

    encoding = "json"


def starlette() -> App:
    return Starlette(routes=[WebSocketRoute("/", Endpoint)])


def fastapi() -> App:
    app = FastAPI()

    @app.websocket("/")
    async def talk(socket: FastAPIWebSocket) -> None:  # pyright: ignore[reportUnusedFunction]
        await socket.accept()
        try:
            while True:
                await socket.receive_json()
        except WebSocketDisconnect:
            pass

    return app


def litestar() -> App:
    from litestar import Litestar, WebSocket, websocket  # type: ignore[import-not-found]
    from litestar.exceptions import WebSocketDisconnect as Left  # type: ignore[import-not-found]

    async def talk(socket: Any) -> None:
        await socket.accept()
        try:
            while True:
                await socket.receive_json()
        except Left:
            pass

    talk.__annotations__["socket"] = WebSocket
    app: App = Litestar([websocket("/")(talk)], openapi_config=None)
    return app


def _lives() -> Iterator[Life]:
    yield Life(BARE, lambda: bare, limit=None)
    yield Life(f"{BARE}, once more", lambda: bare)
    yield Life("chanx", lambda: router(family("msgspec", 10)), target=TARGET, memory_target=MEMORY_TARGET)
    yield Life("chanx, joins a group", joining)
    yield Life("Starlette endpoint", starlette)
    yield Life("FastAPI route", fastapi)
    if find_spec("litestar") is not None:  # no dependency of the benchmarks; compared where it happens to be there
        yield Life("Litestar handler", litestar)
    yield from _consumers()


def _consumers() -> Iterator[Life]:
    """Class-based consumers, each beside the same one on Channels' class where that is installed."""
    kinds: tuple[tuple[str, Callable[[bool], App]], ...] = (
        ("JSON consumer, no layer", lambda channels: consumer(10, layered=False, channels=channels)),
        ("JSON consumer, channel layer", lambda channels: consumer(10, channels=channels)),
        ("JSON consumer in a group", lambda channels: member("benchmark", channels=channels)),
    )
    for name, build in kinds:
        yield Life(name, partial(build, False))
        if CHANNELS:
            yield Life(f"Channels' {name}", partial(build, True))
            yield Life(f"{name}, beside Channels'", partial(build, False), f"Channels' {name}", CONSUMER_TARGET)


LIVES = tuple(_lives())
