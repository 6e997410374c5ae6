import os
from typing import Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from chanx import Channel, Context, LayerUnavailable


class News(BaseModel):
    action: Literal["news"] = "news"
    text: str


# --8<-- [start:channel]
news = Channel("news", groups=os.environ.get("REDIS_URL"))


@news.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("news")


# --8<-- [end:channel]
# --8<-- [start:publish]
async def publish(request: Request) -> Response:
    try:
        await news.broadcast(News(text=request.query_params["text"]), group="news")
    except LayerUnavailable as error:
        return JSONResponse({"detail": "try again later", "perhaps_sent": error.sent}, 503)
    return Response(status_code=204)


# --8<-- [end:publish]
# --8<-- [start:ready]
async def ready(_request: Request) -> Response:
    return Response(status_code=200 if news.healthy() else 503)


# --8<-- [end:ready]
app = Starlette(
    routes=[
        WebSocketRoute("/news", news),
        Route("/publish", publish, methods=["POST"]),
        Route("/ready", ready),
    ],
    lifespan=news.lifespan,
)
