from collections.abc import AsyncIterator
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Path
from chanx.asyncapi import document, to_json, to_yaml


# --8<-- [start:chat]
class Say(BaseModel):
    """What a member says."""

    action: Literal["say"] = "say"
    text: str = Field(description="At most 200 characters.", max_length=200, examples=["Good morning"])


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


class Recall(BaseModel):
    action: Literal["recall"] = "recall"


class Hired(BaseModel):
    action: Literal["hired"] = "hired"
    name: str


chat = Channel("chat", title="Chat", description="The rooms of the office.")
Room = Annotated[int, Path("room"), Field(description="The number of the room.", examples=[7])]


@chat.on(Say, output=Said, tags=["talk"])
async def say(message: Say, ctx: Context, room: Room) -> None:
    """Say something to all who are in the room."""
    await ctx.broadcast(Said(text=message.text), group=f"room:{room}")


@chat.on(Recall)
async def recall(_: Recall) -> AsyncIterator[Said]:
    """Hear what was said before."""
    yield Said(text="hello")


@chat.event(Hired)
async def hired(event: Hired) -> Said:
    """Somebody was hired."""
    return Said(text=f"welcome {event.name}")


# --8<-- [end:chat]

# --8<-- [start:document]
app = Starlette(routes=[WebSocketRoute("/rooms/{room:int}", chat)])
told = document(app, title="Office", version="1.4.0", servers=["wss://chat.example.com"])
# --8<-- [end:document]

# --8<-- [start:text]
text = to_json(told)
also = to_yaml(told)  # needs PyYAML: pip install "chanx[asyncapi]"
# --8<-- [end:text]

# --8<-- [start:options]
secured = document(
    {"/rooms/{room}": chat, "/chat": Channel("lobby")},
    title="Office",
    version="1.4.0",
    description="What is said in the office.",
    servers={
        "live": "wss://chat.example.com/ws",
        "local": {"url": "ws://localhost:8000", "description": "On your desk."},
    },
    security_schemes={"token": {"type": "httpApiKey", "in": "query", "name": "token"}},
    security=["token"],
    license={"name": "MIT"},
)
# --8<-- [end:options]
