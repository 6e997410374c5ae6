"""What the page about consumers of chanx 2.x says of topics, of tests and of helpers."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.compat.layers import channel_layers
from docs.snippets.howto import helpers_2x, migrate_testing, migrate_topics
from tests.compat.client import Client

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "compat-2x.md").read_text("utf-8")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_layers, "_registered", {})
    register_channel_layer("default", InMemoryChannelLayer())


async def test_migrate_topics_sends_the_frames_of_the_page() -> None:
    section = PAGE[PAGE.index("## Topics") :]
    block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert block is not None
    frames = [json.loads(line) for line in block[1].splitlines()]
    client = Client(migrate_topics.app, "/page")
    await client.connect()
    for frame in frames:
        if frame["action"] in ("subscribe", "unsubscribe", "stop"):
            await client.tell(frame)
            continue
        if frame.get("seq") == 1:
            await migrate_topics.work()
        got = await client.got()
        assert list(got.items()) == list(frame.items())
    await client.disconnect()


async def test_migrate_topics_has_a_route_of_its_own() -> None:
    client = Client(migrate_topics.app, "/runs/7")
    await client.connect()
    assert await client.got() == {"action": "status", "payload": "run 7 is under way"}
    await asyncio.to_thread(migrate_topics.work_in_a_thread)
    assert await client.got() == {"action": "progress", "payload": 40, "version": 1, "seq": 1}
    await client.disconnect()


@pytest.mark.parametrize("name", [name for name in vars(migrate_testing) if name.startswith("test_")])
async def test_migrate_testing(name: str) -> None:
    await getattr(migrate_testing, name)()


async def test_helpers_2x_name_groups_and_send_piece_by_piece() -> None:
    assert helpers_2x.routes() == {"/rooms/{room}": helpers_2x.RoomConsumer}
    client = Client(helpers_2x.app, "/rooms/café?name=ada")
    await client.connect()
    entered = {"action": "entered", "payload": "ada", "is_current": True}
    assert await client.got() == entered
    await client.tell({"action": "count", "payload": 3})
    assert [(await client.got())["payload"] for _ in range(3)] == [0, 1, 2]
    await client.disconnect()
