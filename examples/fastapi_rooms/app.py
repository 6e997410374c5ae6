"""The application: `uvicorn examples.fastapi_rooms.app:app`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.routing import WebSocketRoute

from chanx.fast_channels import asyncapi_docs, asyncapi_spec_json, asyncapi_spec_yaml
from chanx.fast_channels.type_defs import AsyncAPIConfig
from examples.fastapi_rooms import jobs, live, notices, rooms
from examples.fastapi_rooms.backend import Backend, MemoryBackend, RedisBackend

STATIC = Path(__file__).parent / "static"

ASYNCAPI: AsyncAPIConfig = {"title": "Rooms", "version": "1.0.0"}

pages = APIRouter(include_in_schema=False)


@pages.get("/")
async def page() -> FileResponse:
    return FileResponse(STATIC / "index.html")


@pages.get("/asyncapi")
async def docs(request: Request) -> HTMLResponse:
    return await asyncapi_docs(request, config=ASYNCAPI)


@pages.get("/asyncapi.json")
async def spec_json(request: Request) -> JSONResponse:
    return await asyncapi_spec_json(request, config=ASYNCAPI)


@pages.get("/asyncapi.yaml")
async def spec_yaml(request: Request) -> Response:
    return await asyncapi_spec_yaml(request, config=ASYNCAPI)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    backend: Backend = app.state.backend
    async with backend.running(jobs.perform):
        yield


def create_app(redis_url: str | None = None) -> FastAPI:
    """The application.

    Args:
        redis_url: of the Redis server that it shares with workers, and with other servers; None to keep everything in
            this process.
    """
    app = FastAPI(
        title="Rooms",
        lifespan=lifespan,
        routes=[
            WebSocketRoute("/ws/rooms/{room}", rooms.RoomConsumer.as_asgi()),
            WebSocketRoute("/ws/jobs", jobs.JobConsumer.as_asgi()),
            WebSocketRoute("/ws/notices", notices.NoticeConsumer.as_asgi()),
            WebSocketRoute("/ws/live", live.LiveConsumer.as_asgi()),
            WebSocketRoute("/ws/polls/{poll}", live.PollConsumer.as_asgi()),
        ],
    )
    app.state.backend = MemoryBackend() if redis_url is None else RedisBackend(redis_url)
    app.include_router(rooms.router, prefix="/api")
    app.include_router(notices.router, prefix="/api")
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


app = create_app(os.environ.get("REDIS_URL"))
