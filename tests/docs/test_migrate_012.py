"""What the pages say of consumers of chanx 0.12: the snippet, the frames, and a test for each difference."""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

import tests.django_project  # noqa: F401 - Django REST Framework wants its settings when it is imported
from chanx.compat.layers import channel_layers
from chanx.compat.old import AsyncJsonWebsocketConsumer
from chanx.compat.settings import DEFAULTS
from docs.snippets.howto import migrate_012
from tests.compat.client import Client

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "migrate.md").read_text("utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "compat-012.md").read_text("utf-8")

pytestmark = pytest.mark.anyio

#: The first cell of each row of the table of differences, and the test that shows what chanx does.
SHOWN_BY = {
    "Frames that are no JSON, or binary": "test_a_frame_that_is_no_object_is_answered_and_the_connection_goes_on",
    "A class without `receive_message`": "test_a_class_without_receive_message_is_refused_when_it_is_served",
    "A string for `groups.extend`": "test_a_name_that_groups_are_extended_by_is_one_group",
    "A string from `build_groups`": "test_groups_that_are_one_string_are_refused",
    "The authentication message": "test_a_client_that_is_told_that_it_may_stay_is_in_its_groups",
    "Primary keys such as UUIDs": "test_a_key_that_is_neither_text_nor_number_is_compared_as_text",
    "An event without `receive_event`": "test_an_event_that_nothing_handles_is_an_error_that_is_logged",
    "Timeouts of a communicator": "test_all_that_came_is_told_after_the_time",
    "Consumers without Django": "test_the_test_client_of_chanx_loads_nothing_of_django",
    "`websocket/` of the playground": "test_the_consumers_are_told_with_examples",
}


@pytest.fixture
def anyio_backend() -> str:
    """Consumers run on asyncio."""
    return "asyncio"


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The snippet, with a channel layer for this test only."""
    monkeypatch.setattr(channel_layers, "_registered", {})
    return importlib.reload(migrate_012)


def test_each_difference_is_shown_by_a_test() -> None:
    part = PAGE.partition("## From chanx 0.12\n")[2].partition("\n## ")[0]
    first = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")]
    assert [cell for cell in first if cell] == list(SHOWN_BY)
    tests = {
        node.name
        for path in (ROOT / "tests" / "compat").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert set(SHOWN_BY.values()) - tests == set()


def test_the_reference_lists_what_can_be_imported() -> None:
    rows = re.findall(r"^\| `(chanx\.[\w.]+)` \| (.*) \|$", REFERENCE, re.MULTILINE)
    assert len(rows) == 9
    for name, names in rows:
        module = importlib.import_module(name)
        assert all(hasattr(module, one) for one in re.findall(r"`(\w+)`", names)), name


def test_the_reference_lists_the_settings() -> None:
    rows = re.findall(r"^\| (`\w+`)? ?\| `([A-Z_]+)` \| (?:`(.*?)`)?", REFERENCE, re.MULTILINE)
    assert len(rows) == 9
    for attribute, key, default in rows:
        assert key in DEFAULTS
        if attribute:
            assert getattr(AsyncJsonWebsocketConsumer, attribute.strip("`")) is None
            assert attribute.strip("`").upper() == key
        if default:
            assert ast.literal_eval(default) == DEFAULTS[key]


async def test_migrate_012(office: Any) -> None:
    frames = re.search(r"```json\n(.*?)```", REFERENCE, re.DOTALL)
    assert frames is not None
    allowed, ping, pong, said, failed, missing, complete, group_complete = map(json.loads, frames[1].splitlines())
    office.OfficeConsumer.log_received_message = office.OfficeConsumer.log_sent_message = False
    client = Client(office.app, "/office")
    await client.connect()
    assert await client.got() == allowed
    assert await client.ask(ping) == pong
    assert await client.ask({"action": "say", "payload": "hello"}) == said
    assert await client.ask({"action": "say"}) == missing
    await asyncio.to_thread(office.hire, "Ada")
    assert await client.got() == {"action": "welcome", "payload": "Ada"}
    await client.disconnect()

    class Completing(office.OfficeConsumer):  # type: ignore[misc]
        send_completion = True
        send_authentication_message = False

        async def receive_message(self, message: Any, **kwargs: Any) -> None:
            await super().receive_message(message)
            if isinstance(message, office.PingMessage):
                raise LookupError

    client = Client(Completing.as_asgi(), "/office")
    await client.connect()
    assert [await client.ask(ping), await client.got(), await client.got()] == [pong, failed, complete]
    assert await client.ask({"action": "say", "payload": "hello"}) == complete
    assert [await client.got(), await client.got()] == [said, group_complete]
    await client.disconnect()
