from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from chanx import Channel, Drained, Limits, drain_on_sigterm


class Note(BaseModel):
    action: Literal["note"] = "note"
    text: str


# --8<-- [start:limits]
notes = Channel("notes", limits=Limits(heartbeat=30, heartbeat_timeout=10, idle=3600))
# --8<-- [end:limits]
database: list[str] = []


@notes.on(Note)
async def note(message: Note) -> None:
    database.append(message.text)


@notes.on_disconnect
async def save() -> None:
    database.append("somebody has left")


# --8<-- [start:lifespan]
@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    database.append("open")
    async with drain_on_sigterm(notes), notes.lifespan(app):
        yield
    database.append("closed")  # every on_disconnect has run by now
    # --8<-- [end:lifespan]


# --8<-- [start:route]
async def stop(_: Request) -> Response:
    drained: Drained = await notes.drain(batch=200, interval=0.5)
    return JSONResponse({"closed": drained.closed, "cut": drained.cut})
    # --8<-- [end:route]


app = Starlette(routes=[Route("/stop", stop, methods=["POST"]), WebSocketRoute("/notes", notes)], lifespan=lifespan)
