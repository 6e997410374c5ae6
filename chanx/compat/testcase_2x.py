"""Django's test case for consumers of chanx 2.x: `WebsocketTestCase` of `chanx.channels.testing`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlparse

from chanx.compat import testcase
from chanx.compat.communicators import WebsocketCommunicator
from chanx.compat.discovery import RouteDiscovery
from chanx.compat.testing import Headers
from chanx.exceptions import ConfigurationError


class WebsocketTestCase(testcase.WebsocketTestCase):
    """Tests of a WebSocket of the application that `ASGI_APPLICATION` names; what is left open is closed.

    Attributes:
        ws_path: the path of the WebSocket, with the query string, if any.
        router: what serves WebSockets; left out, that of the application, without the check of origins around it.
        consumer: the class of consumers at that path; left out, it is looked up among the routes.
    """

    consumer: Any = None

    def create_communicator(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        *,
        router: Any = None,
        ws_path: str | None = None,
        headers: Headers | None = None,
        subprotocols: Iterable[str] | None = None,
        consumer: Any = None,
    ) -> WebsocketCommunicator:
        """One more client.

        Args:
            router: what serves it; that of the test case when left out.
            ws_path: that of the test case when left out.
            headers: of its handshake; `get_ws_headers()` when left out.
            subprotocols: that it offers; `get_subprotocols()` when left out.
            consumer: the class of consumers that serves it, which knows the classes of messages.

        Raises:
            AttributeError: there is no path.
        """
        application, path, sent, offered = self._handshake(router, ws_path, headers, subprotocols)
        known = consumer or self.consumer or _consumer_at(application, path)
        made = WebsocketCommunicator(application, path, sent, offered, consumer=known)
        self._communicators.append(made)
        return made

    @property
    def auth_communicator(self) -> WebsocketCommunicator:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        """A communicator of `ws_path`, the same throughout a test."""
        if self._own is None:
            self._own = self.create_communicator()
        return self._own  # type: ignore[no-any-return]


def _consumer_at(application: Any, path: str) -> Any:
    """The class of consumers that a path leads to; None where that cannot be told."""
    try:
        routes = RouteDiscovery(application).discover_routes()
    except ConfigurationError:
        return None
    asked = urlparse(path).path.strip("/")
    for route in routes:
        kinds = route.path_params or {}
        parts = re.split(r"\{([^{}:]+)[^{}]*\}", route.path.strip("/"))
        pattern = "".join(
            re.escape(part) if index % 2 == 0 else ".+" if kinds.get(part) == "path" else "[^/]+"
            for index, part in enumerate(parts)
        )
        if re.fullmatch(pattern, asked):
            return route.consumer
    return None
