"""Finds the channels that an application serves, by looking at its routes; nothing of the application is called."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute

from chanx.asyncapi.consumers import leaf_of, served_at
from chanx.asyncapi.paths import (
    Param,
    Parts,
    after,
    from_django,
    from_starlette,
    joined,
    matcher,
    sample,
    template,
    under_mount,
)
from chanx.asyncapi.patterns import from_regex
from chanx.asyncapi.served import Served
from chanx.exceptions import ConfigurationError
from chanx.router import Channel
from chanx.types import place

# Where middleware and dispatchers keep what they wrap. The first of them that leads to a channel counts, so that a
# middleware that knows some channel besides, say to emit to it, is not taken for a dispatcher.
_INNER = ("app", "inner", "application", "_app", "asgi_app", "application_mapping", "routes", "mounts", "router")
# Paths below a place.
_BELOW = ("/~", "/~/~", "/~/~/~")
_PARAMETER = re.compile(r"\{\w+\}")
# Deeper than any application is, and shallower than Python's recursion.
_DEEPEST = 64
# How many objects of unknown classes are looked into: objects that know each other lead on without end.
_MOST = 5000


def walk(app: Any) -> list[Served]:
    """The channels that an application serves, each at its address, in the order of the routes.

    Looked through are Starlette's and FastAPI's applications, routers and routes, Django's URL patterns, the routers
    of Django Channels, middleware that keeps what it wraps in an attribute, `functools.partial`, and dispatchers that
    keep their applications in a mapping. What an application decides in a function cannot be seen, and is left out.
    A channel that is the application itself answers every path: its address is `/`. A consumer with typed messages,
    given as `Consumer.as_asgi()`, is found like a channel.
    """
    served: list[Served] = []
    seen: set[tuple[str, str | None, Any]] = set()
    for one in _Walk().app(app):
        address, parameters = template(after(("/",), one.parts))
        if (key := (address, one.host, one.leaf)) not in seen:
            seen.add(key)
            served.append(served_at(address, one.leaf, parameters, one.host))
    return served


def served_by(app: Any) -> list[Served]:
    """Like `walk`, where there must be something.

    Raises:
        ConfigurationError: no channel was found.
    """
    if served := walk(app):
        return served
    what = place(app) if inspect.isroutine(app) else f"{type(app).__module__}.{type(app).__qualname__}"
    raise ConfigurationError(
        f"no channel was found in {what}. Routes, mounts, and middleware that keeps what it wraps in an attribute are "
        'looked through; what a function decides cannot be seen. Give the channels by address: {"/chat": chat}'
    )


def inner(app: Any) -> Any:
    """What a middleware wraps, as far as its attributes tell; None where it wraps nothing."""
    if isinstance(app, partial):
        return app.func
    attributes = _attributes(app)
    found = (attributes.get(name) for name in ("app", "inner", "application", "_app", "asgi_app"))
    return next((one for one in found if callable(one)), None)


class _Found(msgspec.Struct, frozen=True, eq=False):
    """A channel, or a class of consumers, and where it is below the place that is looked at.

    Attributes:
        below: it answers all paths below that too.
    """

    leaf: Any
    parts: Parts = ()
    host: str | None = None
    below: bool = True

    def at(self, parts: Parts, *, below: bool | None = None) -> _Found:
        return _Found(self.leaf, parts, self.host, self.below if below is None else below)


class _Earlier(msgspec.Struct, frozen=True, eq=False):
    """What a route takes of WebSockets, before later ones are asked."""

    path: re.Pattern[str]
    host: re.Pattern[str] | None = None

    def takes(self, path: str, host: str | None) -> bool:
        if self.host is not None and (host is None or not self.host.match(_PARAMETER.sub("~", host).partition(":")[0])):
            return False
        return self.path.match(path) is not None


class _Walk:
    """One look through an application."""

    def __init__(self) -> None:
        self.open: set[int] = set()  # what is being looked into, by identity: applications may contain themselves
        self.cuts = 0  # how often that ended the look
        self.looks = 0  # into objects of unknown classes
        self.empty: set[int] = set()  # where nothing is, whatever way led there

    def app(self, app: Any) -> list[_Found]:
        """What an ASGI application serves."""
        if (leaf := leaf_of(app)) is not None:
            return [_Found(leaf)]
        if id(app) in self.empty:
            return []
        if id(app) in self.open or len(self.open) >= _DEEPEST:
            self.cuts += 1
            return []
        self.open.add(id(app))
        cuts = self.cuts
        found = self.inside(app)
        self.open.remove(id(app))
        if not found and cuts == self.cuts:
            self.empty.add(id(app))
        return found

    def inside(self, app: Any) -> list[_Found]:
        if isinstance(app, Starlette):
            return self.app(app.router)
        if isinstance(app, Router):
            return self.router(app)
        if isinstance(app, BaseRoute):
            return self.routes([app])
        if isinstance(app, partial):
            return self.first([app.func, *app.args, *app.keywords.values()])
        if isinstance(app, MethodType):
            # Of a channel only the entry: `self.notify = chat.emit` serves nothing.
            bound: Any = app.__self__
            return self.app(bound) if not isinstance(bound, Channel) or app.__name__ == "__call__" else []
        if isinstance(app, FunctionType):
            return self.app(getattr(app, "__wrapped__", None))
        # An object that may be called as an application: a class of somebody's own.
        call = inspect.getattr_static(app.__class__, "__call__", None)
        return self.members(app) if inspect.isfunction(call) else []

    def members(self, app: Any) -> list[_Found]:
        """What is in the attributes of an object of an unknown class."""
        self.looks += 1
        if self.looks > _MOST:
            return []
        attributes = _attributes(app)
        if found := self.first(attributes[name] for name in _INNER if name in attributes):
            return found
        return [one for name, value in attributes.items() if name not in _INNER for one in self.value(value)]

    def first(self, values: Iterable[Any]) -> list[_Found]:
        """What is in the first of these that leads to a channel."""
        for value in values:
            if found := self.value(value):
                return found
        return []

    def value(self, value: Any) -> list[_Found]:
        if issubclass(type(value), dict):
            return self.mapping(value)
        return self.routes(value) if issubclass(type(value), (list, tuple)) else self.app(value)

    def mapping(self, apps: dict[Any, Any]) -> list[_Found]:
        """Applications by protocol, or by the beginning of the path."""
        if "websocket" in apps:
            return self.app(apps["websocket"])
        return [
            one.at(after((path,), one.parts))
            for path, app in apps.items()
            if isinstance(path, str) and (path == "" or path.startswith("/"))
            for one in self.app(app)
        ]

    # -- Starlette, FastAPI ---------------------------------------------------------------------------

    def router(self, router: Router) -> list[_Found]:
        found = self.routes(router.routes)
        default: Any = router.default
        if getattr(default, "__self__", None) is router:
            return found
        earlier = [one for route, prefix in _flat(router.routes) for one in _takes(route, prefix)]
        return found + _left(self.app(default), earlier)

    def routes(self, routes: Iterable[Any]) -> list[_Found]:
        """What routes serve: Starlette's, of which the first that matches answers, Django's, or applications."""
        found: list[_Found] = []
        earlier: list[_Earlier] = []
        for route, prefix in _flat(routes):
            found += _left(self.route(route, prefix), earlier)
            earlier += _takes(route, prefix)
        return found

    def route(self, route: Any, prefix: Parts) -> list[_Found]:
        if isinstance(route, Route):
            return []  # of HTTP
        if isinstance(route, WebSocketRoute):
            path = joined([*prefix, *from_starlette(route.path)])
            return [one for inner in self.app(route.app) if (one := _within(path, inner, whole=True))]
        if isinstance(route, Mount):
            path = joined([*prefix, *from_starlette(route.path)])
            return [one.at(under_mount(path, one.parts)) for one in self.app(route.app)]
        if isinstance(route, Host):
            name, _ = template(from_starlette(route.host))
            return [
                _Found(one.leaf, under_mount(prefix, one.parts) if prefix else one.parts, host, one.below)
                for one in self.app(route.app)
                if (host := _host(name, one)) is not None
            ]
        if isinstance(route, BaseRoute):
            return self.members(route)
        return self.pattern(route)

    # -- Django ---------------------------------------------------------------------------------------

    def pattern(self, route: Any) -> list[_Found]:
        """What is behind a pattern of Django's `path` or `re_path`, or an application that stands in a list."""
        if isinstance(route, (str, bytes, int, float)):
            return []
        attributes = _attributes(route)
        pattern: Any = attributes.get("pattern")
        nested = "urlconf_name" in attributes  # of `include`
        if pattern is None or not (nested or "callback" in attributes):
            return self.app(route)
        inner = _attributes(pattern)
        if (text := inner.get("_route")) is not None:
            prefix, whole = from_django(str(text)), bool(inner.get("_is_endpoint"))
        elif (text := inner.get("_regex")) is not None:
            prefix, whole = from_regex(str(text)), False
        else:  # the prefix of the language
            prefix, whole = (Param("language", None), "/"), False
        found = self.routes(route.url_patterns) if nested else self.app(attributes["callback"])
        return [one for inner in found if (one := _behind(prefix, inner, whole=whole))]


def _behind(prefix: Parts, one: _Found, *, whole: bool) -> _Found | None:
    """What is behind a pattern of Django's; None where nobody gets there.

    Routers within match the rest of the path, of which there is none if the pattern has to match the whole. Other
    frameworks are given the path as it was.
    """
    if one.parts and str(one.parts[0]).startswith("/"):
        return _within(("/", *prefix), one, whole=whole)
    return None if one.parts and whole else one.at(after(prefix, one.parts), below=one.below and not whole)


def _within(path: Parts, one: _Found, *, whole: bool) -> _Found | None:
    """What a route leads to that gives the path on as it was, so that routes behind it match it once more."""
    if not one.parts:
        return one.at(path, below=not whole)
    outer, inner = sample(joined(path)), sample(one.parts)
    if inner is not None and matcher(path, below=not whole).match(inner):
        return one.at(one.parts, below=one.below and not whole)
    if outer is not None and one.below and matcher(one.parts, below=True).match(outer):
        return one.at(path, below=not whole)
    return None


def _flat(routes: Iterable[Any], prefix: Parts = (), inside: tuple[int, ...] = ()) -> Iterable[tuple[Any, Parts]]:
    """Routes with the prefix in front of them: those of FastAPI's included routers stand among the others."""
    for route in routes:
        attributes = _attributes(route) if isinstance(route, BaseRoute) else {}
        included: Any = attributes.get("original_router")
        if included is None:
            yield route, prefix
        elif id(included) not in inside:
            longer = after(prefix, from_starlette(getattr(attributes.get("include_context"), "prefix", "")))
            yield from _flat(included.routes, longer, (*inside, id(included)))


def _takes(route: Any, prefix: Parts) -> list[_Earlier]:
    """What a route takes of WebSockets; nothing where it takes none, or is not understood."""
    if isinstance(route, Mount):
        return [_Earlier(matcher(under_mount((*prefix, *from_starlette(route.path)), ()), below=True))]
    if isinstance(route, WebSocketRoute):
        return [_Earlier(matcher((*prefix, *from_starlette(route.path))))]
    return [_Earlier(matcher((), below=True), route.host_regex)] if isinstance(route, Host) else []


def _left(found: Iterable[_Found], earlier: list[_Earlier]) -> list[_Found]:
    """What earlier routes leave of a later one."""
    if not earlier:
        return list(found)
    left: list[_Found] = []
    for one in found:
        parts = one.parts or ("/",)
        path = sample(parts)
        if path is None or _free(path, one, earlier):
            left.append(one.at(parts))
        elif one.below and any(_free(path.rstrip("/") + below, one, earlier) for below in _BELOW):
            # Only the place itself is taken of what answers below it too: the rest of it has another address.
            left.append(one.at(after(parts, ("/", Param("path", "path")))))
    return left


def _free(path: str, one: _Found, earlier: list[_Earlier]) -> bool:
    return not any(route.takes(path, one.host) for route in earlier)


def _host(name: str, found: _Found) -> str | None:
    """The host of a channel behind two `Host` routes: the narrower one; None where no host is both."""
    if found.host is None or found.host.lower() == name.lower() or "{" in found.host:
        return name
    return found.host if "{" in name else None


def _attributes(thing: Any) -> dict[str, Any]:
    """The attributes of an object and its class, read without running anything: no property, no `__getattr__`."""
    found: dict[str, Any] = {}
    for owner in reversed(type(thing).__mro__[:-1]):
        for name, value in vars(owner).items():
            if inspect.ismemberdescriptor(value):  # a slot
                try:
                    found[name] = value.__get__(thing)
                except AttributeError:
                    found.pop(name, None)
            elif not isinstance(value, (FunctionType, classmethod, staticmethod, property)) and name[:2] != "__":
                found[name] = value
    try:
        own: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        own = {}
    return {**found, **own}
