"""One application from several channels, each of which works alone: what blueprints are to Flask.

`notes` and `staff` know nothing of each other. `app` includes both: under a prefix, so that both may
have an `add`; the staff's behind a guard; each with a tag that the documentation groups by. What the
parent itself depends on is asked before the socket is accepted; what guards an included channel is
asked when one of its messages comes, and a refusal is answered while the connection stays.

Run it with `uvicorn examples.composition:app`, connect to `ws://127.0.0.1:8000/?name=ada` and send
`{"action": "notes.add", "text": "buy milk"}`, `{"action": "notes.remove", "number": 7}` and
`{"action": "staff.add", "name": "bob"}`. Connect with `?name=grace` to be allowed the last one.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel

from chanx import Channel, Context, Depends, Query, Reject

STAFF = {"grace"}


class Problem(BaseModel):
    action: Literal["problem"] = "problem"
    detail: str


@dataclass
class Desk:
    """What one connection has before it."""

    notes: dict[int, str] = field(default_factory=dict[int, str])
    numbered: int = 0


async def current_user(name: Annotated[str | None, Query()] = None) -> str:
    if not name:
        raise Reject(401, "a name is needed")
    return name


User = Annotated[str, Depends(current_user, scope="connection")]


# --- notes: a channel of its own, with its own words -------------------------------------------------


class AddNote(BaseModel):
    action: Literal["add"] = "add"
    text: str


class RemoveNote(BaseModel):
    action: Literal["remove"] = "remove"
    number: int


class Notes(BaseModel):
    action: Literal["notes"] = "notes"
    notes: dict[int, str]


notes = Channel("notes", state=Desk)


@notes.on(AddNote)
async def add_note(message: AddNote, ctx: Context[Desk]) -> Notes:
    ctx.state.numbered += 1
    ctx.state.notes[ctx.state.numbered] = message.text
    return Notes(notes=ctx.state.notes)


@notes.on(RemoveNote)
async def remove_note(message: RemoveNote, ctx: Context[Desk]) -> Notes:
    if message.number not in ctx.state.notes:
        raise LookupError(f"there is no note {message.number}")
    del ctx.state.notes[message.number]
    return Notes(notes=ctx.state.notes)


# --- staff: the same word `add`, for another thing ---------------------------------------------------


class AddMember(BaseModel):
    action: Literal["add"] = "add"
    name: str


class Staff(BaseModel):
    action: Literal["staff"] = "staff"
    names: list[str]
    added_by: str


staff = Channel("staff")


@staff.on(AddMember)
async def add_member(message: AddMember, user: User) -> Staff:
    return Staff(names=sorted({*STAFF, message.name}), added_by=user)


async def only_staff(user: User) -> None:
    if user not in STAFF:
        raise Reject(403, f"{user} is not staff")


# --- the application: both, under one roof -----------------------------------------------------------

app = Channel("office", title="Office", state=Desk, dependencies=[Depends(current_user, scope="connection")])
app.include(notes, prefix="notes.", tags=["notes"])
app.include(staff, prefix="staff.", tags=["staff"], dependencies=[Depends(only_staff, scope="connection")])


@app.on_error(LookupError)
async def not_found(error: LookupError) -> Problem:
    return Problem(detail=str(error))
