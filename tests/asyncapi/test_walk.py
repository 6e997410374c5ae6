"""The channels that Starlette's applications serve, and what is around and behind them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypercorn.middleware.dispatcher import AsyncioDispatcherMiddleware
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from chanx import Channel, ConfigurationError
from chanx.asyncapi import walk
from chanx.asyncapi.walk import served_by
from tests.asyncapi.reach import agrees, found, named, reached

pytestmark = pytest.mark.anyio

a, b, c = named("a"), named("b"), named("c")


def page(request: Request) -> Response:
    return PlainTextResponse("a page")


async def raw(websocket: WebSocket) -> None:
    await websocket.close()


class Backend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        return AuthCredentials([]), SimpleUser("somebody")


class Wrapper:
    """Middleware as people write it, with the name of the attribute that a test wants."""

    def __init__(self, app: ASGIApp, name: str = "app", **more: Any) -> None:
        self.__dict__.update(more)
        self.__dict__[name] = app
        self.wrapped = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.__dict__[self.wrapped](scope, receive, send)


class Slotted:
    __slots__ = ("unset", "wrapped")

    def __init__(self, app: ASGIApp) -> None:
        self.wrapped = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.wrapped(scope, receive, send)


class Site:
    """A dispatcher of somebody's own: pages in one attribute, sockets in another, or in the class."""

    feed = b

    def __init__(self, pages: ASGIApp, sockets: ASGIApp) -> None:
        self.app = pages
        self.sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app if scope["type"] == "http" else self.sockets
        await app(scope, receive, send)


async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
    await (a if scope["path"] == "/a" else b)(scope, receive, send)


def closure(app: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return wrapped


def wrapping(app: Any) -> ASGIApp:
    @functools.wraps(app)
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return wrapped


async def through(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def test_a_channel_that_is_the_application_answers_every_path() -> None:
    assert await agrees(a) == [("/", "a")]
    assert await reached(a, "/any/path") == "a"


async def test_routes_in_their_order_with_their_parameters() -> None:
    app = Starlette(
        routes=[
            Route("/", page),
            WebSocketRoute("/b", b),
            WebSocketRoute("/raw", raw),
            WebSocketRoute("/rooms/{room}/{seat:int}", a),
            WebSocketRoute("/files/{file:path}", c),
            WebSocketRoute("/{number:float}/{id:uuid}", c),
            WebSocketRoute("/again", a),
            Route("/http-only", a),
        ]
    )
    assert await agrees(app) == [
        ("/b", "b"),
        ("/rooms/{room}/{seat}", "a"),
        ("/files/{file}", "c"),
        ("/{number}/{id}", "c"),
        ("/again", "a"),
    ]
    assert [dict(one.parameters) for one in walk(app)] == [
        {},
        {"room": "str", "seat": "int"},
        {"file": "path"},
        {"number": "float", "id": "uuid"},
        {},
    ]


async def test_mounts_with_parameters_and_applications_in_applications() -> None:
    inner = Starlette(routes=[WebSocketRoute("/ws/{seat:int}", a), Mount("/deep", routes=[WebSocketRoute("/", b)])])
    app = Starlette(
        routes=[
            Mount("/page", Starlette(routes=[Route("/", page)])),
            Mount("/two/{tenant:int}/", Router([Mount("", inner)])),
            Mount("/{tenant}", inner),
        ]
    )
    assert await agrees(app) == [
        ("/two/{tenant}/ws/{seat}", "a"),
        ("/two/{tenant}/deep/", "b"),
        ("/{tenant}/ws/{seat}", "a"),
        ("/{tenant}/deep/", "b"),
    ]
    assert list(walk(app)[0].parameters.items()) == [("tenant", "int"), ("seat", "int")]


async def test_a_mounted_channel_wants_the_slash_that_starlette_wants() -> None:
    app = Starlette(routes=[Mount("/chat", a), Mount("/{room:int}", b)])
    assert await agrees(app) == [("/chat/", "a"), ("/{room}/", "b")]
    assert await reached(app, "/chat") is None


async def test_a_mount_at_the_root() -> None:
    assert await agrees(Starlette(routes=[Mount("/", a)])) == [("/", "a")]
    assert await agrees(Mount("", routes=[WebSocketRoute("/a", a)])) == [("/a", "a")]


async def test_of_two_parameters_with_one_name_the_inner_keeps_it() -> None:
    app = Starlette(routes=[Mount("/{id:int}", routes=[Mount("/{id:uuid}", routes=[WebSocketRoute("/{id}", a)])])])
    assert await agrees(app) == [("/{id_2}/{id_1}/{id}", "a")]
    assert walk(app)[0].parameters == {"id_2": "int", "id_1": "uuid", "id": "str"}


async def test_hosts() -> None:
    app = Starlette(
        routes=[
            Host("api.example.org", a),
            Host("{tenant}.example.org:8000", Router([WebSocketRoute("/b", b)])),
            Mount("/m", routes=[Host("www.example.net", c)]),
            WebSocketRoute("/b", c),
            Host("one.example.org", c),
        ]
    )
    assert found(app) == [
        ("api.example.org/", "a"),
        ("{tenant}.example.org:8000/b", "b"),
        ("www.example.net/m/", "c"),
        ("/b", "c"),
    ]
    assert await reached(app, "/x", "api.example.org") == "a"
    assert await reached(app, "/b", "one.example.org") == "b"
    assert await reached(app, "/b") == "c"


async def test_a_host_within_a_host() -> None:
    inner = Router([Host("a.org", a), Host("{name}.org", b)])
    app = Router([Host("a.org", inner), Host("b.org", inner), Host("{any}.net", Host("c.net", c))])
    assert found(app) == [("a.org/", "a"), ("a.org/", "b"), ("b.org/", "b"), ("c.net/", "c")]


async def test_a_route_that_an_earlier_one_takes_all_of_is_not_served() -> None:
    app = Starlette(
        routes=[
            WebSocketRoute("/{name}", a),
            WebSocketRoute("/b", b),
            WebSocketRoute("/{number:int}", c),
            WebSocketRoute("/{whole:path}", c),
            Mount("/m", Starlette()),
        ]
    )
    assert await agrees(app) == [("/{name}", "a"), ("/{whole}", "c")]
    assert await reached(app, "/b") == "a"
    app = Starlette(routes=[WebSocketRoute("/a", a), Mount("/", Starlette(routes=[])), WebSocketRoute("/b", b)])
    assert await agrees(app) == [("/a", "a")]
    assert await reached(app, "/b") is None


async def test_a_narrow_route_before_a_broad_one_takes_nothing_from_it() -> None:
    app = Starlette(
        routes=[
            WebSocketRoute("/lobby", a),
            WebSocketRoute("/{number:int}", a),
            WebSocketRoute("/{number:float}", b),
            WebSocketRoute("/{id:uuid}", b),
            WebSocketRoute("/{name}", c),
            WebSocketRoute("/{whole:path}", a),
        ]
    )
    assert [address for address, _ in await agrees(app)] == [
        "/lobby", "/{number}", "/{number}", "/{id}", "/{name}", "/{whole}",
    ]  # fmt: skip


async def test_the_default_of_a_router() -> None:
    assert await agrees(Router([WebSocketRoute("/b", b)], default=a)) == [("/b", "b"), ("/", "a")]
    taken = Router([WebSocketRoute("/", b)], default=a)
    assert await agrees(taken) == [("/", "b"), ("/{path}", "a")]
    assert await agrees(Router([Mount("/", b)], default=a)) == [("/", "b")]
    inner = Router([WebSocketRoute("/b", a), WebSocketRoute("/c", c)])
    assert await agrees(Router([WebSocketRoute("/b", b)], default=inner)) == [("/b", "b"), ("/c", "c")]


async def test_a_websocket_route_gives_the_whole_path_to_what_is_behind_it() -> None:
    inner = Router([WebSocketRoute("/x/a", a), WebSocketRoute("/y", b), WebSocketRoute("/x/{name}", c)])
    assert await agrees(WebSocketRoute("/x/{rest:path}", inner)) == [("/x/a", "a"), ("/x/{name}", "c")]
    assert found(WebSocketRoute("/z", inner)) == []


async def test_middleware_of_starlette_everywhere() -> None:
    auth = Middleware(AuthenticationMiddleware, backend=Backend())
    cors = Middleware(CORSMiddleware, allow_origins=["*"])
    app = Starlette(
        routes=[
            WebSocketRoute("/a", a, middleware=[auth, cors]),
            Mount("/m", b, middleware=[auth]),
            Mount("/n", routes=[WebSocketRoute("/c", c)], middleware=[cors, auth]),
            Mount("/r", Router([WebSocketRoute("/c", c)], middleware=[auth])),
        ],
        middleware=[cors, auth, Middleware(TrustedHostMiddleware, allowed_hosts=["testserver"])],
    )
    expected = [("/a", "a"), ("/m/", "b"), ("/n/c", "c"), ("/r/c", "c")]
    assert await agrees(app) == expected
    assert app.middleware_stack is not None
    assert found(app.middleware_stack) == expected
    assert await agrees(AuthenticationMiddleware(CORSMiddleware(app), backend=Backend())) == expected


@pytest.mark.parametrize("name", ["app", "inner", "application", "_app", "asgi_app", "anything", "_private"])
async def test_middleware_keeps_the_application_under_many_names(name: str) -> None:
    app = Starlette(routes=[WebSocketRoute("/a", Wrapper(a, name)), Mount("/m", Wrapper(Wrapper(b, name), name))])
    assert await agrees(Wrapper(app, name)) == [("/a", "a"), ("/m/", "b")]


async def test_middleware_with_slots() -> None:
    assert await agrees(Slotted(Router([WebSocketRoute("/a", Slotted(a))]))) == [("/a", "a")]


async def test_a_channel_that_middleware_only_knows_is_not_served_by_it() -> None:
    app = Router([WebSocketRoute("/a", a)])
    assert await agrees(Wrapper(app, notify=b, to=[b], emit=b.emit)) == [("/a", "a")]
    assert await agrees(Wrapper(app, "inner", notify=b.emit)) == [("/a", "a")]


def test_methods_of_a_channel_serve_nothing() -> None:
    assert found(Wrapper(Starlette(), emit=a.emit, stats=a.stats)) == []
    assert found(a.emit) == []


async def test_a_dispatcher_with_attributes() -> None:
    """What is in the class counts too; which paths lead where is not known, so all of it stands at the root."""
    assert found(Site(Starlette(), a)) == [("/", "b"), ("/", "a")]
    assert found(Site(Starlette(routes=[WebSocketRoute("/c", c)]), a)) == [("/c", "c")]
    assert await reached(Site(Starlette(), a), "/") == "a"


async def test_a_dispatcher_with_a_mapping_of_paths() -> None:
    pages = Starlette(routes=[Route("/", page)])
    sockets = Starlette(routes=[WebSocketRoute("/c", c)])
    apps: dict[str, Any] = {"/a": a, "/pages": pages, "/sockets": sockets, "": b}
    assert await agrees(AsyncioDispatcherMiddleware(apps)) == [("/a", "a"), ("/sockets/c", "c"), ("/", "b")]


async def test_a_dispatcher_with_a_mapping_of_protocols() -> None:
    mapping = {"http": Starlette(routes=[WebSocketRoute("/b", b)]), "websocket": Router([WebSocketRoute("/a", a)])}
    assert found(Wrapper(Starlette(), apps=mapping)) == [("/a", "a")]
    assert found(Wrapper(Starlette(), apps={"http": b})) == []
    assert found(Wrapper(Starlette(), apps={"chat": b, 7: b})) == []


@pytest.mark.parametrize(
    "app",
    [
        functools.partial(Wrapper(a)),
        functools.partial(through, a),
        functools.partial(functools.partial(through), Wrapper(a)),
        a.__call__,
        Wrapper(a).__call__,
        wrapping(a),
        wrapping(Wrapper(wrapping(a))),
    ],
    ids=["partial of an object", "argument", "partials", "method", "method of an object", "wraps", "wraps of wraps"],
)
async def test_ways_to_write_an_application(app: ASGIApp) -> None:
    assert await agrees(app) == [("/", "a")]
    assert await agrees(Mount("/m", app)) == [("/m/", "a")]


@pytest.mark.parametrize(
    "app", [by_path, closure(a), functools.partial(by_path), Wrapper(by_path), Mount("/a", by_path)]
)
def test_what_a_function_decides_is_left_out(app: ASGIApp) -> None:
    assert found(app) == []
    with pytest.raises(ConfigurationError, match=r'no channel was found in .*: \{"/chat": chat\}$'):
        served_by(app)


@pytest.mark.parametrize(
    "app", [None, 3, "module:app", b"", object(), Channel, Starlette, walk, functools, Starlette(), Router(), [], {}]
)
def test_what_serves_no_channel(app: Any) -> None:
    assert found(app) == []
    with pytest.raises(ConfigurationError, match="no channel was found in"):
        served_by(app)


def test_the_error_names_the_application() -> None:
    with pytest.raises(ConfigurationError, match=r"no channel was found in starlette\.applications\.Starlette\."):
        served_by(Starlette())
    with pytest.raises(ConfigurationError, match=r"no channel was found in by_path \(.*test_walk\.py:\d+\)\."):
        served_by(by_path)
    assert [one.address for one in served_by(a)] == ["/"]


async def test_an_application_that_contains_itself() -> None:
    app = Starlette(routes=[WebSocketRoute("/a", a)])
    app.mount("/self", Wrapper(app))
    app.router.routes.append(Mount("/router", app.router))
    other = Starlette(routes=[Mount("/back", app), WebSocketRoute("/b", b)])
    app.mount("/other", other)
    assert await agrees(app) == [("/a", "a"), ("/other/b", "b")]
    assert await agrees(other) == [("/back/a", "a"), ("/b", "b")]
    around = Wrapper(app)
    around.__dict__["app"] = around
    assert found(around) == []


async def test_one_application_at_two_places() -> None:
    shared = Starlette(routes=[WebSocketRoute("/a", a)])
    app = Starlette(routes=[Mount("/one", shared), Mount("/two", Wrapper(shared)), WebSocketRoute("/a", a)])
    assert await agrees(app) == [("/one/a", "a"), ("/two/a", "a"), ("/a", "a")]


def test_a_look_into_many_objects_that_know_each_other_ends() -> None:
    last: Any = by_path
    for _ in range(60):  # looked into one by one, these would be 2 ** 60
        last = Wrapper(last, "left", right=Wrapper(last, "other"), also=[last, {"/x": last}])
    assert found(last) == []


def test_a_very_long_chain_of_middleware_is_left_out_and_ends() -> None:
    app: Any = a
    for _ in range(5000):
        app = Wrapper(app)
    assert found(app) == []


class Trap:
    """An application that must not be touched: nothing of it may run."""

    def __init__(self) -> None:
        self.app = a

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("called")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __hash__(self) -> int:
        raise AssertionError("hashed")

    def __bool__(self) -> bool:
        raise AssertionError("asked")

    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def __len__(self) -> int:
        raise AssertionError("measured")

    @property
    def inner(self) -> Any:
        raise AssertionError("property")

    @property
    def routes(self) -> Any:
        raise AssertionError("property")


@pytest.mark.parametrize("wrap", [lambda app: app, Wrapper, lambda app: Mount("", app), functools.partial])
def test_nothing_of_the_application_runs(wrap: Callable[[Any], Any]) -> None:
    assert found(wrap(Trap())) == [("/", "a")]
    assert found(Wrapper(Starlette(), trap=[Trap()])) == [("/", "a")]


def test_looking_compiles_and_freezes_nothing() -> None:
    app = Starlette(routes=[WebSocketRoute("/late", late := named("late"))])
    assert found(app) == [("/late", "late")]
    assert app.middleware_stack is None
    late.on_connect(raw_hook)
    late.compile()


async def raw_hook() -> None: ...


class Group(BaseRoute):
    """A route of somebody's own."""

    def __init__(self, *routes: BaseRoute) -> None:
        self.routes = list(routes)


def test_a_route_of_an_unknown_class_is_looked_into() -> None:
    assert found(Router([Group(WebSocketRoute("/a", a), Mount("/b", b))])) == [("/a", "a"), ("/b/", "b")]
    assert found(Router([BaseRoute()])) == []


def test_parameters_of_a_convertor_that_somebody_registered() -> None:
    from starlette.convertors import CONVERTOR_TYPES, IntegerConvertor, register_url_convertor

    register_url_convertor("year", IntegerConvertor())
    try:
        app = Router([WebSocketRoute("/{any}", a), WebSocketRoute("/{when:year}", b)])
        assert found(app) == [("/{any}", "a"), ("/{when}", "b")]
        assert walk(app)[1].parameters == {"when": "year"}
    finally:
        del CONVERTOR_TYPES["year"]
