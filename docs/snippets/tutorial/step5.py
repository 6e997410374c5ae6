from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from chanx import Context
from docs.snippets.tutorial.step4 import Said, Tab, chat


# --8<-- [start:event]
class Hired(BaseModel):
    action: Literal["hired"] = "hired"
    name: str


@chat.event(Hired)
async def hired(event: Hired, ctx: Context[Tab]) -> Said:
    ctx.state.said += 1
    return Said(number=ctx.state.said, who="office", text=f"{ctx.state.name}, meet {event.name}")


async def hire(request: Request) -> Response:
    await chat.emit(Hired(name=request.path_params["name"]), group="room:lobby")
    return Response(status_code=204)


app = Starlette(
    routes=[
        WebSocketRoute("/rooms/{room}", chat),
        Route("/hire/{name}", hire, methods=["POST"]),
    ],
    lifespan=chat.lifespan,
)
# --8<-- [end:event]
