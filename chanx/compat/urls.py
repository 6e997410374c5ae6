"""Routes of consumers, written as Django writes those of views."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def include(arg: Any) -> Any:
    """Take the router of another module: what `path("chat/", …)` leads to.

    Args:
        arg: a module, or the name of one, whose `router` is a `URLRouter`; or such a router itself.

    Raises:
        ImportError: there is no such module.
        ValueError: it has no `router`.
        TypeError: that is no router.
    """
    where = repr(arg)
    if isinstance(arg, str):
        arg = importlib.import_module(arg)
    if isinstance(arg, ModuleType):
        where = arg.__name__
        if not hasattr(arg, "router"):
            raise ValueError(f"{where} has no 'router': include() takes the URLRouter of that name")
        arg = arg.router
    if not (callable(arg) and isinstance(getattr(arg, "routes", None), list)):
        raise TypeError(f"include() of {where}: {arg!r} is no URLRouter")
    return arg


def path(route: Any, view: Any, kwargs: Mapping[str, Any] | None = None, name: str | None = None) -> Any:
    """A route of a `URLRouter` with Django's convertors: `path("rooms/<int:room>/", RoomConsumer.as_asgi())`.

    Args:
        route: the pattern; of a path without the slash in front.
        view: an ASGI application, such as a consumer's `as_asgi()`, a channel, or another router.
        kwargs: stands among what the path captures.
        name: of the route.

    Raises:
        ImportError: Django is not installed; without it, a `URLRouter` takes Starlette's routes.
        TypeError: it is no application.
    """
    return _django("path")(route, view, dict(kwargs or {}), name)


def re_path(route: Any, view: Any, kwargs: Mapping[str, Any] | None = None, name: str | None = None) -> Any:
    """The same with a regular expression: `re_path(r"^rooms/(?P<room>[0-9]+)/$", RoomConsumer.as_asgi())`."""
    return _django("re_path")(route, view, dict(kwargs or {}), name)


def _django(name: str) -> Any:
    try:
        urls = importlib.import_module("django.urls")
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "django":
            raise
        raise ImportError(
            f"{name}() makes Django's routes, and Django is not installed ({error}): pip install 'chanx[django]', or "
            f"give the URLRouter Starlette's routes, as in WebSocketRoute('/rooms/{{room}}', RoomConsumer.as_asgi())",
            name=error.name,
        ) from error
    return getattr(urls, name)
