"""Routers: by protocol, by path with Django's patterns and Starlette's routes, by the name of a channel."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from tests import django_project  # noqa: F401  # isort: skip - Django must be configured first
import channels.routing
import django
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import Resolver404, include, path, re_path, register_converter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from chanx import Channel, Path
from chanx.asyncapi import walk
from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.generic.http import AsyncHttpConsumer
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from chanx.channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter, get_default_application
from chanx.channels.testing import ApplicationCommunicator, HttpCommunicator, WebsocketCommunicator

pytestmark = pytest.mark.anyio


class Found:
    """An application that keeps the scope it is served."""

    def __init__(self) -> None:
        self.scope: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope


async def route(router: Any, path: str, **scope: Any) -> None:
    await router({"type": "websocket", "path": path, **scope}, None, None)


# -- URLRouter with Django's patterns -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "at", "args", "kwargs"),
    [
        (path("", Found()), "/", (), {}),
        (path("chat/", Found()), "/chat/", (), {}),
        (path("chat/<str:room>/<int:page>/", Found()), "/chat/a b/7/", (), {"room": "a b", "page": 7}),
        (path("files/<path:rest>", Found()), "/files/a/b/c", (), {"rest": "a/b/c"}),
        (path("x/<uuid:key>/", Found()), f"/x/{uuid.UUID(int=5)}/", (), {"key": uuid.UUID(int=5)}),
        (path("chat/", Found(), {"extra": 1}), "/chat/", (), {"extra": 1}),
        (path("chat/<x>/", Found(), {"x": "given"}), "/chat/captured/", (), {"x": "given"}),
        (re_path(r"^chat/(?P<room>\w+)/$", Found()), "/chat/lobby/", (), {"room": "lobby"}),
        (re_path(r"^(\d+)/(\w+)$", Found(), {"extra": 1}), "/12/ab", ("12", "ab"), {"extra": 1}),
        (re_path(r"ws/chat/(?P<room>\w+)/$", Found()), "/ws/chat/x/", (), {"room": "x"}),
    ],
)
async def test_a_pattern_captures(pattern: Any, at: str, args: Any, kwargs: Any) -> None:
    await route(URLRouter([path("other/", Found()), pattern]), at)
    assert pattern.callback.scope["url_route"] == {"args": args, "kwargs": kwargs}
    assert pattern.callback.scope["path"] == at


async def test_converters_of_ones_own() -> None:
    class Year:
        regex = "[0-9]{4}"

        def to_python(self, value: str) -> int:
            return int(value)

        def to_url(self, value: int) -> str:
            return str(value)

    register_converter(Year, "chanx_year")
    found = Found()
    router = URLRouter([path("in/<chanx_year:year>/", found)])
    await route(router, "/in/2001/")
    assert found.scope["url_route"]["kwargs"] == {"year": 2001}
    with pytest.raises(ValueError, match="No route found"):
        await route(router, "/in/1/")


async def test_the_first_pattern_that_matches_is_taken() -> None:
    first, second = Found(), Found()
    await route(URLRouter([path("<str:x>/", first), path("a/", second)]), "/a/")
    assert first.scope is not None
    assert second.scope is None


async def test_the_scope_of_others_is_left_as_it_is() -> None:
    scope = {"type": "websocket", "path": "/a/", "user": object()}
    found = Found()
    await URLRouter([path("<x>/", found)])(scope, None, None)
    assert "url_route" not in scope
    assert found.scope["user"] is scope["user"]


@pytest.mark.parametrize("around", [lambda app: app, AuthMiddlewareStack, lambda app: AuthMiddlewareStack(_Wraps(app))])
@pytest.mark.parametrize("outer", ["path", "re_path"])
async def test_routers_within_routers_match_the_rest_of_the_path(around: Any, outer: str) -> None:
    found = Found()
    inner = around(URLRouter([path("b/", Found()), path("<str:y>/", found, {"z": 1})]))
    pattern = path("a/<int:x>/", inner) if outer == "path" else re_path(r"^a/(?P<x>\d+)/", inner)
    middle = URLRouter([path("", URLRouter([pattern]))])
    await route(middle, "/a/7/c/", headers=[])
    x: Any = 7 if outer == "path" else "7"
    assert found.scope["url_route"] == {"args": (), "kwargs": {"x": x, "y": "c", "z": 1}}
    assert found.scope["path_remaining"] == ""


class _Wraps:
    """Middleware of somebody's own, as Channels documents it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def test_unnamed_groups_of_routers_within_routers_add_up() -> None:
    found = Found()
    await route(URLRouter([re_path(r"^(\w)/", URLRouter([re_path(r"^(\w)/$", found)]))]), "/a/b/")
    assert found.scope["url_route"] == {"args": ("a", "b"), "kwargs": {}}


@pytest.mark.parametrize("inside", [URLRouter, channels.routing.URLRouter])
async def test_what_no_route_within_matches_is_for_the_next_route(inside: Any) -> None:
    found = Found()
    router = URLRouter([path("a/", inside([path("b/", Found())])), path("a/c/", found)])
    await route(router, "/a/c/")
    assert found.scope is not None
    with pytest.raises(ValueError, match=r"No route found for path 'a/d/'; the routes are: 'a/', 'a/c/'"):
        await route(router, "/a/d/")


@pytest.mark.parametrize("error", [ValueError("its own"), Resolver404({"tried": [], "path": "its own"})])
async def test_an_application_that_raises_is_no_reason_to_try_the_next_route(error: Exception) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise error

    second = Found()
    with pytest.raises(type(error), match="its own"):
        await route(URLRouter([path("a/", fails), path("<x>/", second)]), "/a/")
    assert second.scope is None


async def test_a_path_without_a_route_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"No route found for path 'nope/'; the routes are: 'a/', '\^b\$', '/c'"):
        await route(URLRouter([path("a/", Found()), re_path("^b$", Found()), WebSocketRoute("/c", Found())]), "/nope/")
    with pytest.raises(ValueError, match="path"):
        await URLRouter([])({"type": "websocket"}, None, None)


@pytest.mark.parametrize(
    ("root", "at"), [("", "/a/"), ("/app", "/app/a/"), ("/app/", "/app/a/"), ("/app", "/a/"), ("/a", "/a/a/")]
)
async def test_paths_begin_behind_the_root_path(root: str, at: str) -> None:
    found = Found()
    await route(URLRouter([path("a/", found)]), at, root_path=root)
    assert found.scope["url_route"] == {"args": (), "kwargs": {}}


async def test_a_root_path_ends_where_a_part_of_the_path_ends() -> None:
    found = Found()
    await route(URLRouter([path("apple/", found)]), "/apple/", root_path="/app")
    assert found.scope is not None


# -- mistakes -------------------------------------------------------------------------------------------


def test_include_is_refused_with_what_to_write_in_its_place() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"path\('chat/', URLRouter\(\["):
        URLRouter([path("chat/", include([path("x", Found())]))])


@pytest.mark.parametrize(
    "make",
    [
        lambda chat: URLRouter([path("chat", chat)]),
        lambda chat: URLRouter([WebSocketRoute("/chat", chat)]),
        lambda chat: ProtocolTypeRouter({"chat": chat}),
        lambda chat: ChannelNameRouter({"chat": chat}),
    ],
)
def test_a_consumer_class_is_refused_with_what_to_write_in_its_place(make: Any) -> None:
    class Chat(AsyncWebsocketConsumer):
        pass

    with pytest.raises(ValueError, match=r"chat' leads to the class .*Chat, .*: give .*Chat\.as_asgi\(\)"):
        make(Chat)


@pytest.mark.parametrize("wrong", [3, "chat/", Found(), None, ("chat/", Found())])
def test_what_is_no_route_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="no route of a URLRouter"):
        URLRouter([wrong])


# -- URLRouter with Starlette's routes ------------------------------------------------------------------


async def test_starlettes_routes_match_the_rest_of_the_path_too() -> None:
    found = Found()
    router = URLRouter([path("a/<int:x>/", URLRouter([WebSocketRoute("/rooms/{room:int}", found)]))])
    await route(router, "/a/7/rooms/8")
    assert found.scope["url_route"] == {"args": (), "kwargs": {"x": 7, "room": 8}}
    assert found.scope["path_params"] == {"room": 8}
    assert found.scope["path"] == "/a/7/rooms/8"


async def test_starlettes_routes_lead_to_consumers() -> None:
    class Where(AsyncJsonWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept()
            await self.send_json([self.scope["path_params"], self.channel_layer_alias])

    class Answers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"answered")

    routes = [WebSocketRoute("/rooms/{room}", Where.as_asgi(channel="ignored")), Route("/page", Answers.as_asgi())]
    for app in (URLRouter(routes), Starlette(routes=routes)):
        client = WebsocketCommunicator(app, "/rooms/lobby")
        assert await client.connect() == (True, None)
        assert await client.receive_json_from() == [{"room": "lobby"}, "default"]
        await client.disconnect()
        assert (await HttpCommunicator(app, "GET", "/page").get_response())["body"] == b"answered"


@pytest.mark.parametrize("root", ["", "/app"])
async def test_a_mount_leaves_the_rest_for_a_router_within(root: str) -> None:
    found = Found()
    router = URLRouter([Mount("/api/{v:int}", app=URLRouter([path("<str:room>/", found)]))])
    await route(router, f"{root}/api/2/lobby/", root_path=root)
    assert found.scope["url_route"] == {"args": (), "kwargs": {"v": 2, "room": "lobby"}}
    with pytest.raises(ValueError, match="No route found for path 'other/'"):
        await route(router, f"{root}/other/", root_path=root)


@pytest.mark.parametrize("root", ["", "/app"])
async def test_a_router_within_an_application_of_starlettes(root: str) -> None:
    found = Found()
    app = Starlette(routes=[Mount("/ws", app=URLRouter([path("<str:room>/", found)]))])
    await route(app, f"{root}/ws/lobby/", root_path=root)
    assert found.scope["url_route"]["kwargs"] == {"room": "lobby"}


async def test_routes_of_methods() -> None:
    def text(answer: str) -> Any:
        async def endpoint(request: Any) -> PlainTextResponse:
            return PlainTextResponse(answer)

        return endpoint

    router = URLRouter([Route("/x", text("got"), methods=["GET"]), Route("/x", text("posted"), methods=["POST"])])
    assert (await HttpCommunicator(router, "GET", "/x").get_response())["body"] == b"got"
    assert (await HttpCommunicator(router, "POST", "/x").get_response())["body"] == b"posted"
    assert (await HttpCommunicator(router, "PUT", "/x").get_response())["status"] == 405


# -- consumers and channels behind routers --------------------------------------------------------------


class Told(BaseModel):
    action: Literal["told"] = "told"
    room: str


class Ask(BaseModel):
    action: Literal["ask"] = "ask"


native = Channel("native")


@native.on(Ask)
async def answer(message: Ask, room: Annotated[str, Path("room")]) -> Told:
    return Told(room=room)


class Chat(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json({"action": "told", "room": self.scope["url_route"]["kwargs"]["room"]})


class Page(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        await self.send_response(200, str(self.scope["user"]).encode())


application = ProtocolTypeRouter(
    {
        "http": AuthMiddlewareStack(URLRouter([path("page/", Page.as_asgi())])),
        "websocket": AuthMiddlewareStack(
            URLRouter(
                [
                    path("native/<str:room>/", native),
                    re_path(r"^re/(?P<room>\w+)/$", native),
                    path(
                        "nested/", URLRouter([path("<str:room>/", AuthMiddlewareStack(URLRouter([path("", native)])))])
                    ),
                    WebSocketRoute("/starlette/{room}", native),
                    Mount("/mounted", routes=[WebSocketRoute("/{room}", native)]),
                    path("chat/<str:room>/", Chat.as_asgi()),
                ]
            )
        ),
    }
)


@pytest.mark.parametrize(
    "at", ["/native/lobby/", "/re/lobby/", "/nested/lobby/", "/starlette/lobby", "/mounted/lobby", "/chat/lobby/"]
)
async def test_channels_and_consumers_get_what_the_path_captures(at: str) -> None:
    client = WebsocketCommunicator(application, at)
    assert await client.connect() == (True, None)
    await client.send_json_to({"action": "ask"})
    assert await client.receive_json_from() == {"action": "told", "room": "lobby"}
    await client.disconnect()


async def test_requests_are_routed_with_their_user() -> None:
    response = await HttpCommunicator(application, "GET", "/page/").get_response()
    assert response["body"] == b"AnonymousUser"


def test_the_channels_behind_routers_are_found_at_their_addresses() -> None:
    addresses = [one.address for one in walk(application)]
    assert addresses == [
        "/native/{room}/",
        "/re/{room}/",
        "/nested/{room}/",
        "/starlette/{room}",
        "/mounted/{room}",
    ]


# -- by protocol and by channel -------------------------------------------------------------------------


async def test_an_unknown_type_of_scope_is_an_error_that_names_it() -> None:
    router = ProtocolTypeRouter({"http": Found(), "websocket": Found()})
    with pytest.raises(ValueError, match=r"'lifespan'; there are: 'http', 'websocket'"):
        await router({"type": "lifespan"}, None, None)


async def test_channels_are_routed_by_name() -> None:
    from chanx.channels.consumer import AsyncConsumer

    class Worker(AsyncConsumer):
        async def test_print(self, message: Any) -> None:
            await self.send({"type": "printed", "text": message["text"]})

    router = ProtocolTypeRouter({"channel": ChannelNameRouter({"thumbnails": Worker.as_asgi()})})
    client = ApplicationCommunicator(router, {"type": "channel", "channel": "thumbnails"})
    await client.send_input({"type": "test.print", "text": "hi"})
    assert await client.receive_output() == {"type": "printed", "text": "hi"}
    client.stop()
    with pytest.raises(ValueError, match=r"'other'; there are: 'thumbnails'"):
        await router({"type": "channel", "channel": "other"}, None, None)
    with pytest.raises(ValueError, match="'channel'"):
        await router({"type": "channel"}, None, None)


def test_the_default_application_is_named_by_the_settings() -> None:
    with override_settings(ASGI_APPLICATION="tests.django_project.django"):
        assert get_default_application() is django


def test_a_router_is_no_list_of_routes() -> None:
    given: Any = URLRouter([])
    with pytest.raises(TypeError, match="takes a list of routes, not URLRouter"):
        URLRouter(given)
