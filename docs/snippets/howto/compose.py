from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel

from chanx import Channel, Context, Depends, Header, Reject


# --8<-- [start:notes]
class Add(BaseModel):
    action: Literal["add"] = "add"
    text: str


class Notes(BaseModel):
    action: Literal["notes"] = "notes"
    notes: list[str]


@dataclass
class Desk:
    notes: list[str] = field(default_factory=list[str])


notes = Channel("notes", state=Desk)


@notes.on(Add)
async def add(message: Add, ctx: Context[Desk]) -> Notes:
    ctx.state.notes.append(message.text)
    return Notes(notes=ctx.state.notes)


# --8<-- [end:notes]


# --8<-- [start:admin]
class Close(BaseModel):
    action: Literal["close"] = "close"
    connection: str


class Who(BaseModel):
    action: Literal["who"] = "who"


class Me(BaseModel):
    action: Literal["me"] = "me"
    id: str


class Closing(BaseModel):
    action: Literal["closing"] = "closing"


admin = Channel("admin")


@admin.on(Who)
async def who(_: Who, ctx: Context) -> Me:
    return Me(id=ctx.id)


@admin.on(Close)
async def close(message: Close) -> None:
    await admin.emit(Closing(), connection=message.connection)


@admin.event(Closing)
async def closing(_: Closing, ctx: Context) -> None:
    await ctx.close(4000, "closed by an admin")


async def only_admins(role: Annotated[str, Header("x-role")] = "guest") -> None:
    if role != "admin":
        raise Reject(403, "this is for admins")


# --8<-- [end:admin]

# --8<-- [start:app]
app = Channel("app")
app.include(notes, prefix="notes.", tags=["notes"])
app.include(admin, prefix="admin.", dependencies=[Depends(only_admins, scope="connection")])
# --8<-- [end:app]
