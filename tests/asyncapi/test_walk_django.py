"""The channels that Django serves through Django Channels, and patterns of paths that are shaped like Django's."""

from __future__ import annotations

from typing import Any

import tests.django_project  # noqa: F401 - what follows wants its settings

# isort: split

import pytest
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import include, path, re_path, register_converter
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from chanx import ConfigurationError
from chanx.asyncapi import document, walk
from chanx.asyncapi.paths import template
from chanx.asyncapi.patterns import from_regex
from tests.asyncapi.reach import agrees, found, named, reached

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # Django Channels knows no other


# As people use them: the annotations of Django Channels know neither Starlette's applications nor ours.
urls: Any = URLRouter
protocols: Any = ProtocolTypeRouter

a, b, c = named("a"), named("b"), named("c")


async def test_a_project_as_people_write_it() -> None:
    rooms = urls([path("ws/rooms/<str:room>/", a), re_path(r"^ws/feed/(?P<number>\d+)/$", b)])
    app = protocols(
        {"http": get_asgi_application(), "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(rooms))}
    )
    assert found(app) == await agrees(rooms) == [("/ws/rooms/{room}/", "a"), ("/ws/feed/{number}/", "b")]
    assert [dict(one.parameters) for one in walk(app)] == [{"room": "str"}, {"number": "int"}]
    assert await reached(AllowedHostsOriginValidator(rooms), "/ws/rooms/x/") == "a"
    told = document(app, title="Project", version="1")
    assert [one["address"] for one in told["channels"].values()] == ["/ws/rooms/{room}/", "/ws/feed/{number}/"]


async def test_all_convertors() -> None:
    class Year:
        regex = "[0-9]{4}"

        def to_python(self, value: str) -> int:
            return int(value)

    register_converter(Year, "year")
    app = urls(
        [
            path("<int:i>/<slug:s>/<uuid:u>/<plain>", a),
            path("p/<path:rest>", b),
            path("y/<year:when>", c),
        ]
    )
    assert [(one.address, dict(one.parameters)) for one in walk(app)] == [
        ("/{i}/{s}/{u}/{plain}", {"i": "int", "s": "slug", "u": "uuid", "plain": "str"}),
        ("/p/{rest}", {"rest": "path"}),
        ("/y/{when}", {"when": "year"}),
    ]
    assert await reached(app, "/7/a-b/00000000-0000-4000-8000-000000000000/~") == "a"


async def test_routers_in_routers() -> None:
    app = urls(
        [
            path("one/<int:n>/", urls([path("a", a), path("two/", urls([path("<slug:room>", b)]))])),
            re_path(r"^three/", urls([re_path(r"^(?P<x>[^/]+)$", c)])),
            path("", urls([path("", a)])),
        ]
    )
    assert await agrees(app) == [("/one/{n}/a", "a"), ("/one/{n}/two/{room}", "b"), ("/three/{x}", "c"), ("/", "a")]


async def test_a_router_that_its_middleware_hides_from_the_path_around_it() -> None:
    """Django Channels matches the whole path then, and the router within gets nothing of it."""
    app = urls([path("n/", AllowedHostsOriginValidator(urls([path("a", a)]))), path("b", b)])
    assert await agrees(app) == [("/b", "b")]
    assert await reached(app, "/n/a") is None
    app = urls([re_path("^n/", AllowedHostsOriginValidator(urls([path("a", a)])))])
    assert await agrees(app) == [("/n/a", "a")]


async def test_starlette_around_and_within() -> None:
    inner = urls([path("ws/<int:n>", a)])
    app = Starlette(routes=[Mount("/dj/{tenant}", inner), Mount("/", inner)])
    assert await agrees(app) == [("/dj/{tenant}/ws/{n}", "a"), ("/ws/{n}", "a")]
    star = Starlette(routes=[WebSocketRoute("/star/b", b), WebSocketRoute("/b", a), WebSocketRoute("/star/{x}", c)])
    assert await agrees(urls([re_path("^star/", star)])) == [("/star/b", "b"), ("/star/{x}", "c")]
    assert await agrees(urls([path("star/b", star)])) == [("/star/b", "b")]
    assert await agrees(urls([path("star/<int:x>", star), path("m/", c)])) == [("/m/", "c")]


def test_included_patterns() -> None:
    """Django Channels refuses them; a router of somebody's own may not."""

    class Own:
        def __init__(self, routes: list[Any]) -> None:
            self.routes = routes

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    inner = [path("a/<int:n>", a), re_path("^b$", b)]
    assert found(Own([path("in/<slug:s>/", include(inner)), path("c", c)])) == [
        ("/in/{s}/a/{n}", "a"),
        ("/in/{s}/b", "b"),
        ("/c", "c"),
    ]


def test_a_prefix_of_the_language() -> None:
    from django.conf.urls.i18n import i18n_patterns

    class Own:
        def __init__(self) -> None:
            self.routes = i18n_patterns(path("a", a))

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    assert found(Own()) == [("/{language}/a", "a")]


def test_nothing_for_websockets() -> None:
    app = protocols({"http": get_asgi_application()})
    assert found(app) == found(get_asgi_application()) == found(urls([])) == []
    with pytest.raises(ConfigurationError, match=r"no channel was found in channels\.routing\.ProtocolTypeRouter"):
        document(app, title="Nothing", version="1")


@pytest.mark.parametrize(
    ("regex", "address", "parameters"),
    [
        (r"^ws/chat/(?P<room>\w+)/$", "ws/chat/{room}/", {"room": "str"}),
        (r"ws/(?P<n>[0-9]+)/(?P<s>[-\w]+)/?$", "ws/{n}/{s}/", {"n": "int", "s": "slug"}),
        (r"^(?P<rest>.*)\Z", "{rest}", {"rest": "path"}),
        (r"^a\.b\-c/(?P<year>(?:19|20)[0-9]{2})$", "a.b-c/{year}", {"year": None}),
        (r"^(?P<odd>[^/()\]]+[)(])/x$", "{odd}/x", {"odd": None}),
        (r"^(?:v1|v2)/(?:deep/)?x$", "v1/deep/x", {}),
        (r"^\d+/(\w+)/[a-z][0-9]{2,3}$", "{arg1}/{arg2}/{arg3}", {"arg1": None, "arg2": None, "arg3": None}),
        (r"^x/.+$", "x/{arg1}", {"arg1": None}),
        (r"(?i)^x(?=y)(?!z)y$", "xy", {}),
        (r"^(?i:x)/y+z*$", "x/y{arg1}", {"arg1": None}),
        (r"^a|b$", "a", {}),
        (r"^[]a]/[^]]\[$", "{arg1}/{arg2}[", {"arg1": None, "arg2": None}),
        (r"^(?P<outer>x(?P<inner>y))$", "{outer}", {"outer": None}),
        (r"^(?P<a>\d+)(?P<b>\d+)", "{a}{b}", {"a": "int", "b": "int"}),
        ("", "", {}),
        ("(", "{arg1}", {"arg1": None}),
        ("[", "{arg1}", {"arg1": None}),
        ("\\", "", {}),
    ],
)  # fmt: skip
def test_regular_expressions(regex: str, address: str, parameters: dict[str, str | None]) -> None:
    assert template(from_regex(regex)) == (address, parameters)
