from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from chanx.constants import EVENT_ACTION_COMPLETE
from examples.fastapi_rooms.notices import Maintenance, MaintenancePayload, Notice, NoticeConsumer, NoticePayload
from examples.fastapi_rooms.tests.client import Client

pytestmark = pytest.mark.anyio


def tab(app: FastAPI, user: str) -> Client:
    return Client(app, f"/ws/notices?token={user}-token", consumer=NoticeConsumer)


async def settled(*clients: Client) -> None:
    """Wait until they are in their groups."""
    for client in clients:
        await client.send_json_to({"action": "ping", "payload": None})
        await client.receive_all_messages()


async def test_notices_reach_everybody_or_one_user(app: FastAPI, http: httpx.AsyncClient) -> None:
    async with tab(app, "ada") as ada, tab(app, "bob") as bob, tab(app, "bob") as again:
        await settled(ada, bob, again)
        for body in ({"title": "for bob", "to": "bob"}, {"title": "for all"}):
            assert (await http.post("/api/notices", json=body)).status_code == 202
        to_bob, to_all = (Notice(payload=NoticePayload(title=title, sent_by="ada")) for title in ("for bob", "for all"))
        assert await ada.receive_all_messages(EVENT_ACTION_COMPLETE) == [to_all]
        for client in (bob, again):
            assert [await client.receive_all_messages(EVENT_ACTION_COMPLETE) for _ in range(2)] == [[to_bob], [to_all]]


async def test_maintenance_is_announced_by_staff_only(app: FastAPI, http: httpx.AsyncClient) -> None:
    async with tab(app, "bob") as bob:
        await settled(bob)
        refused = await http.post(
            "/api/maintenance", json={"minutes": 1}, headers={"authorization": "Bearer bob-token"}
        )
        assert refused.status_code == 403
        assert (await http.post("/api/maintenance", json={"minutes": 5})).status_code == 202
        assert await bob.receive_all_messages(EVENT_ACTION_COMPLETE) == [
            Maintenance(payload=MaintenancePayload(minutes=5))
        ]


async def test_a_client_cannot_send_a_notice(app: FastAPI) -> None:
    async with tab(app, "bob") as bob:
        forged = Notice(payload=NoticePayload(title="forged", sent_by="ada"))
        await bob.send_message(forged)
        frame = await bob.receive_json_from()
        assert (frame["action"], frame["payload"][0]["type"]) == ("error", "union_tag_invalid")
