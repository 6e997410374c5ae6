"""Applications of any shape: `walk` names the addresses at which a channel answers, and no others."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from chanx import Channel
from chanx.asyncapi import Served, walk
from tests.asyncapi.reach import VALUES
from tests.full import examples


class Probe(Channel):
    """A channel that only notes that a connection came as far as to it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["reached"].append(self.name)


class Wrapper:
    def __init__(self, app: ASGIApp, name: str = "app") -> None:
        self.__dict__[name] = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.__dict__[self.name](scope, receive, send)


def wrapping(app: ASGIApp) -> ASGIApp:
    @functools.wraps(app, updated=())
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return wrapped


async def nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


def fastapi(routes: list[Any], prefixes: list[str]) -> FastAPI:
    """The routes in a router that is included in another one, and so on."""
    router, app = APIRouter(routes=routes), FastAPI()
    for prefix in prefixes[:-1]:
        outer = APIRouter()
        outer.include_router(router, prefix=prefix)
        router = outer
    app.include_router(router, prefix=prefixes[-1])
    return app


SEGMENTS = ("a", "b", "{x}", "{n:int}", "{f:float}", "{u:uuid}", "{p:path}")
PROBES = [Probe(name) for name in ("red", "green", "blue", "black")]
HOSTS = ("a.org", "b.org", "{h}.org", "testserver")


def made(segments: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(segments), max_size=2, unique=True).map(lambda parts: "/" + "/".join(parts))


paths = made(SEGMENTS)
mounts = made(SEGMENTS[:-1])  # a mount with a `path` takes all that it can, and leaves one segment to what is in it
prefixes = st.lists(st.sampled_from(["/a", "/b", "/{y}", "/a/{z:int}"]), min_size=1, max_size=3, unique=True)
middleware = st.lists(
    st.sampled_from([Middleware(Wrapper), Middleware(Wrapper, name="inner"), Middleware(Wrapper, name="odd")]),
    max_size=2,
)
wrappers: st.SearchStrategy[Callable[[Any], Any]] = st.sampled_from(
    [
        Wrapper,
        functools.partial(Wrapper, name="application"),
        functools.partial(Wrapper, name="strange"),
        functools.partial,
        wrapping,
        lambda app: Wrapper(app).__call__,
        lambda app: functools.partial(Wrapper(app)),
    ]
)


# Behind a route stands what answers: an application with routes of its own would match the same path once more.
ends = st.sampled_from([*PROBES, nothing]) | st.builds(lambda wrap, app: wrap(app), wrappers, st.sampled_from(PROBES))


def page(request: Any) -> Any:
    return PlainTextResponse("")


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    routes = st.lists(
        st.one_of(
            st.builds(WebSocketRoute, paths, ends, middleware=middleware),
            st.builds(Mount, mounts, inner, middleware=middleware),
            st.builds(Route, paths, st.just(page)),
        ),
        max_size=4,
    )
    return st.one_of(
        st.builds(lambda routes, middleware: Starlette(routes=routes, middleware=middleware), routes, middleware),
        st.builds(lambda routes, default: Router(routes, default=default), routes, inner),
        st.builds(fastapi, routes, prefixes),
        st.builds(lambda wrap, app: wrap(app), wrappers, inner),
        routes.flatmap(lambda routes: st.sampled_from(routes) if routes else st.just(nothing)),
    )


inner = st.recursive(st.sampled_from([*PROBES, *PROBES, nothing]), composed, max_leaves=8)
# Hosts stand outside: a host within a host is nothing that anybody writes.
applications = inner | st.lists(
    st.builds(Host, st.sampled_from(HOSTS), inner)
    | st.builds(Mount, mounts, inner)
    | st.builds(WebSocketRoute, paths, st.sampled_from(PROBES))
).map(Router)

CANDIDATES = ["/"] + [
    "/" + "/".join(segments) + end
    for length in (1, 2, 3)
    for segments in itertools.product(("a", "b", "7", "~"), repeat=length)
    for end in ("", "/")
]


def reached(app: Any, path: str, host: str = "elsewhere") -> str | None:
    """The channel that a connection comes to. Routing waits for nothing, so no event loop is needed."""
    answers: list[str] = []
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "headers": [],
        "reached": answers,
    }
    scope["headers"] = [(b"host", host.encode())]

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None: ...

    try:
        app(scope, receive, send).send(None)
    except StopIteration:
        return answers[0] if answers else None
    except TypeError as error:  # a route takes any function for an endpoint of Starlette's own
        assert "missing 2 required positional arguments: 'receive' and 'send'" in str(error)  # noqa: PT017
        return None
    raise AssertionError("routing waited for something")


def taken(one: Served, path: str, host: str) -> bool:
    """Is this one of the paths of an address, or, as a mounted channel answers those too, one below it?"""
    kinds = {name: ".*" if kind == "path" else "[^/]+" for name, kind in one.parameters.items()}
    pattern = (
        re.escape(one.address.removesuffix("{path}").rstrip("/"))
        .replace(r"\{", "{")
        .replace(r"\}", "}")
        .format(**kinds)
    )
    hosts = re.sub(r"\\\{\w+\\\}", ".+", re.escape(one.host or ".")) if one.host else ".*"
    return re.match(f"{pattern}(/|$)", path) is not None and re.fullmatch(hosts, host) is not None


@given(applications)
@settings(
    max_examples=examples(120),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_what_is_found_answers_and_what_answers_is_found(app: Any) -> None:
    served = walk(app)
    for one in served:
        values = {name: VALUES[kind] for name, kind in one.parameters.items()}
        host = re.sub(r"\{\w+\}", "x", one.host or "elsewhere")
        # At `/{path}` a channel answers what other routes leave, which may be less than all of it.
        below = ("~", "~/~", "~/~/~") if one.address.endswith("{path}") else ("",)
        paths = [one.address.format(**{**values, "path": path}) for path in below]
        assert one.channel.name in {reached(app, path, host) for path in paths}, (one.address, one.host)
    for path, host in itertools.product(CANDIDATES, ("elsewhere", "a.org", "x.org")):
        name = reached(app, path, host)
        if name is not None:
            assert [one for one in served if one.channel.name == name and taken(one, path, host)], (name, path, host)


@given(applications)
@settings(max_examples=examples(50), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_it_is_the_same_every_time(app: Any) -> None:
    def told() -> list[tuple[Any, ...]]:
        return [(one.address, one.host, one.channel.name, list(one.parameters.items())) for one in walk(app)]

    first = told()
    assume(first)
    assert told() == first
    assert len({one[:3] for one in first}) == len(first)
