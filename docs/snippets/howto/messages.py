from typing import Literal

from pydantic import BaseModel

from chanx import Channel


# --8<-- [start:several]
class Start(BaseModel):
    type: Literal["start"] = "start"


class Stop(BaseModel):
    type: Literal["stop"] = "stop"


class Turn(BaseModel):
    type: Literal["left", "right"]  # one class, two tags


class Status(BaseModel):
    type: Literal["status"] = "status"
    text: str


app = Channel("engine", discriminator="type")


@app.on(Start, Stop)
async def switch(message: Start | Stop) -> Status:
    return Status(text="on" if isinstance(message, Start) else "off")


@app.on(Turn)
async def turn(message: Turn) -> list[Status]:  # several messages, in order
    return [Status(text=f"turning {message.type}"), Status(text="done")]


# --8<-- [end:several]
