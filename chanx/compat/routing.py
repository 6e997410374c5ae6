"""Routers of ASGI applications: by protocol, by path, by the name of a channel (document 003, "asgi.py")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import BaseRoute, Match


class ProtocolTypeRouter:
    """An application for each type of scope: `http`, `websocket`, `channel`, ...

    Args:
        application_mapping: applications by the type of scope.
    """

    def __init__(self, application_mapping: Mapping[str, Any]) -> None:
        self.application_mapping = dict(application_mapping)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a scope.

        Raises:
            ValueError: no application is for its type.
        """
        application = self.application_mapping.get(scope["type"])
        if application is None:
            known = ", ".join(map(repr, self.application_mapping)) or "none"
            raise ValueError(f"no application is configured for scopes of type {scope['type']!r}; there are: {known}")
        await application(scope, receive, send)


class ChannelNameRouter:
    """An application for each name of a channel, for scopes of type `channel`.

    Args:
        application_mapping: applications by the name of the channel.
    """

    def __init__(self, application_mapping: Mapping[str, Any]) -> None:
        self.application_mapping = dict(application_mapping)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a scope.

        Raises:
            ValueError: it names no channel, or none that is known.
        """
        if "channel" not in scope:
            raise ValueError("ChannelNameRouter serves scopes that name a channel; put it under 'channel' of a router")
        application = self.application_mapping.get(scope["channel"])
        if application is None:
            known = ", ".join(map(repr, self.application_mapping)) or "none"
            raise ValueError(f"no application is configured for the channel {scope['channel']!r}; there are: {known}")
        await application(scope, receive, send)


class URLRouter:
    """Applications by path: Django's `path` and `re_path`, and Starlette's routes; one may be another URLRouter.

    What the path captures stands in `scope["url_route"]`, as `args` and `kwargs`.

    Args:
        routes: patterns; the first that matches is taken.
    """

    #: Tells other routers, and those who look for channels, that the rest of a path is for this one.
    _path_routing = True

    def __init__(self, routes: Iterable[Any]) -> None:
        self.routes = list(routes)
        for route in self.routes:
            if not isinstance(route, BaseRoute) and not hasattr(route, "callback"):
                raise ValueError(
                    f"{route!r} is no route of a URLRouter: give path(…), re_path(…), a route of Starlette's, and "
                    f"another URLRouter in place of include(…)"
                )
        self._patterns = [None if isinstance(route, BaseRoute) else _pattern(route) for route in self.routes]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a scope.

        Raises:
            ValueError: no route matches its path.
        """
        path: str = scope.get("path_remaining", scope.get("path", ""))
        rest = path.removeprefix("/")
        for route, pattern in zip(self.routes, self._patterns, strict=True):
            if pattern is None:
                matched, found = route.matches({**scope, "path": scope.get("root_path", "") + "/" + rest})
                if matched is Match.FULL:
                    await route.handle(_starlette_scope(scope, found, rest), receive, send)
                    return
                continue
            match = pattern.match(rest)
            if match is not None:
                remaining, args, kwargs = match
                outer = scope.get("url_route") or {"args": (), "kwargs": {}}
                url_route = {
                    "args": (*outer["args"], *args),
                    "kwargs": {**outer["kwargs"], **(route.default_args or {}), **kwargs},
                }
                inner: Any = {**scope, "path_remaining": remaining, "url_route": url_route}
                await route.callback(inner, receive, send)
                return
        raise ValueError(f"no route found for the path {path!r}")


def _starlette_scope(scope: Any, found: Any, rest: str) -> Any:
    path = scope.get("root_path", "") + "/" + rest
    return {**scope, "path": path, **found, "url_route": _url_route(scope, (), found.get("path_params", {}))}


def _url_route(scope: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the path has captured so far, and here."""
    outer: dict[str, Any] = scope.get("url_route") or {"args": (), "kwargs": {}}
    return {"args": (*outer["args"], *args), "kwargs": {**outer["kwargs"], **kwargs}}


def _pattern(route: Any) -> Any:
    """The pattern of one of Django's routes; it need not match all of a path whose rest is for another router."""
    pattern = route.pattern
    if _routes(route.callback) and hasattr(pattern, "_route"):
        return type(pattern)(pattern._route, name=pattern.name, is_endpoint=False)
    return pattern


def _routes(application: Any) -> bool:
    """Is it a URLRouter, perhaps with middleware around it?"""
    while application is not None:
        if getattr(application, "_path_routing", False):
            return True
        application = getattr(application, "inner", None) or getattr(application, "app", None)
    return False
