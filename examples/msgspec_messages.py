"""Messages as msgspec structs, and a pydantic model beside them in one channel.

A struct names its discriminator with `tag_field` and its value with `tag`; a tagged union needs both.
Structs are validated and encoded by msgspec, models by pydantic: use structs where a message comes
often, and models where a field needs pydantic's validators.

Run it with `uvicorn examples.msgspec_messages:app`, connect to `ws://127.0.0.1:8000/` and send
`{"action": "move", "dx": 3, "dy": 4}`, then `{"action": "rename", "name": " Ada "}`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct
from pydantic import BaseModel, StringConstraints

from chanx import Channel, Context

Step = Annotated[float, Meta(ge=-10, le=10)]


class Move(Struct, tag_field="action", tag="move", frozen=True, forbid_unknown_fields=True):
    dx: Step
    dy: Step = 0.0


class Moved(Struct, tag_field="action", tag="moved", frozen=True):
    name: str
    x: float
    y: float


class Rename(BaseModel):
    action: Literal["rename"] = "rename"
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)]


@dataclass
class Player:
    """What one connection remembers; the channel makes a new one for each."""

    name: str = "somebody"
    x: float = 0.0
    y: float = 0.0

    def where(self) -> Moved:
        return Moved(self.name, self.x, self.y)


app = Channel("players", state=Player)


@app.on(Move)
async def move(message: Move, ctx: Context[Player]) -> Moved:
    ctx.state.x += message.dx
    ctx.state.y += message.dy
    return ctx.state.where()


@app.on(Rename)
async def rename(message: Rename, ctx: Context[Player]) -> Moved:
    ctx.state.name = message.name
    return ctx.state.where()
