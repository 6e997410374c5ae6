"""The AsyncAPI document from endpoints of Starlette and FastAPI; and the registry of messages."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Literal

import httpx
import pytest
import yaml
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from chanx import ConfigurationError
from chanx.asyncapi import document
from chanx.core.decorators import ws_handler
from chanx.core.registry import MessageRegistry
from chanx.fast_channels import asyncapi_docs, asyncapi_spec_json, asyncapi_spec_yaml
from chanx.fast_channels.type_defs import AsyncAPIConfig
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage

pytestmark = pytest.mark.anyio


class Tree(BaseModel):
    children: list[Tree] = []


class Say(BaseMessage):
    """Say something."""

    action: Literal["say"] = "say"
    payload: Tree


class Consumer(AsyncJsonWebsocketConsumer):
    @ws_handler
    async def handle_say(self, message: Say) -> PongMessage:
        return PongMessage()


ENDPOINTS = [
    Route("/asyncapi.json", asyncapi_spec_json),
    Route("/asyncapi.yaml", asyncapi_spec_yaml),
    Route("/docs", asyncapi_docs),
]


def site() -> Any:
    return Starlette(routes=[*ENDPOINTS, WebSocketRoute("/ws", Consumer.as_asgi())])


CONFIG: AsyncAPIConfig = {"title": "Chat", "version": "2", "server_url": "example.com", "server_protocol": "wss"}


def api() -> Any:
    app = FastAPI()

    @app.get("/asyncapi.json")
    async def spec() -> Response:
        return await asyncapi_spec_json(app=app)

    @app.get("/asyncapi.yaml")
    async def as_yaml(request: Request) -> Response:
        return await asyncapi_spec_yaml(request, app, config=CONFIG)

    @app.get("/docs2")
    async def docs(request: Request) -> Response:
        return await asyncapi_docs(request, app=app)

    app.mount("/ws", Consumer.as_asgi())
    return app


async def got(app: Any, path: str, base: str = "http://testserver") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
        return await client.get(path)


async def test_endpoints_of_starlette() -> None:
    app = site()
    told = (await got(app, "/asyncapi.json")).json()
    assert [one["address"] for one in told["channels"].values()] == ["/ws"]
    assert list(told["servers"].values()) == [{"host": "testserver", "protocol": "ws"}]
    answer = await got(app, "/asyncapi.yaml", "https://example.com")
    assert answer.headers["content-type"] == "application/yaml"
    assert list(yaml.safe_load(answer.text)["servers"].values()) == [{"host": "example.com", "protocol": "wss"}]
    page = await got(app, "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "handle_say" in page.text
    assert "<script" not in page.text
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, root_path="/live"), base_url="http://a") as client:
        (server,) = (await client.get("/asyncapi.json")).json()["servers"].values()
    assert server == {"host": "a", "protocol": "ws", "pathname": "/live"}


async def test_endpoints_of_fastapi() -> None:
    app = api()
    told = (await got(app, "/asyncapi.json")).json()
    assert [one["address"] for one in told["channels"].values()] == ["/ws/"]
    assert "servers" not in told  # nobody knows it
    told = yaml.safe_load((await got(app, "/asyncapi.yaml")).text)
    assert told["info"] == {"title": "Chat", "version": "2"}
    assert list(told["servers"].values()) == [{"host": "example.com", "protocol": "wss"}]
    assert "handle_say" in (await got(app, "/docs2")).text


async def test_what_endpoints_are_not_given() -> None:
    with pytest.raises(TypeError, match="give the application or the request"):
        await asyncapi_spec_json()
    with pytest.raises(ConfigurationError, match="no channel was found"):
        await asyncapi_spec_json(app=Starlette())
    wrong: Any = {"titel": "Chat"}
    with pytest.raises(TypeError, match="there is no keyword 'titel'"):
        await asyncapi_spec_json(app=site(), config=wrong)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_application_that_is_gone_is_not_kept() -> None:
    app = site()
    await asyncapi_spec_json(app=app)
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None


def test_the_registry() -> None:
    registry = MessageRegistry()
    registry.add(Say, "Chat")
    registry.add(PingMessage | PongMessage | None, "Chat")
    registry.add([PingMessage, Say], "Other")
    registry.add((PongMessage,), "Other")
    registry.build_message(Say, "Other")
    assert registry.consumers == {"Chat": [Say, PingMessage, PongMessage], "Other": [PingMessage, Say, PongMessage]}
    assert list(registry.messages) == ["Say", "PingMessage", "PongMessage"]
    assert registry.messages["Say"] == {
        "name": "say",
        "title": "Say",
        "contentType": "application/json",
        "payload": {"$ref": "#/components/schemas/Say"},
    }
    assert registry.schemas["Say"]["properties"]["payload"] == {"$ref": "#/components/schemas/Tree"}
    tree = {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}, "default": []}
    assert registry.schemas["Tree"]["properties"]["children"] == tree
    assert list(registry.schemas) == ["PingMessage", "PongMessage", "Say", "Tree"]
    made = document({"/ws": Consumer}, title="x", version="1")["components"]["schemas"]
    assert registry.schemas["Tree"] == made["Tree"]


def test_the_registry_takes_schemas_alone() -> None:
    class Other(BaseModel):
        number: int

    registry = MessageRegistry()
    registry.build_message_schema(Tree | Other, "Chat")
    assert (registry.messages, registry.consumers) == ({}, {})
    assert list(registry.schemas) == ["Other", "Tree"]
    wrong: list[Any] = [int, "Say", [Say, int], None, Say | int]
    for one in wrong:
        with pytest.raises(ConfigurationError, match="is no pydantic model"):
            registry.add(one, "Chat")
    with pytest.raises(ConfigurationError, match="is no pydantic model"):
        registry.build_message(Tree | Other, "Chat")  # type: ignore[arg-type]
