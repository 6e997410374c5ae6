"""What the page and the server say to each other."""

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

# --- from the page -----------------------------------------------------------------------------------


class Say(BaseModel):
    """Something to say in the room.

    The page chooses `id` and repeats it when it sends the message again after a lost connection: the
    server says it once, whether or not the first attempt had arrived.
    """

    action: Literal["say"] = "say"
    id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Typing(BaseModel):
    """The writer began to type, still types, or stopped."""

    action: Literal["typing"] = "typing"
    active: bool


# --- from the server ---------------------------------------------------------------------------------


class Said(BaseModel):
    """Somebody said something. `at` is in milliseconds since the Unix epoch."""

    action: Literal["said"] = "said"
    id: str
    who: str
    text: str
    at: int


class IsTyping(BaseModel):
    """Somebody else began to type, still types, or stopped."""

    action: Literal["is_typing"] = "is_typing"
    who: str
    active: bool


class Welcome(BaseModel):
    """The first frame: the page is in the room."""

    action: Literal["welcome"] = "welcome"
    you: str
    room: str
    people: list[str]
    recent: list[Said]


class Present(BaseModel):
    """Who is in the room now; sent whenever that changes."""

    action: Literal["present"] = "present"
    people: list[str]
