"""The AsyncAPI document of routes, as 2.x makes it: a face of `chanx.asyncapi.document`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from chanx.asyncapi.build import document
from chanx.asyncapi.consumers import served_consumer
from chanx.asyncapi.served import Served
from chanx.exceptions import ConfigurationError


class RouteLike(Protocol):
    """What is read of a route: `chanx.routing.RouteInfo` has it.

    Attributes:
        path: its pattern, as Django, Starlette or a regular expression writes it.
        consumer: the class of consumers that it leads to.
    """

    @property
    def path(self) -> str:
        """The pattern."""
        ...

    @property
    def consumer(self) -> type[Any]:
        """The class."""
        ...


class AsyncAPIGenerator:
    """Makes the document of some routes.

    Args:
        routes: of consumers, as `chanx.routing.RouteDiscovery` finds them; or what `chanx.asyncapi.walk` finds.
        title: the name of the application.
        version: its version, not that of AsyncAPI.
        description: what it is for; CommonMark.
        server_url: where it is served: host and port, with a path if there is one, or a whole URL.
        server_protocol: `"ws"` or `"wss"`; not needed with a whole URL.
        **options: see `chanx.asyncapi.DocumentOptions`; `servers` replaces the two above.
    """

    def __init__(
        self,
        routes: Iterable[RouteLike | Served],
        title: str | None = "AsyncAPI Documentation",
        version: str | None = "1.0.0",
        description: str | None = None,
        server_url: str | None = "localhost:8000",
        server_protocol: str | None = "ws",
        **options: Any,
    ) -> None:
        self.routes = list(routes)
        self.title = title or "AsyncAPI Documentation"
        self.version = version or "1.0.0"
        url = server_url or "localhost:8000"
        url = url if "://" in url else f"{server_protocol or 'ws'}://{url}"
        servers = options.pop("servers", None)
        options["servers"] = [url] if servers is None else servers
        if description is not None:
            options["description"] = description
        self.options = options

    def generate(self) -> dict[str, Any]:
        """The document: an AsyncAPI 3.0 document as a dictionary of JSON values.

        Raises:
            ConfigurationError: there is no route, one leads to no consumer that a document can tell of, or an option
                is wrong.
        """
        served = [one if isinstance(one, Served) else served_consumer(one.path, one.consumer) for one in self.routes]
        if not served:
            raise ConfigurationError("there is no route to document; give those that RouteDiscovery finds")
        return document(served, title=self.title, version=self.version, **self.options)
