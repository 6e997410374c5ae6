"""The applications of `tests.hosts.apps` that FastAPI serves."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from tests.hosts.apps import CLOSING, PATH, SLOW, beside, make, told


def _fastapi(*, lifespan: bool) -> ASGIApp:
    channel = make()
    app = FastAPI(lifespan=told(channel)) if lifespan else FastAPI()
    app.router.routes.append(WebSocketRoute(PATH, channel))
    app.mount(CLOSING, make(refuse="close"))
    return beside(app, SLOW)


fastapi = _fastapi(lifespan=True)
fastapi_without_lifespan = _fastapi(lifespan=False)
