"""The page about migration: its snippets, its diffs, and a test for each difference that it names."""

from __future__ import annotations

import ast
import asyncio
import functools
import importlib
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

import tests.django_project  # noqa: F401 - Django REST Framework wants its settings when it is imported
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.compat.layers import channel_layers
from chanx.testing import connect
from docs.snippets.howto import authenticators, concurrent_2x, migrate_2x
from tests.compat.client import PONG, Client, opened

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "migrate.md").read_text("utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "compat.md").read_text("utf-8")

pytestmark = pytest.mark.anyio

#: The first cell of each row of the tables of differences, and the tests that show what chanx does.
SHOWN_BY = {
    "Synchronous consumers": "test_a_slow_consumer_does_not_stop_others",
    "An error in a handler": "test_an_error_in_a_handler_ends_the_consumer_which_cleans_up",
    "Cancelled by the server": "test_the_server_may_cancel_an_idle_consumer",
    "Frames after `close()`": "test_frames_after_close_are_dropped",
    "A second `accept()` or `close()`": "test_the_block_of_the_generic_consumer_answers_a_frame_and_closes_once",
    "A client that has just left": "test_a_handler_that_sends_to_nobody_ends_and_disconnect_follows",
    "A client that leaves while a method runs on": "test_its_groups_are_left_at_once",
    "Frames that come while a method runs on": "test_so_much_is_read_ahead_and_not_more_and_nothing_is_lost",
    "A disconnect without a code": "test_a_close_without_a_code_is_1005",
    "Long close reasons": "test_close_may_carry_a_code_and_a_reason",
    "Synchronous consumers in Django's `TestCase`": "test_a_sync_consumer_is_in_the_transaction_of_the_test",
    "Groups as a string": "test_groups_are_no_string",
    "`StopConsumer` in a handler": "test_stop_consumer_in_a_handler_ends_it_quietly",
    "Methods of the wrong kind": "test_a_coroutine_function_in_a_synchronous_consumer_is_an_error_that_says_so",
    "An alias without a layer": "test_an_alias_that_means_no_layer_is_told",
    "A request whose client leaves": "test_disconnect_runs_though_handle_has_not_finished",
    "A response that `handle` has not completed": "test_the_block_of_the_long_poll_is_answered_by_the_channel_layer",
    "A consumer class as a route": "test_a_consumer_class_is_refused_with_what_to_write_in_its_place",
    "Root paths": "test_paths_begin_behind_the_root_path",
    "`Resolver404` in an application": "test_an_application_that_raises_is_no_reason_to_try_the_next_route",
    "Starlette's routes": "test_starlettes_routes_lead_to_consumers",
    "Errors": "test_a_path_without_a_route_is_an_error_that_names_it",
    "Types in messages": "test_what_would_not_arrive_as_it_is_is_refused",
    "Tuples and subclasses": "test_a_tuple_arrives_as_a_list_and_subclasses_as_what_they_extend",
    "Long connections": "test_a_consumer_stays_in_its_groups_as_long_as_it_lives",
    "Other threads": "test_who_waits_on_a_loop_is_woken_from_a_thread",
    "Copies": "test_receivers_share_nothing_with_each_other_or_with_the_sender",
    "Dropped messages": "test_a_group_drops_for_those_who_have_no_room_and_counts_and_says_so_once",
    "Channels that nobody reads": "test_channels_that_are_never_read_are_dropped_when_their_messages_have_expired",
    "`get_channel_layer()`": "test_both_import_paths_mean_the_same_layer",
    "Names of new channels": "test_new_channels_have_names_of_their_own",
    "Failures in tests": "test_what_an_application_raises_is_raised_at_once",
    "Empty frames in tests": "test_an_empty_frame_is_a_frame",
    "Classes of exceptions": "test_the_exceptions_are_those_of_channels_where_it_is_installed",
}

#: The same of consumers of chanx 2.x.
CONSUMERS_SHOWN_BY = {
    "Binary frames": "test_a_frame_that_is_no_object_is_answered",
    "Frames that are nested too deep": "test_a_frame_that_is_too_deep_is_no_json_on_each_way",
    "Many findings in one frame": "test_findings_are_told_up_to_a_hundred",
    "How frames are written": "test_frames_are_the_same_on_each_way",
    "Names in camel case": "test_all_that_is_sent_in_camel_case_can_be_sent_back",
    "Logs of messages": "test_messages_are_logged_but_for_actions_that_are_ignored",
    "An event without a handler": "test_a_failing_event_handler_is_told_and_an_unknown_event_goes_by",
    "`send_message_immediately`": (
        "test_others_run_after_each_message_that_a_method_sends_and_not_after_what_it_returns"
    ),
    "`should_camelize` and `should_send_completion`": (
        "test_whether_names_are_in_camel_case_and_completions_sent_may_be_a_property_of_ones_own"
    ),
    "An error hook that fails": "test_what_tells_of_an_error_may_fail_itself",
    "A handler that cannot be awaited": "test_a_handler_that_cannot_be_awaited_is_refused_where_its_class_is_made",
    "A message without a literal action": (
        "test_a_message_without_a_literal_action_is_refused_when_its_consumer_is_to_be_served"
    ),
    "A handler that needs more than a message, or is marked by both decorators": (
        "test_a_handler_that_needs_more_than_a_message_is_refused"
    ),
    "A class in a route, without `as_asgi()`": ("test_a_class_in_a_route_of_starlettes_is_told_from_its_application"),
    "`send_event_sync` and `broadcast_event_sync` on an event loop": (
        "test_an_event_is_sent_from_a_thread_and_not_from_a_running_loop"
    ),
    "Groups without a channel layer": ("test_without_a_channel_layer_messages_are_handled_and_groups_are_told_of"),
    "`self.groups`": "test_groups_are_those_of_all_classes_and_end_with_the_connection",
}

#: The same of topics, and of what tests are written with.
TOPICS_SHOWN_BY = {
    "Topics of a connection": "test_a_connection_has_so_many_topics",
    "The groups of topics on the channel layer": "test_two_topics_never_share_a_group",
    "A broadcast to a name that the pattern does not match": "test_broadcasts_reach_subscribers_with_their_position",
    "`receive_all_messages` without completions": (
        "test_without_completions_all_of_the_time_is_waited_and_the_application_goes_on"
    ),
    "`WebsocketCommunicator` without `consumer=`": "test_the_consumer_is_known_by_its_application",
}

#: The same of authentication in the other generations of chanx.
AUTHENTICATION_SHOWN_BY = {
    "Parameters in the URL, and no queryset": "test_nobody_is_asked_for_anything_where_nothing_says_so",
    "A verdict that nobody awaited": "test_an_error_is_logged_and_closes_with_4500",
}

CONCURRENCY_SHOWN_BY = {
    "Messages of one connection": "test_so_many_and_no_more_are_handled_at_once_and_begin_in_order",
    "Their order": "test_one_at_a_time",
    "`disconnect`": "test_what_takes_too_long_after_that_is_cancelled",
}


@pytest.fixture
def anyio_backend() -> str:
    """Consumers run on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the snippets register is for these tests only."""
    monkeypatch.setattr(channel_layers, "_registered", {})


def differences(after: str, before: str) -> list[str]:
    part = PAGE.partition(after)[2].partition(before)[0]
    first = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")]
    return [cell for cell in first if cell]


@functools.cache
def named_in_compat() -> set[str]:
    """The names of all functions there."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "tests" / "compat").rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(
    ("after", "before", "shown_by"),
    [
        ("### What behaves differently", "### Move on", SHOWN_BY),
        ("### What consumers do otherwise", "\n#", CONSUMERS_SHOWN_BY),
        ("### Authentication", "\n#", AUTHENTICATION_SHOWN_BY),
        ("### Topics and tests", "\n#", TOPICS_SHOWN_BY),
        ("### Several messages at once", "\n#", CONCURRENCY_SHOWN_BY),
    ],
)
def test_each_difference_is_shown_by_a_test(after: str, before: str, shown_by: dict[str, str]) -> None:
    assert differences(after, before) == list(shown_by)
    assert set(shown_by.values()) - named_in_compat() == set()


def lines(sign: str) -> list[str]:
    blocks = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
    return [line[1:] for block in blocks for line in block.splitlines() if line.startswith(sign)]


def test_the_diffs_change_nothing_but_where_from() -> None:
    assert [re.sub(r'(from |")(fast_)?channels\b', r"\1chanx.channels", line) for line in lines("-")] == lines("+")
    for line in lines("+"):
        if match := re.fullmatch(r"from (\S+) import (.*)", line):
            module = importlib.import_module(match[1])
            assert all(hasattr(module, name) for name in match[2].split(", "))


ROWS = re.findall(r"^\| (`chanx\..*?`) \| (.*) \|$", REFERENCE, re.MULTILINE)
#: The modules that stand in place of Channels' own, one to a row.
MODULES: dict[str, list[str]] = {
    module[1:-1]: re.findall(r"`(\w+)`", names)
    for module, names in ROWS
    if re.fullmatch(r"`chanx\.channels\.[\w.]+`", module)
}
#: All other rows: some name modules within the first one, as `.views`.
OTHERS = [(modules, names) for modules, names in ROWS if modules[1:-1] not in MODULES]
APART = {"BaseChannelLayer", "ChannelsLiveServerTestCase"}
"""These are not among what `import *` brings: they are fetched when they are asked for."""


@pytest.mark.parametrize("name", MODULES)
def test_the_reference_lists_all_public_names(name: str) -> None:
    module = importlib.import_module(name)
    assert set(MODULES[name]) - APART == set(module.__all__)


@pytest.mark.parametrize(("modules", "names"), OTHERS)
def test_what_else_the_reference_lists_is_there(modules: str, names: str) -> None:
    first, *more = re.findall(r"`([\w.]+)`", modules)
    owner, package = first, first if hasattr(importlib.import_module(first), "__path__") else first.rpartition(".")[0]
    words = re.findall(r"`(\.?\w+)`", names)
    within = [*more, *(word for word in words if word.startswith("."))]
    found = [importlib.import_module(one) for one in (owner, *(package + name for name in within))]
    for word in words:
        assert word.startswith(".") or any(hasattr(module, word) for module in found), word


def test_the_reference_lists_all_modules() -> None:
    paths = [path.relative_to(ROOT) for path in (ROOT / "chanx" / "channels").rglob("*.py")]
    of_django = {"apps", "urls", "views", "generate_asyncapi_schema"}  # told of as pages and as a command
    wanted = {path for path in paths if path.stem not in {"__init__", *of_django}}
    assert set(MODULES) == {".".join(path.with_suffix("").parts) for path in wanted}


def fresh(name: str) -> Any:
    """The application of a snippet, which registers its channel layer anew."""
    module = importlib.import_module(f"docs.snippets.howto.{name}")
    return importlib.reload(module).app


async def test_migrate_bare() -> None:
    app = fresh("migrate_bare")
    async with connect(app, "/chat/lobby") as one, connect(app, "/chat/lobby") as two, connect(app, "/chat/x") as other:
        await one.send({"text": "hello"})
        for client in (one, two):
            assert await client.receive() == {"text": "hello"}
        await other.settled()
        assert other.pending == []


async def test_migrate_mixed() -> None:
    app = fresh("migrate_mixed")
    async with connect(app, "/old") as old, connect(app, "/new") as new:
        await old.send({"text": "from the old one"})
        assert await old.receive() == {"text": "from the old one"}
        assert await new.receive() == {"action": "flash", "text": "from the old one"}
        await new.send({"action": "post", "text": "from the new one"})
        assert await old.receive() == {"text": "from the new one"}
        assert await new.receive() == {"action": "flash", "text": "from the new one"}


@pytest.mark.parametrize(("query", "user"), [("token=sesame", "ada"), ("token=other", None), ("", None)])
async def test_authenticators(query: str, user: str | None) -> None:
    async def send_message(message: Any) -> None:
        raise AssertionError("it sends nothing")

    authenticator = authenticators.TokenAuthenticator(send_message)
    authenticator.scope = {"type": "websocket", "query_string": query.encode()}
    assert await authenticator.authenticate() is (user is not None)
    assert authenticator.user == user


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    """The snippet registers one like it, for a process of its own."""
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


@pytest.mark.usefixtures("layer")
async def test_migrate_2x() -> None:
    client = Client(migrate_2x.app, "/office")
    await client.connect()
    assert await client.ask({"action": "ping"}) == PONG
    said = {"action": "said", "payload": "hello"}
    assert await client.ask({"action": "say", "payload": "hello"}) == {**said, "is_current": True}
    await asyncio.to_thread(migrate_2x.hire, "Ada")
    assert await client.got() == {"action": "said", "payload": "welcome Ada"}
    await client.disconnect()


@pytest.mark.usefixtures("layer")
async def test_concurrent_2x(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up, answered = concurrent_2x.look_up, threading.Event()

    def slowly(text: str) -> list[str]:
        return look_up(text) if answered.wait(10) else []

    monkeypatch.setattr(concurrent_2x, "look_up", slowly)
    client = await opened(concurrent_2x.SearchConsumer)
    await client.tell({"action": "search", "payload": "Ada"})
    try:
        assert await client.ask({"action": "ping"}) == PONG
    finally:
        answered.set()
    assert await client.got() == {"action": "found", "payload": ["Ada"]}
    await client.disconnect()


#: What the page about consumers of chanx 2.x says that a client gets, and the frame that it has sent for that.
PAGE_2X = (ROOT / "docs" / "reference" / "compat-2x.md").read_text("utf-8")


@pytest.mark.usefixtures("layer")
async def test_the_frames_of_the_reference() -> None:
    frames = re.search(r"```json\n(.*?)```", PAGE_2X, re.DOTALL)
    assert frames is not None
    ping, pong, ping_ref, pong_ref, said, failed, missing, complete = map(json.loads, frames[1].splitlines())

    class Consumer(migrate_2x.OfficeConsumer):
        async def handle_say(self, message: migrate_2x.Say) -> None:
            if message.payload == "fail":
                raise LookupError
            await super().handle_say(message)

    client = await opened(Consumer)
    assert await client.ask(ping) == pong
    assert await client.ask(ping_ref) == pong_ref
    assert await client.ask({"action": "say", "payload": "hello"}) == said
    assert await client.ask({"action": "say", "payload": "fail"}) == failed
    assert await client.ask({"action": "say"}) == missing
    await client.disconnect()
    Consumer.send_completion = True
    client = await opened(Consumer)
    await client.ask(ping)
    assert await client.got() == complete
    await client.disconnect()


def test_the_reference_of_2x_lists_what_can_be_imported() -> None:
    rows = re.findall(r"^\| (`chanx\..*?`) \| (.*) \|$", PAGE_2X, re.MULTILINE)
    assert rows
    for modules, names in rows:
        for module in re.findall(r"`(chanx\.[\w.]+)`", modules):
            assert all(hasattr(importlib.import_module(module), name) for name in re.findall(r"`(\w+)`", names))
