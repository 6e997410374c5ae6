"""`chanx.static`: the scripts over HTTP, mounted in a framework or bare, and the files themselves."""

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


TEXTS = {path.name: path.read_text("utf-8") for path in static.scripts}
each = pytest.mark.parametrize("script", TEXTS)


@each
async def test_a_script_is_served_and_cached(http: httpx.AsyncClient, script: str) -> None:
    async with http:
        got = await http.get(f"/chanx/{script}")
        assert (got.status_code, got.text) == (200, TEXTS[script])
        assert got.headers["content-type"] == "text/javascript; charset=utf-8"
        assert got.headers["cache-control"] == "no-cache"
        again = await http.get(f"/chanx/{script}", headers={"if-none-match": got.headers["etag"]})
        assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")
        assert (await http.head(f"/chanx/{script}")).headers["content-length"] == got.headers["content-length"]


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


@pytest.mark.parametrize(
    ("script", "most", "imports"),
    [
        ("chanx.js", 250, []),
        ("topics.js", 150, ['import { ChanxError, Endpoint, safely } from "./chanx.js";']),
        ("history.js", 150, ['import { safely } from "./chanx.js";']),
    ],
)
def test_a_script_is_small_and_has_no_other_dependency(script: str, most: int, imports: list[str]) -> None:
    lines = TEXTS[script].splitlines()
    assert len(lines) <= most
    assert [line for line in lines if len(line) > 120] == []
    code = [line for line in lines if not line.lstrip().startswith(("*", "/*"))]
    assert [line for line in code if line.startswith("import") or "import(" in line] == imports


@each
def test_a_script_is_a_module_that_node_reads(node: str, script: str) -> None:
    checked = subprocess.run(
        [node, "--check", "--input-type=module", "-"],
        input=TEXTS[script], capture_output=True, text=True,
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_scripts_are_those_of_the_folder() -> None:
    assert sorted(static.scripts) == sorted(static.script.parent.glob("*.js"))
    assert static.scripts[0] == static.script
