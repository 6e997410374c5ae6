from typing import Literal

from pydantic import BaseModel

from chanx import Channel, Reject


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


class Note(BaseModel):
    action: Literal["note"] = "note"


class Split(BaseModel):
    action: Literal["split"] = "split"
    text: str


class Admin(BaseModel):
    action: Literal["admin"] = "admin"


class Crash(BaseModel):
    action: Literal["crash"] = "crash"


app = Channel("wire")


@app.on(Say)
async def say(message: Say) -> Said:
    return Said(text=message.text)


@app.on(Note)
async def note(message: Note) -> None:
    """Nothing to answer."""


@app.on(Split)
async def split(message: Split) -> list[Said]:
    return [Said(text=word) for word in message.text.split()]


@app.on(Admin)
async def admin(_: Admin) -> None:
    raise Reject(403, "this is for admins")


@app.on(Crash)
async def crash(_: Crash) -> None:
    raise ZeroDivisionError("the client does not see this")
