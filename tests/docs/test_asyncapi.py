"""The files that the pages about AsyncAPI show."""

from __future__ import annotations

import json
from typing import Any

import tests.django_project  # noqa: F401 - what follows wants its settings

# isort: split

import httpx
import pytest

from chanx.asyncapi import walk
from chanx.testing import connect
from docs.snippets.howto import asyncapi as snippet
from docs.snippets.howto import (
    asyncapi_by_address,
    asyncapi_django,
    asyncapi_endpoints,
    asyncapi_fastapi,
    asyncapi_project,
    asyncapi_serve,
    asyncapi_walk,
)
from docs.snippets.howto.asyncapi_serve import Ping, Pong

pytestmark = pytest.mark.anyio


async def served(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        return await client.get(path)


def addresses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    return [one["address"] for one in answer.json()["channels"].values()]


async def pings(app: Any, *paths: str) -> None:
    for path in paths:
        async with connect(app, path) as client:
            assert await client.request(Ping(), Pong) == Pong()


def test_asyncapi_says_what_the_page_says() -> None:
    told = snippet.told
    assert json.loads(snippet.text) == told
    assert snippet.also.startswith("asyncapi: 3.0.0\n")
    (channel,) = told["channels"].values()
    assert channel["address"] == "/rooms/{room}"
    room = {"type": "integer", "description": "The number of the room.", "examples": [7]}
    assert channel["parameters"]["room"]["x-schema"] == room
    operations = told["operations"]
    assert {name: (one["action"], one["summary"], "reply" in one) for name, one in operations.items()} == {
        "say": ("receive", "Say something to all who are in the room.", True),
        "recall": ("receive", "Hear what was said before.", True),
        "hired": ("send", "Somebody was hired.", False),
    }
    assert "Hired" not in told["components"]["messages"]
    example = {"action": "say", "text": "Good morning"}
    assert told["components"]["messages"]["Say"]["examples"] == [{"payload": example}]
    assert [one["host"] for one in snippet.secured["servers"].values()] == ["chat.example.com", "localhost:8000"]


async def test_asyncapi_serve() -> None:
    answer = await served(asyncapi_serve.app, "/asyncapi.json")
    assert addresses(answer) == ["/rooms/{room}", "/{tenant}/chat"]
    assert [one["host"] for one in answer.json()["servers"].values()] == ["chat.example.com"]
    assert (await served(asyncapi_serve.app, "/asyncapi.yaml")).status_code == 200
    await pings(asyncapi_serve.app, "/rooms/7", "/one/chat")


def test_asyncapi_project() -> None:
    """`tests/compat/in_django/check_schema.py` asks a whole project for its pages."""
    (included,) = asyncapi_project.urlpatterns
    assert [str(one.pattern) for one in included.url_patterns] == ["", "docs/", "schema/"]


async def test_asyncapi_endpoints() -> None:
    answer = await served(asyncapi_endpoints.app, "/asyncapi.json")
    assert addresses(answer) == ["/ws/"]
    assert answer.json()["info"] == {"title": "Shop", "version": "2.0.0"}
    assert "handle_ping" in (await served(asyncapi_endpoints.app, "/asyncapi")).text


async def test_asyncapi_fastapi() -> None:
    answer = await served(asyncapi_fastapi.app, "/docs/sockets.json")
    assert addresses(answer) == ["/v2/rooms/{room}"]
    assert answer.json()["info"] == {"title": "Shop", "version": "2.0.0"}
    assert asyncapi_fastapi.app.openapi()["paths"] == {}
    await pings(asyncapi_fastapi.app, "/v2/rooms/7")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # Django knows no other
async def test_asyncapi_django() -> None:
    answer = await served(asyncapi_django.application, "/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert addresses(answer) == ["/ws/rooms/{room}/", "/ws/lobby/{name}/"]
    assert [dict(one.parameters) for one in walk(asyncapi_django.application)] == [{"room": "int"}, {"name": "slug"}]
    await pings(asyncapi_django.application, "/ws/rooms/7/", "/ws/lobby/a-b/")


async def test_asyncapi_by_address() -> None:
    answer = await served(asyncapi_by_address.app, "/asyncapi.json")
    assert addresses(answer) == ["/chat"]
    assert answer.json() == asyncapi_by_address.told
    assert walk(asyncapi_by_address.app) == []
    await pings(asyncapi_by_address.app, "/chat")


async def test_asyncapi_walk() -> None:
    assert [one["address"] for one in asyncapi_walk.told["channels"].values()] == ["/chat"]
    await pings(asyncapi_walk.app, "/chat", "/internal/chat")
