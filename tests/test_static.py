"""`chanx.static`: chanx.js over HTTP, mounted in a framework or bare, and the file itself."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from chanx import static

pytestmark = pytest.mark.anyio


def fastapi() -> FastAPI:
    app = FastAPI()
    app.mount("/chanx", static.app)
    return app


async def dispatching(scope: Any, receive: Any, send: Any) -> None:
    """As in Django's `asgi.py`: paths are told apart by hand, and nobody sees to exceptions."""
    await static.app({**scope, "root_path": "/chanx"}, receive, send)


APPS: dict[str, Any] = {
    "starlette": Starlette(routes=[Mount("/chanx", static.app)]),
    "fastapi": fastapi(),
    "bare": dispatching,
}


@pytest.fixture(params=APPS)
def http(request: pytest.FixtureRequest) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(APPS[request.param]), base_url="http://testserver")


async def test_the_script_is_served_and_cached(http: httpx.AsyncClient) -> None:
    async with http:
        got = await http.get("/chanx/chanx.js")
        assert (got.status_code, got.text) == (200, static.script.read_text("utf-8"))
        assert got.headers["content-type"] == "text/javascript; charset=utf-8"
        assert got.headers["cache-control"] == "no-cache"
        again = await http.get("/chanx/chanx.js", headers={"if-none-match": got.headers["etag"]})
        assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")
        assert (await http.head("/chanx/chanx.js")).headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    "path", ["", "__init__.py", "x/../__init__.py", "%2e%2e/types.py", "other.js", "%00", "x" * 5000]
)
async def test_nothing_else_is_served(http: httpx.AsyncClient, path: str) -> None:
    async with http:
        assert (await http.get(f"/chanx/{path}")).status_code == 404


async def test_it_is_only_read(http: httpx.AsyncClient) -> None:
    async with http:
        got = await http.post("/chanx/chanx.js")
        assert (got.status_code, got.headers["allow"]) == (405, "GET, HEAD")


def test_the_script_is_one_small_file_without_dependencies() -> None:
    text = static.script.read_text("utf-8")
    lines = text.splitlines()
    assert len(lines) <= 250
    assert [line for line in lines if len(line) > 120] == []
    assert [line for line in lines if line.startswith("import") or "import(" in line] == []


def test_the_script_is_a_module_that_node_reads(node: str) -> None:
    checked = subprocess.run(
        [node, "--check", "--input-type=module", "-"],
        input=static.script.read_text("utf-8"), capture_output=True, text=True,
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")
