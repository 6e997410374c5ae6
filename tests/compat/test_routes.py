"""Routes written as Django writes them, parameters of patterns, and small helpers of chanx 2.x."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import AsyncIterator
from typing import Any

import tests.django_project  # noqa: F401 - what follows wants its settings

# isort: split

import pytest
from django.urls import path as django_path
from starlette.routing import Mount, WebSocketRoute

from chanx.channels.routing import URLRouter, include, path, re_path
from chanx.compat.patterns import pattern_of
from chanx.messages.outgoing import PongMessage
from chanx.routing import extract_path_parameters, get_pattern_string_and_params
from chanx.routing.patterns import DJANGO_PARAM_PATTERN, REGEX_PARAM_PATTERN, STARLETTE_PARAM_PATTERN
from chanx.utils.framework import is_django_configured, is_django_installed
from chanx.utils.groups import group_name
from chanx.utils.scope import get_query_params, get_url_params
from chanx.utils.streaming import stream_messages
from tests.servers import ROOT

pytestmark = pytest.mark.anyio


async def app(scope: Any, receive: Any, send: Any) -> None:
    scope["seen"].append(scope["url_route"])


async def routed(router: Any, where: str) -> Any:
    scope: dict[str, Any] = {"type": "websocket", "path": where, "seen": []}
    await router(scope, None, None)
    return scope["seen"][0]["kwargs"]


router = URLRouter([path("room/<str:room_id>/", app), re_path(r"^(?P<pk>\d+)/$", app, {"more": 1}, name="one")])


@pytest.mark.parametrize("given", [router, __name__, sys.modules[__name__]])
async def test_include(given: Any) -> None:
    whole = URLRouter([path("chat/", include(given))])
    assert await routed(whole, "/chat/room/7/") == {"room_id": "7"}
    assert await routed(whole, "/chat/8/") == {"pk": "8", "more": 1}


def test_include_of_something_else() -> None:
    empty = types.ModuleType("empty")
    with pytest.raises(ValueError, match="empty has no 'router'"):
        include(empty)
    empty.router = [path("a", app)]  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="is no URLRouter"):
        include(empty)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        include("no_such_module")


WITHOUT = """
import sys
sys.modules['django'] = sys.modules['channels'] = None
import chanx.fast_channels, chanx.channels.routing, chanx.core.registry, chanx.routing as routing
from chanx.utils.framework import is_django_configured, is_django_installed
print(is_django_installed(), is_django_configured())
print(routing.RouteDiscovery(chanx.channels.routing.URLRouter([])).discover_routes())
for go in (lambda: routing.path("a", print), lambda: routing.RouteDiscovery().discover_routes(),
           lambda: __import__("chanx.channels.views"), lambda: __import__("chanx.channels.urls")):
    try:
        go()
    except ImportError as error:
        print(error)
"""


def test_without_django() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, check=False)
    first, second, *others = ran.stdout.splitlines()
    assert (first, second) == ("False False", "[]"), ran.stderr
    assert len(others) == 4
    assert "path() makes Django's routes, and Django is not installed" in others[0]
    assert "WebSocketRoute" in others[0]
    assert all("pip install 'chanx[django]'" in one for one in others)


@pytest.mark.parametrize(
    ("pattern", "text", "parameters"),
    [
        ("rooms/<int:room>/<slug:name>/", "rooms/{room}/{name}/", {"room": "int", "name": "slug"}),
        ("/rooms/{room:int}/{name}", "/rooms/{room}/{name}", {"room": "int", "name": "str"}),
        (r"^rooms/(?P<room>[0-9]{2})/$", "rooms/{room}/", {"room": "[0-9]{2}"}),
        ("rooms/", "rooms/", None),
    ],
)
def test_patterns(pattern: str, text: str, parameters: dict[str, str] | None) -> None:
    assert get_pattern_string_and_params(pattern) == (text, parameters)
    assert extract_path_parameters(pattern) == (parameters or {})


def test_patterns_of_routes() -> None:
    assert get_pattern_string_and_params(django_path("a/<uuid:x>", app)) == ("a/{x}", {"x": "uuid"})
    assert get_pattern_string_and_params(re_path("^a/(?P<x>.*)$", app)) == ("a/{x}", {"x": ".*"})
    assert get_pattern_string_and_params(WebSocketRoute("/a/{x:path}", app)) == ("/a/{x}", {"x": "path"})
    assert pattern_of(Mount("/m", app)) == "/m"
    assert (DJANGO_PARAM_PATTERN, REGEX_PARAM_PATTERN) == (r"<(\w+):(\w+)>", r"\(\?P<([^>]+)>([^)]+)\)")
    assert STARLETTE_PARAM_PATTERN == r"\{(\w+)(?::(\w+))?\}"


def test_scope() -> None:
    scope = {"path_params": {"a": 1}, "url_route": {"args": (), "kwargs": {"b": "2"}}, "query_string": b"x=1&x=2&y="}
    assert get_url_params(scope) == {"a": 1, "b": "2"}
    assert get_query_params(scope) == {"x": "2", "y": ""}
    assert get_url_params({}) == get_query_params({}) == {}


def test_framework() -> None:
    assert is_django_installed()
    assert is_django_configured()


def test_names_of_groups() -> None:
    assert group_name("room", 7) == "room.7"
    names = [
        group_name(*parts) for parts in (("a.b",), ("a", "b"), ("a b",), ("a_b",), ("a", "ü"), ("x" * 200,), ("",))
    ]
    assert len({*names}) == len(names)
    assert all(len(name) < 100 and name.isascii() and " " not in name for name in names)
    assert group_name("a b") == group_name("a b")
    with pytest.raises(ValueError, match="at least one"):
        group_name()


async def test_messages_are_sent_as_they_come() -> None:
    sent: list[Any] = []
    closed: list[bool] = []

    class Consumer:
        async def send_message(self, message: Any) -> None:
            if len(sent) == 2:
                raise OSError
            sent.append(message)

    async def messages() -> AsyncIterator[PongMessage]:
        try:
            for _ in range(3):
                yield PongMessage()
        finally:
            closed.append(True)

    with pytest.raises(OSError):  # noqa: PT011
        await stream_messages(Consumer(), messages())
    assert (len(sent), closed) == (2, [True])
    sent.clear()

    async def two() -> AsyncIterator[PongMessage]:
        yield PongMessage()
        yield PongMessage()

    assert await stream_messages(Consumer(), two()) == 2
