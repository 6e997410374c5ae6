from typing import Literal

from pydantic import BaseModel

from chanx import Channel


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


app = Channel("chat")


@app.on(Say)
async def say(message: Say) -> Said:
    return Said(text=message.text)
