from typing import Literal

from pydantic import BaseModel

from chanx import Channel


class Ping(BaseModel):
    action: Literal["ping"] = "ping"


class Pong(BaseModel):
    action: Literal["pong"] = "pong"


app = Channel("ping")


@app.on
async def ping(_: Ping) -> Pong:  # with a bare `on`, the message is read off the annotation
    return Pong()
