from typing import Annotated, Literal

import fastapi
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from starlette.routing import WebSocketRoute

from chanx import Channel, Depends

TOKENS = {"ada-token": "ada"}


# --8<-- [start:dependency]
async def current_user(token: Annotated[str, fastapi.Query()] = "") -> str:
    if token not in TOKENS:
        raise HTTPException(401, "unknown token")
    return TOKENS[token]


# --8<-- [end:dependency]


class WhoAmI(BaseModel):
    action: Literal["who"] = "who"


class You(BaseModel):
    action: Literal["you"] = "you"
    name: str


# --8<-- [start:both]
feed = Channel("feed", refuse="close")


@feed.on(WhoAmI)
async def who(_: WhoAmI, user: Annotated[str, Depends(current_user, scope="connection")]) -> You:
    return You(name=user)


app = FastAPI()
app.router.routes.append(WebSocketRoute("/feed", feed))


@app.get("/me")
async def me(user: Annotated[str, fastapi.Depends(current_user)]) -> str:
    return user


# --8<-- [end:both]
