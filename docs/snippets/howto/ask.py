from typing import Literal

from pydantic import BaseModel

from chanx import AskFailed, Channel, Context


class Delete(BaseModel):
    action: Literal["delete"] = "delete"
    name: str


class Deleted(BaseModel):
    action: Literal["deleted"] = "deleted"
    name: str


class Kept(BaseModel):
    action: Literal["kept"] = "kept"
    name: str
    why: str


class Confirm(BaseModel):
    action: Literal["confirm"] = "confirm"
    text: str


class Confirmed(BaseModel):
    action: Literal["confirmed"] = "confirmed"
    yes: bool


files = Channel("files")


# --8<-- [start:ask]
@files.on(Delete)
async def delete(message: Delete, ctx: Context) -> Deleted | Kept:
    try:
        answer = await ctx.ask(Confirm(text=f"Delete {message.name}?"), Confirmed, timeout=30)
    except AskFailed as failed:
        return Kept(name=message.name, why=failed.code)
    return Deleted(name=message.name) if answer.yes else Kept(name=message.name, why="no")


# --8<-- [end:ask]
