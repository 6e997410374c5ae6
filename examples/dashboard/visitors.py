"""Who is at the other end, and what they may."""

from typing import Annotated

from pydantic import BaseModel

from chanx import Depends, Query, Reject

LONGEST_NAME = 30


class Visitor(BaseModel):
    name: str
    on_call: bool


async def current_visitor(name: Annotated[str, Query()] = "", on_call: Annotated[bool, Query()] = False) -> Visitor:
    """A real service would read a session here; this one believes what the address says.

    A topic has the query, headers and cookies of the socket that it is a part of. So this works in the hub, in a topic,
    and on a route of its own.
    """
    name = " ".join(name.split())
    if not name:
        raise Reject(401, "Please enter a name.")
    if len(name) > LONGEST_NAME:
        raise Reject(400, f"A name has at most {LONGEST_NAME} characters.")
    return Visitor(name=name, on_call=on_call)


Who = Annotated[Visitor, Depends(current_visitor, scope="connection")]


async def only_on_call(visitor: Who) -> Visitor:
    if not visitor.on_call:
        raise Reject(403, "This is for those who are on call.")
    return visitor


OnCall = Annotated[Visitor, Depends(only_on_call)]
