from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel
from chanx.asyncapi import routes


# --8<-- [start:app]
class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str
    loud: bool = False


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


chat = Channel("chat")


@chat.on(Say)
async def say(message: Say) -> Said:
    return Said(text=message.text.upper() if message.loud else message.text)


app = Starlette(routes=[WebSocketRoute("/rooms/{room:int}", chat)])
app.router.routes[:0] = routes(app, title="Chat", version="1")
# --8<-- [end:app]
