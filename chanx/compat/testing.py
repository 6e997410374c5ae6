"""Communicators: tests talk through them to an ASGI application as a client does (COMPAT, `chanx.channels.testing`)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:  # asgiref has no types

    class _Communicator:
        scope: dict[str, Any]
        future: asyncio.Future[None]
        input_queue: asyncio.Queue[dict[str, Any]]
        output_queue: asyncio.Queue[dict[str, Any]]

        def __init__(self, application: Any, scope: dict[str, Any]) -> None: ...

        async def send_input(self, message: dict[str, Any]) -> None: ...

        async def receive_output(self, timeout: float) -> dict[str, Any]: ...

        async def receive_nothing(self, timeout: float, interval: float) -> bool: ...

        async def wait(self, timeout: float) -> None: ...

        def stop(self, exceptions: bool = True) -> None: ...
else:
    from asgiref.testing import ApplicationCommunicator as _Communicator

__all__ = ["ApplicationCommunicator", "HttpCommunicator", "WebsocketCommunicator"]

Headers = Iterable[tuple[bytes, bytes]]


class ApplicationCommunicator(_Communicator):
    """Runs an ASGI application in a task, for tests (asgiref's class).

    Args:
        application: ASGI.
        scope: of the connection.
    """

    _future: asyncio.Future[None] | None = None  # also where the constructor has raised

    def __init__(self, application: Any, scope: dict[str, Any]) -> None:
        # not super(): a communicator of Channels' own may come next, which takes other arguments
        _Communicator.__init__(self, application, scope)

    async def send_input(self, message: dict[str, Any]) -> None:
        """Give the application an event; raises what it has raised."""
        await super().send_input(message)

    async def receive_output(self, timeout: float = 1) -> dict[str, Any]:
        """The next event that the application sends; raises at once what the application raises.

        Raises:
            TimeoutError: none came in time; the application is cancelled.
        """
        began = time.monotonic()
        if (event := await self._output_within(timeout)) is not None:
            return event
        return await super().receive_output(max(0.0, timeout - (time.monotonic() - began)))

    async def _output_within(self, timeout: float) -> dict[str, Any] | None:
        """The next event that the application sends; None where none comes in time, or it has ended."""
        if not self.output_queue.empty():
            return self.output_queue.get_nowait()
        if self.future.done():
            return None
        getter = asyncio.ensure_future(self.output_queue.get())
        try:
            tasks: set[asyncio.Future[Any]] = {getter, self.future}
            await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            return getter.result() if getter.done() else None
        finally:
            getter.cancel()

    async def receive_nothing(self, timeout: float = 0.1, interval: float = 0.01) -> bool:
        """Does the application send nothing for so long?"""
        return await super().receive_nothing(timeout, interval)

    async def wait(self, timeout: float = 1) -> None:
        """Wait for the end of the application; raises what it raises."""
        await super().wait(timeout)


def _scope(kind: str, path: str, headers: Headers | None) -> dict[str, Any]:
    if not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"the path is a string, not {type(path).__name__}")
    parsed = urlparse(path)
    return {
        "type": kind,
        "path": unquote(parsed.path),
        "raw_path": parsed.path.encode(),
        "query_string": parsed.query.encode(),
        "headers": [(name.lower(), value) for name, value in headers or ()],
    }


class HttpCommunicator(ApplicationCommunicator):
    """One HTTP request.

    Args:
        application: ASGI.
        method: such as `"GET"`.
        path: with the query string, if any.
        body: of the request.
        headers: of the request, as pairs of bytes.
    """

    def __init__(
        self, application: Any, method: str, path: str, body: bytes = b"", headers: Headers | None = None
    ) -> None:
        if not isinstance(body, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the body is bytes, not {type(body).__name__}")
        self.method = method.upper()
        self.body = body
        self.sent_request = False
        scope = _scope("http", path, headers)
        super().__init__(application, {**scope, "http_version": "1.1", "method": self.method, "scheme": "http"})

    async def get_response(self, timeout: float = 1) -> dict[str, Any]:
        """The whole response: `status`, `headers` (sorted) and `body`.

        Args:
            timeout: in seconds, for each part of it.

        Raises:
            AssertionError: the application sends something else.
            TimeoutError: no part of it came in time.
        """
        if not self.sent_request:
            self.sent_request = True
            await self.send_input({"type": "http.request", "body": self.body})
        start = await self.receive_output(timeout)
        assert start["type"] == "http.response.start", start
        response = {"status": start["status"], "headers": sorted(tuple(pair) for pair in start.get("headers", ()))}
        body = b""
        more = True
        while more:
            part = await self.receive_output(timeout)
            assert part["type"] == "http.response.body", part
            body += part.get("body", b"")
            more = part.get("more_body", False)
        await self.wait(timeout)
        return {**response, "body": body}


class WebsocketCommunicator(ApplicationCommunicator):
    """One WebSocket.

    Args:
        application: ASGI.
        path: with the query string, if any.
        headers: of the handshake, as pairs of bytes.
        subprotocols: that the client offers.
        spec_version: of ASGI; close codes carry reasons from 2.3 on.
    """

    def __init__(
        self,
        application: Any,
        path: str,
        headers: Headers | None = None,
        subprotocols: Iterable[str] | None = None,
        spec_version: str | None = None,
    ) -> None:
        scope = {**_scope("websocket", path, headers), "subprotocols": list(subprotocols or ())}
        if spec_version is not None:
            scope["spec_version"] = spec_version
            scope["asgi"] = {"version": "3.0", "spec_version": spec_version}
        self.response_headers: list[tuple[bytes, bytes]] | None = None
        super().__init__(application, scope)

    async def connect(self, timeout: float = 1) -> tuple[bool, Any]:
        """Ask for the connection: True and the subprotocol that was chosen, or False and the close code."""
        await self.send_input({"type": "websocket.connect"})
        response = await self.receive_output(timeout)
        if response["type"] == "websocket.close":
            return False, response.get("code", 1000)
        assert response["type"] == "websocket.accept", response
        self.response_headers = response.get("headers", [])
        return True, response.get("subprotocol", None)

    async def send_to(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send a frame: one of the two.

        Raises:
            AssertionError: none or both are given, or one of another type.
        """
        assert (text_data is None) != (bytes_data is None), "give text_data or bytes_data, one of them"
        key, value = ("text", text_data) if bytes_data is None else ("bytes", bytes_data)
        expected: type = str if key == "text" else bytes
        assert isinstance(value, expected), f"{key}_data is {expected.__name__}, not {type(value).__name__}"
        await self.send_input({"type": "websocket.receive", key: value})

    async def receive_from(self, timeout: float = 1) -> str | bytes:
        """The next frame, text or bytes.

        Raises:
            AssertionError: the application sends something else.
            TimeoutError: none came in time.
        """
        response = await self.receive_output(timeout)
        assert response["type"] == "websocket.send", response
        text, data = response.get("text"), response.get("bytes")
        assert (text is None) != (data is None), f"a frame has text or bytes: {response}"
        got: Any = data if text is None else text
        return got  # type: ignore[no-any-return]

    async def send_json_to(self, data: Any) -> None:
        """Send a text frame with JSON."""
        await self.send_to(text_data=json.dumps(data))

    async def receive_json_from(self, timeout: float = 1) -> Any:
        """The content of the next frame, which is JSON; see `receive_from`."""
        payload = await self.receive_from(timeout)
        assert isinstance(payload, str), "JSON came in a binary frame"
        return json.loads(payload)

    async def disconnect(self, code: int = 1000, timeout: float = 1) -> None:
        """Leave, and wait for the end of the application.

        Args:
            code: of the close.
            timeout: in seconds.
        """
        await self.send_input({"type": "websocket.disconnect", "code": code})
        await self.wait(timeout)
