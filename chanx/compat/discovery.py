"""Finds the routes of consumers: `chanx.routing.discovery` of 2.x."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chanx.asyncapi.walk import inner, walk
from chanx.compat.project import project_application
from chanx.compat.settings import setting


@dataclass(frozen=True)
class RouteInfo:
    """One route of a WebSocket.

    Attributes:
        path: its address, with parameters in braces: `"/rooms/{room}"`.
        handler: what answers there.
        base_url: of the server, such as `"ws://localhost:8000"`.
        consumer: the class of consumers.
        path_params: the convertors of the parameters by name; None where there are no parameters.
    """

    path: str
    handler: Any
    base_url: str
    consumer: type[Any]
    path_params: dict[str, str] | None = None

    @property
    def full_url(self) -> str:
        """The address with that of the server in front."""
        return f"{self.base_url.rstrip('/')}/{self.path.lstrip('/')}"


class RouteDiscovery:
    """Finds the routes of an application that lead to consumers.

    Args:
        app: an ASGI application; left out, that of Django's `ASGI_APPLICATION`.
    """

    def __init__(self, app: Any = None) -> None:
        self.app = app

    def discover_routes(self, base_url: str | None = None) -> list[RouteInfo]:
        """The routes, in the order in which they are tried.

        Args:
            base_url: of the server; left out, the setting `WEBSOCKET_BASE_URL`, or `"ws://localhost:8000"`.
        """
        url = base_url or setting("WEBSOCKET_BASE_URL") or "ws://localhost:8000"
        app = project_application() if self.app is None else self.app
        return [
            RouteInfo(
                path=one.address,
                handler=one.consumer,
                base_url=url,
                consumer=one.consumer,
                path_params={name: kind or "str" for name, kind in one.parameters.items()} or None,
            )
            for one in walk(app)
            if one.consumer is not None
        ]


def traverse_middleware_stack(app: Any) -> Iterator[Any]:
    """An application, then what each middleware wraps, from the outside in, as far as attributes tell."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        yield app
        app = inner(app)
