"""What one writes today without chanx: a Starlette endpoint, and a FastAPI route."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.limits import union
from benchmarks.messages import Family, Handler, execute
from benchmarks.wire import App

ENDPOINT = """
async def endpoint(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            match await socket.receive_json():
{cases}                case _:
                    await socket.send_json({{"action": "error", "payload": {{"code": "invalid_message"}}}})
    except WebSocketDisconnect:
        pass
"""

CASE = """                case {{"action": "say{n}", "text": str(text), "count": int()}}:
                    await socket.send_json({{"action": "said", "text": text}})
"""


def starlette_endpoint(size: int) -> App:
    """`receive_json`, `match` over the dict with one case for each action, `send_json` of a dict.

    The patterns are all its validation; it has no message classes.
    """
    source = ENDPOINT.format(cases="".join(CASE.format(n=n) for n in range(size)))
    made = execute(source, {"WebSocket": WebSocket, "WebSocketDisconnect": WebSocketDisconnect})
    endpoint: Callable[[Any], Awaitable[None]] = made["endpoint"]
    return Starlette(routes=[WebSocketRoute("/", endpoint)])


def fastapi_route(messages: Family, handlers: Mapping[type[Any], Handler]) -> App:
    """`receive_json`, `TypeAdapter.validate_python` of a discriminated union, a dict of handlers,
    `send_json` of `model_dump()`.
    """
    from fastapi import FastAPI  # only here: under valgrind its import alone takes seconds

    kind: Any = Annotated[union(messages), Field(discriminator="action")] if messages.size > 1 else messages.types[0]
    adapter = TypeAdapter[BaseModel](kind)
    app = FastAPI()

    @app.websocket("/")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                message = adapter.validate_python(await socket.receive_json())
                reply = await handlers[type(message)](message)
                await socket.send_json(reply.model_dump())
        except WebSocketDisconnect:
            pass

    return app
