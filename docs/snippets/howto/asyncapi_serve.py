from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from chanx import Channel
from chanx.asyncapi import routes


class Ping(BaseModel):
    action: Literal["ping"] = "ping"


class Pong(BaseModel):
    action: Literal["pong"] = "pong"


chat = Channel("chat", title="Chat")


@chat.on(Ping)
async def ping(_: Ping) -> Pong:
    """Answer at once."""
    return Pong()


# --8<-- [start:app]
app = Starlette(
    routes=[
        WebSocketRoute("/rooms/{room:int}", chat),
        Mount("/{tenant}", routes=[WebSocketRoute("/chat", chat)]),
    ]
)
app.router.routes[:0] = routes(app, title="Chat", version="1.4.0", servers=["wss://chat.example.com"])
# --8<-- [end:app]
