from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.requests import HTTPConnection

from chanx import Channel, Depends, Reject


class Secret(BaseModel):
    action: Literal["secret"] = "secret"


class Told(BaseModel):
    action: Literal["told"] = "told"
    user: str


async def current_user(connection: HTTPConnection) -> str:
    if (user := connection.headers.get("x-user")) is None:
        raise Reject(401, "log in first", headers={"WWW-Authenticate": "Session"})
    return user


async def only_members(user: Annotated[str, Depends(current_user, scope="connection")]) -> None:
    if user == "guest":
        raise Reject(403)


app = Channel("members", dependencies=[Depends(only_members, scope="connection")])


@app.on(Secret)
async def secret(_: Secret, user: Annotated[str, Depends(current_user, scope="connection")]) -> Told:
    return Told(user=user)
