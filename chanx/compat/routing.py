"""Routers of ASGI applications: by protocol, by path, by the name of a channel (document 003, "asgi.py")."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import BaseRoute, Match

from chanx.compat.consumer import AsyncConsumer
from chanx.exceptions import ChanxError

# So much middleware may be around a router, before it is taken for one that contains itself.
_DEEPEST = 64


class NoRoute(ChanxError, ValueError):
    """No route of a router matches; the router around it may have another one."""


class ProtocolTypeRouter:
    """An application for each type of scope: `http`, `websocket`, `channel`, ...

    Args:
        application_mapping: applications by the type of scope.

    Raises:
        ValueError: one is a consumer class in place of its `as_asgi()`.
    """

    def __init__(self, application_mapping: Mapping[str, Any]) -> None:
        self.application_mapping = _mapping(application_mapping)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a scope.

        Raises:
            ValueError: no application is for its type.
        """
        application = self.application_mapping.get(scope["type"])
        if application is None:
            known = ", ".join(map(repr, self.application_mapping)) or "none"
            raise ValueError(f"No application configured for scope type {scope['type']!r}; there are: {known}")
        await application(scope, receive, send)


class ChannelNameRouter:
    """An application for each name of a channel, for scopes of type `channel`.

    Args:
        application_mapping: applications by the name of the channel.

    Raises:
        ValueError: one is a consumer class in place of its `as_asgi()`.
    """

    def __init__(self, application_mapping: Mapping[str, Any]) -> None:
        self.application_mapping = _mapping(application_mapping)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a scope.

        Raises:
            ValueError: it names no channel, or none that is known.
        """
        if "channel" not in scope:
            raise ValueError(
                "ChannelNameRouter got a scope without a 'channel'; put it under 'channel' in a ProtocolTypeRouter"
            )
        application = self.application_mapping.get(scope["channel"])
        if application is None:
            known = ", ".join(map(repr, self.application_mapping)) or "none"
            raise ValueError(f"No application configured for channel name {scope['channel']!r}; there are: {known}")
        await application(scope, receive, send)


class URLRouter:
    """Applications by path: Django's `path` and `re_path`, and Starlette's routes; one may be another URLRouter.

    What the path captures stands in `scope["url_route"]`, as `args` and `kwargs`, and what is left of the path, for a
    router within, in `scope["path_remaining"]`. A path that no route within matches is for the next route.

    Args:
        routes: patterns; the first that matches is taken.

    Raises:
        TypeError: they are another router, or a single route: write them as a list.
        ValueError: one is no route, or leads to a consumer class in place of its `as_asgi()`.
        django.core.exceptions.ImproperlyConfigured: one is an `include`.
    """

    #: Tells other routers, and those who look for channels, that the rest of a path is for this one.
    _path_routing = True

    def __init__(self, routes: Iterable[Any]) -> None:
        given: Any = routes
        if not isinstance(given, Iterable):  # such as what include() returns
            raise TypeError(
                f"URLRouter takes a list of routes, not {type(given).__qualname__}; what include() returns is a "
                f'router already: serve that, or write URLRouter([path("ws/", include(…))])'
            )
        self.routes = [_checked(route) for route in routes]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a scope.

        Raises:
            ValueError: no route matches its path.
        """
        rest = _rest(scope)
        partial: tuple[Any, Any] | None = None  # a route of another method
        inner: Any
        for route in self.routes:
            if isinstance(route, BaseRoute):
                matched, inner = _behind_route(route, scope, rest)
                if matched is not Match.FULL:
                    partial = partial or ((route.handle, inner) if matched is Match.PARTIAL else None)
                    continue
                application = route.handle
            else:
                inner, application = _behind(route, scope, rest), route.callback
                if inner is None:
                    continue
            try:
                await application(inner, receive, send)
                return
            except Exception as error:
                if not _misses(error):
                    raise
        if partial is not None:
            handle, inner = partial
            await handle(inner, receive, send)
            return
        raise NoRoute(f"No route found for path {rest!r}; the routes are: {', '.join(map(_text, self.routes))}")


def _rest(scope: Any) -> str:
    """What is left of the path, without the slash in front.

    Raises:
        ValueError: there is no path.
    """
    if (left := scope.get("path_remaining")) is not None:
        return str(left).removeprefix("/")
    if "path" not in scope:
        raise ValueError("No 'path' in the connection's scope, so it cannot be routed by URL")
    path: str = scope["path"]
    root: str = (scope.get("root_path") or "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return path.removeprefix("/")


def _behind(route: Any, scope: Any, rest: str) -> dict[str, Any] | None:
    """The scope behind one of Django's routes, if it matches."""
    match = route.pattern.match(rest)
    if match is None:
        return None
    left, args, kwargs = match
    url_route = _url_route(scope, args, {**kwargs, **(getattr(route, "default_args", None) or {})})
    return {**scope, "path_remaining": left, "url_route": url_route}


def _behind_route(route: BaseRoute, scope: Any, rest: str) -> tuple[Match, dict[str, Any]]:
    """How one of Starlette's matches, and the scope behind it: for those the rest of a path begins at `root_path`."""
    path: str = scope.get("path", "")
    if path.endswith("/" + rest):
        outer = {**scope, "root_path": path[: len(path) - len(rest) - 1]}
    else:  # what is in front does not end at a slash
        outer = {**scope, "root_path": "", "path": "/" + rest}
    matched, found = route.matches(outer)
    inner: dict[str, Any] = {**outer, **found}
    inner.pop("path_remaining", None)
    url_route = _url_route(scope, (), found.get("path_params") or {})
    return matched, {**inner, "url_route": url_route}


def _url_route(scope: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the path has captured so far, and here."""
    outer: dict[str, Any] = scope.get("url_route") or {"args": (), "kwargs": {}}
    return {"args": (*outer["args"], *args), "kwargs": {**outer["kwargs"], **kwargs}}


def _misses(error: Exception) -> bool:
    """Does a router within say that none of its routes matches, ours or Channels' own?

    An application may raise Django's `Resolver404` as well, by `resolve`, in the middle of a connection.
    """
    theirs = type(error).__name__ == "Resolver404" and str(error).startswith("No route found")
    return theirs or isinstance(error, NoRoute)


def _checked(route: Any) -> Any:
    """A route; a pattern of Django's need not match all of a path whose rest is for another router.

    Raises:
        ValueError: it is none, or cannot serve.
    """
    if isinstance(route, BaseRoute):
        _serves(getattr(route, "app", None), _text(route))
        return route
    pattern = getattr(route, "pattern", None)
    if pattern is not None and hasattr(route, "url_patterns"):
        raise _improper()(
            f"{_text(route)} is an include(), which a URLRouter does not take; write "
            f"path({_text(route)}, URLRouter([…])) in its place"
        )
    if pattern is None or not callable(getattr(route, "callback", None)):
        raise ValueError(
            f"{route!r} is no route of a URLRouter: give path(…), re_path(…), or a route of Starlette's, each with an "
            f"ASGI application"
        )
    _serves(route.callback, _text(route))
    if hasattr(pattern, "_route") and _routes(route.callback):
        route = copy.copy(route)
        route.pattern = type(pattern)(pattern._route, name=pattern.name, is_endpoint=False)
    return route


def _mapping(applications: Mapping[str, Any]) -> dict[str, Any]:
    for name, application in applications.items():
        _serves(application, repr(name))
    return dict(applications)


def _serves(application: Any, where: str) -> None:
    """Refuse a consumer class, which would fail at its first connection."""
    if inspect.isclass(application) and issubclass(application, AsyncConsumer):
        name = application.__qualname__
        raise ValueError(f"{where} leads to the class {name}, which serves no connection: give {name}.as_asgi()")


def _improper() -> type[Exception]:
    return getattr(sys.modules.get("django.core.exceptions"), "ImproperlyConfigured", ValueError)


def _text(route: Any) -> str:
    """A route as it was written."""
    return repr(str(getattr(route, "pattern", getattr(route, "path", route))))


def _routes(application: Any) -> bool:
    """Is it a router by path, perhaps with middleware around it?"""
    for _ in range(_DEEPEST):
        if application is None:
            return False
        if getattr(application, "_path_routing", False) is True:
            return True
        application = getattr(application, "inner", None) or getattr(application, "app", None)
    return False
