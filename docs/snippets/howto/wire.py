from collections.abc import AsyncIterator
from typing import Annotated, Literal

import anyio
from pydantic import BaseModel

from chanx import Channel, Context, Path, Reject


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


class Spell(BaseModel):
    action: Literal["spell"] = "spell"
    text: str


class Watch(BaseModel):
    action: Literal["watch"] = "watch"


class Join(BaseModel):
    action: Literal["join"] = "join"


class Part(BaseModel):
    action: Literal["part"] = "part"
    text: str


class Delete(BaseModel):
    action: Literal["delete"] = "delete"


class Confirm(BaseModel):
    action: Literal["confirm"] = "confirm"


class Confirmed(BaseModel):
    action: Literal["confirmed"] = "confirmed"
    yes: bool


class Slow(BaseModel):
    action: Literal["slow"] = "slow"


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


@app.on(Spell)
async def spell(message: Spell) -> AsyncIterator[Said]:
    for letter in message.text:
        yield Said(text=letter)


@app.on(Watch)
async def watch(_: Watch) -> AsyncIterator[Said]:
    yield Said(text="watching")
    await anyio.sleep_forever()


@app.on(Join)
async def join(_: Join, parts: AsyncIterator[Part]) -> Said:
    return Said(text="".join([part.text async for part in parts]))


@app.on(Delete)
async def delete(_: Delete, ctx: Context) -> Said:
    answer = await ctx.ask(Confirm(), Confirmed)
    return Said(text="deleted" if answer.yes else "kept")


room = Channel("room")


@room.on_connect
async def enter(ctx: Context, name: Annotated[str, Path("name")]) -> None:
    if name == "attic":
        raise Reject(403, "the attic is locked")
    await ctx.send(Said(text=f"welcome to the {name}"))


@room.on(Say)
async def say_in_room(message: Say, name: Annotated[str, Path("name")]) -> Said:
    return Said(text=f"{message.text}, from the {name}")


@room.on(Note)
async def leave_room(_: Note, ctx: Context) -> None:
    await ctx.close(4000, "closed for today")


app.include(room, topic="room:{name}")


@app.on(Slow, timeout=0.01)
async def slow(_: Slow) -> None:
    await anyio.sleep_forever()
