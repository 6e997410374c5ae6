"""Django's test case for consumers of chanx 0.12: `WebsocketTestCase` of `chanx.testing`."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterable
from typing import Any

from chanx.compat.messaging import MessagingCommunicator, WebsocketCommunicator
from chanx.compat.project import django, project_application

TransactionTestCase: Any = django("test").TransactionTestCase

Headers = Iterable[tuple[bytes, bytes]]


class WebsocketTestCase(TransactionTestCase):  # type: ignore[misc]
    """Tests of a WebSocket of the application that `ASGI_APPLICATION` names.

    What is left open at the end of a test is closed.

    Attributes:
        ws_path: the path of the WebSocket, with the query string, if any.
        router: what serves WebSockets; left out, that of the application, without the check of origins around it.
    """

    ws_path: str = ""
    router: Any = None

    def __init__(self, methodName: str = "runTest") -> None:  # noqa: N803 - unittest's
        base: Any = super()
        base.__init__(methodName)
        self._communicators: list[MessagingCommunicator] = []
        self._own: Any = None
        method: Any = getattr(self, methodName, None)
        if inspect.iscoroutinefunction(method):  # Django runs it on a loop, which ends with it
            setattr(self, methodName, self._closing(method))

    def _closing(self, method: Any) -> Any:
        @functools.wraps(method)
        async def run() -> None:
            try:
                await method()
            except BaseException:
                with contextlib.suppress(Exception):  # the first error is the one to be told
                    await self._close_all()
                raise
            await self._close_all()

        return run

    async def _close_all(self) -> None:
        self._own = None
        while self._communicators:
            await self._communicators.pop().disconnect()

    def get_ws_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of handshakes; override it to log in."""
        return []

    def get_subprotocols(self) -> list[str]:
        """The subprotocols that clients offer."""
        return []

    @property
    def auth_communicator(self) -> WebsocketCommunicator:
        """A communicator of `ws_path`, the same throughout a test."""
        if self._own is None:
            self._own = self.create_communicator()
        return self._own  # type: ignore[no-any-return]

    def create_communicator(
        self,
        *,
        router: Any = None,
        ws_path: str | None = None,
        headers: Headers | None = None,
        subprotocols: Iterable[str] | None = None,
    ) -> WebsocketCommunicator:
        """One more client.

        Args:
            router: what serves it; that of the test case when left out.
            ws_path: that of the test case when left out.
            headers: of its handshake; `get_ws_headers()` when left out.
            subprotocols: that it offers; `get_subprotocols()` when left out.

        Raises:
            AttributeError: there is no path.
        """
        made = WebsocketCommunicator(*self._handshake(router, ws_path, headers, subprotocols))
        self._communicators.append(made)
        return made

    def _handshake(
        self, router: Any, ws_path: str | None, headers: Headers | None, subprotocols: Iterable[str] | None
    ) -> tuple[Any, str, list[tuple[bytes, bytes]], list[str]]:
        """What a communicator is made with."""
        path = self.ws_path if ws_path is None else ws_path
        if not path:
            raise AttributeError(f'{type(self).__qualname__} has no ws_path; write `ws_path = "/ws/chat/"`')
        return (
            router or self.router or websocket_application(),
            path,
            list(self.get_ws_headers() if headers is None else headers),
            list(self.get_subprotocols() if subprotocols is None else subprotocols),
        )


def websocket_application() -> Any:
    """What serves the project's WebSockets, without the check of origins, which browsers send and tests do not.

    Raises:
        ImportError: there is no such application.
        django.core.exceptions.ImproperlyConfigured: settings name none.
    """
    found = project_application()
    mapping: Any = getattr(found, "application_mapping", None)
    if mapping is not None and "websocket" in mapping:
        found = mapping["websocket"]
    while any(one.__name__ == "OriginValidator" for one in type(found).__mro__):
        found = found.application
    return found
