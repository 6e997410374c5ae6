from __future__ import annotations

from typing import Any

import httpx
import pytest
import yaml

from examples.fastapi_rooms.app import STATIC

# What is served is the same with Redis.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("app", ["memory"], indirect=True)]


async def test_the_page_asks_for_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    assert (await http.get("/")).status_code == 200
    for path in STATIC.iterdir():
        assert "//" not in path.read_text("utf-8").replace("// ", ""), path
        if path.suffix != ".html":
            assert (await http.get(f"/static/{path.name}")).status_code == 200


async def test_the_document_tells_of_each_route(http: httpx.AsyncClient) -> None:
    told: dict[str, Any] = (await http.get("/asyncapi.json")).json()
    assert (told["info"]["title"], told["info"]["version"]) == ("Rooms", "1.0.0")
    addresses = {one["address"] for one in told["channels"].values()}
    assert addresses == {"/ws/rooms/{room}", "/ws/jobs", "/ws/notices", "/ws/live", "/ws/polls/{poll}"}
    names = {"rooms", "jobs", "notices", "live", "live.poll_poll", "live.activity", "poll"}
    assert told["channels"].keys() == names
    assert yaml.safe_load((await http.get("/asyncapi.yaml")).text) == told
    page = await http.get("/asyncapi")
    assert page.headers["content-type"].startswith("text/html")
    for address in addresses:
        assert address in page.text


async def test_the_document_has_names_in_camel_case_where_the_wire_has(http: httpx.AsyncClient) -> None:
    schemas: dict[str, Any] = (await http.get("/asyncapi.json")).json()["components"]["schemas"]
    assert set(schemas["JobStatePayload"]["properties"]) == {"jobId", "state", "result"}
    assert set(schemas["StartJobPayload"]["properties"]) == {"text", "maxWords"}
    assert set(schemas["AnnouncedPayload"]["properties"]) == {"text", "for_staff"}


async def test_the_endpoints_are_documented_beside_it(http: httpx.AsyncClient) -> None:
    told = (await http.get("/openapi.json")).json()
    assert set(told["paths"]) == {"/api/rooms/{room}/announcements", "/api/notices", "/api/maintenance"}
