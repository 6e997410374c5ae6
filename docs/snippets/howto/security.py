from typing import Annotated, Literal

import fastapi
from fastapi import FastAPI
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel
from starlette.routing import WebSocketRoute

from chanx import Channel, Depends

bearer = OAuth2PasswordBearer(tokenUrl="token")


async def token_of(token: Annotated[str, fastapi.Depends(bearer)]) -> str:
    return token


class Show(BaseModel):
    action: Literal["show"] = "show"


class Shown(BaseModel):
    action: Literal["shown"] = "shown"
    token: str


channel = Channel("tokens")


@channel.on(Show)
async def show(_: Show, token: Annotated[str, Depends(token_of, scope="connection")]) -> Shown:
    return Shown(token=token)


app = FastAPI()
app.router.routes.append(WebSocketRoute("/tokens", channel))


@app.get("/token")
async def read(token: Annotated[str, fastapi.Depends(token_of)]) -> str:
    return token
