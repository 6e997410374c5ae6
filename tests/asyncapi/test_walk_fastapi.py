"""The channels that FastAPI's applications serve."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Host, Mount, WebSocketRoute

from chanx.asyncapi import document, walk
from tests.asyncapi.reach import agrees, found, named, reached

pytestmark = pytest.mark.anyio

a, b, c = named("a"), named("b"), named("c")


async def guard() -> str:
    return "somebody"


def crowded() -> FastAPI:
    """Pages and sockets of FastAPI's own beside the channels."""
    app = FastAPI(dependencies=[Depends(guard)], middleware=[Middleware(CORSMiddleware)])

    @app.get("/pages/{number}")
    async def page(number: int, user: Annotated[str, Depends(guard)]) -> str:
        return user

    @app.websocket("/own/{number}")
    async def own(websocket: WebSocket, number: int) -> None:
        await websocket.accept()
        await websocket.close()

    return app


async def test_routes_that_are_appended() -> None:
    app = crowded()
    app.router.routes.append(WebSocketRoute("/rooms/{room:int}", a))
    app.router.routes.append(Mount("/m", b))
    app.mount("/n", c)
    assert await agrees(app) == [("/rooms/{room}", "a"), ("/m/", "b"), ("/n/", "c")]
    assert walk(app)[0].parameters == {"room": "int"}
    assert app.middleware_stack is not None
    assert found(app.middleware_stack) == found(app)


async def test_routers_with_routes_and_prefixes() -> None:
    """A prefix of `include_router` counts; that of a router is for what FastAPI's own decorators add to it."""
    given = APIRouter(routes=[WebSocketRoute("/given", a)], prefix="/ignored")
    added = APIRouter()
    added.routes.append(WebSocketRoute("/added/{seat:float}", b))
    added.routes.append(Mount("/m/{n:int}", routes=[WebSocketRoute("/c", c)]))
    outer = APIRouter(prefix="/outer")
    outer.include_router(added, prefix="/{tenant}")

    @added.get("/page")
    async def page() -> None: ...

    app = crowded()
    app.include_router(given)
    app.include_router(given, prefix="/twice")
    app.include_router(outer, prefix="/v1")
    app.router.routes.append(WebSocketRoute("/last", c))
    assert await agrees(app) == [
        ("/given", "a"),
        ("/twice/given", "a"),
        ("/v1/outer/{tenant}/added/{seat}", "b"),
        ("/v1/outer/{tenant}/m/{n}/c", "c"),
        ("/last", "c"),
    ]
    assert await reached(app, "/ignored/given") is None
    assert walk(app)[3].parameters == {"tenant": "str", "n": "int"}


async def test_a_router_that_is_filled_after_it_was_included() -> None:
    app, router = FastAPI(), APIRouter()
    app.include_router(router, prefix="/v1")
    router.routes.append(WebSocketRoute("/late", a))
    assert await agrees(app) == await agrees(app)
    assert found(app) == ([("/v1/late", "a")] if await reached(app, "/v1/late") else [])


async def test_what_stands_first_wins_also_between_routers() -> None:
    first, second = APIRouter(), APIRouter()
    first.routes.append(WebSocketRoute("/{name}", a))
    second.routes.append(WebSocketRoute("/b", b))
    second.routes.append(WebSocketRoute("/{whole:path}", c))
    app = FastAPI()
    app.include_router(first, prefix="/v1")
    app.include_router(second, prefix="/v1")
    assert await agrees(app) == [("/v1/{name}", "a"), ("/v1/{whole}", "c")]
    assert await reached(app, "/v1/b") == "a"


async def test_hosts_in_routers() -> None:
    router = APIRouter(routes=[Host("api.example.org", a)])
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    assert await agrees(app) == [("api.example.org/v1/", "a")]


async def test_applications_in_applications() -> None:
    inner, star = crowded(), Starlette(routes=[WebSocketRoute("/s", b)])
    inner.router.routes.append(WebSocketRoute("/i", a))
    inner.mount("/star", star)
    outer = FastAPI()
    outer.mount("/inner/{tenant}", inner)
    outer.mount("/self", outer)
    assert await agrees(outer) == [("/inner/{tenant}/i", "a"), ("/inner/{tenant}/star/s", "b")]


async def test_a_router_as_the_application() -> None:
    router = APIRouter(routes=[WebSocketRoute("/a", a)], default=b)
    assert await agrees(router) == [("/a", "a"), ("/", "b")]


def test_looking_leaves_the_application_as_it_was() -> None:
    app = crowded()
    router = APIRouter(routes=[WebSocketRoute("/a", a)])
    app.include_router(router, prefix="/v1")
    before: Any = [vars(route).copy() for route in app.router.routes]
    told = document(app, title="Crowded", version="1")
    assert [one["address"] for one in told["channels"].values()] == ["/v1/a"]
    assert [vars(route) for route in app.router.routes] == before
    assert app.middleware_stack is None
    assert app.openapi_schema is None
