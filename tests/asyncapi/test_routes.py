"""The routes that serve an application's document, from that application."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
import yaml
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from chanx import Channel, ConfigurationError
from chanx.asyncapi import document, routes, to_json, to_yaml
from tests.asyncapi.conftest import Valid
from tests.asyncapi.reach import Hello, named

pytestmark = pytest.mark.anyio


def web(app: Any, root_path: str = "") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, root_path=root_path), base_url="http://testserver")


def chat() -> Channel:
    channel = named("chat")

    @channel.on(Hello)
    async def hello(message: Hello) -> Hello:
        """Say hello, in any alphabet: Здравствуйте."""
        return message

    return channel


def site(**options: Any) -> Starlette:
    app = Starlette()
    app.router.routes.extend(routes(app, title="Chät", version="1.2", **options))
    app.router.routes.append(WebSocketRoute("/rooms/{room}", chat()))  # later than the routes of the document
    return app


def api() -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(routes(app, title="Chät", version="1.2"))
    app.router.routes.append(WebSocketRoute("/rooms/{room}", chat()))
    return app


@pytest.mark.parametrize("make", [site, api])
async def test_the_document_as_json_and_yaml(make: Callable[[], Any], valid: Valid) -> None:
    app = make()
    async with web(app) as client:
        as_json, as_yaml = await client.get("/asyncapi.json"), await client.get("/asyncapi.yaml")
    assert (as_json.status_code, as_json.headers["content-type"]) == (200, "application/json")
    assert (as_yaml.status_code, as_yaml.headers["content-type"]) == (200, "application/yaml")
    expected = document(app, title="Chät", version="1.2")
    assert [one["address"] for one in expected["channels"].values()] == ["/rooms/{room}"]
    assert (as_json.text, as_yaml.content.decode()) == (to_json(expected), to_yaml(expected))
    assert json.loads(as_json.content) == yaml.safe_load(as_yaml.content) == expected
    assert valid(as_json.text) == valid(as_yaml.content.decode()) == []


async def test_a_client_that_has_it_is_told_so() -> None:
    async with web(site()) as client:
        first = await client.get("/asyncapi.json")
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-cache"
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await client.get("/asyncapi.json", headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            assert "content-type" not in again.headers
        other = await client.get("/asyncapi.json", headers={"if-none-match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)
        assert (await client.get("/asyncapi.yaml")).headers["etag"] != tag


async def test_head_and_other_methods() -> None:
    async with web(site()) as client:
        head, get = await client.head("/asyncapi.json"), await client.get("/asyncapi.json")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == get.headers
        assert int(head.headers["content-length"]) == len(get.content)
        assert (await client.post("/asyncapi.json")).status_code == 405


async def test_what_a_client_accepts_is_no_matter() -> None:
    async with web(site()) as client:
        for accept in ("text/html", "application/vnd.aai.asyncapi+json", "image/png"):
            assert (await client.get("/asyncapi.json", headers={"accept": accept})).status_code == 200


async def test_another_path_and_the_options_of_the_document() -> None:
    async with web(site(path="/docs/sockets", description="All of it")) as client:
        told = (await client.get("/docs/sockets.json")).json()["info"]
        assert told == {"title": "Chät", "version": "1.2", "description": "All of it"}
        assert (await client.get("/asyncapi.json")).status_code == 404


@pytest.mark.parametrize("path", ["asyncapi", ""])
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r'begins with a slash, as in "/asyncapi"'):
        routes(chat(), title="Chat", version="1", path=path)


async def test_behind_a_mount_and_a_proxy() -> None:
    inner = site()
    async with web(Starlette(routes=[Mount("/v1", inner)])) as client:
        assert list((await client.get("/v1/asyncapi.json")).json()["channels"]) == ["chat"]
    async with web(inner, root_path="/behind/a/proxy") as client:
        assert (await client.get("/behind/a/proxy/asyncapi.json")).status_code == 200
        assert (await client.get("/asyncapi.json")).status_code == 200


async def test_the_outer_application_documents_all_of_it() -> None:
    inner = site()
    outer = Starlette(routes=[Mount("/v1", inner)])
    outer.router.routes.extend(routes(outer, title="Outer", version="1"))
    async with web(outer) as client:
        (channel,) = (await client.get("/asyncapi.json")).json()["channels"].values()
        assert channel["address"] == "/v1/rooms/{room}"


async def test_channels_in_place_of_an_application() -> None:
    app = Starlette(routes=routes({"/a": named("a"), "/b": named("b")}, title="Two", version="1"))
    async with web(app) as client:
        told = (await client.get("/asyncapi.json")).json()
        assert [one["address"] for one in told["channels"].values()] == ["/a", "/b"]


async def test_it_is_not_in_the_document_of_fastapi() -> None:
    app = api()
    assert app.openapi()["paths"] == {}
    assert app.url_path_for("asyncapi_json") == "/asyncapi.json"


async def test_it_is_made_once_however_many_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(*args: Any, **options: Any) -> dict[str, Any]:
        made.append(options["title"])
        return document(*args, **options)

    monkeypatch.setattr("chanx.asyncapi.serve.document", counted)
    app = site()
    assert made == []
    bodies: set[bytes] = set()
    async with web(app) as client, anyio.create_task_group() as group:

        async def ask(ending: str) -> None:
            bodies.add((await client.get(f"/asyncapi.{ending}")).content)

        for ending in ["json", "yaml"] * 8:
            group.start_soon(ask, ending)
    assert (made, len(bodies)) == (["Chät"], 2)


async def test_a_document_that_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    app = Starlette()
    app.router.routes.extend(routes(app, title="Nothing", version="1"))
    async with web(app) as client:
        with caplog.at_level(logging.ERROR, logger="chanx"):
            answer = await client.get("/asyncapi.json")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
        assert answer.text == "The AsyncAPI document cannot be made; the server's log says why."
        assert "no channel was found in starlette.applications.Starlette" in caplog.text
        app.router.routes.append(WebSocketRoute("/chat", chat()))
        assert (await client.get("/asyncapi.json")).status_code == 200, "mended while it runs"


async def test_yaml_without_pyyaml(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    async with web(site()) as client:
        assert (await client.get("/asyncapi.yaml")).status_code == 500
        assert "install chanx[asyncapi]" in caplog.text
        assert (await client.get("/asyncapi.json")).status_code == 200
