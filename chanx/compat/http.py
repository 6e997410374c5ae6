"""A consumer of HTTP requests (document 004, "AsyncHttpConsumer")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from chanx.compat.consumer import AsyncConsumer
from chanx.compat.exceptions import StopConsumer

Headers = Iterable[tuple[bytes, bytes]] | Mapping[bytes, bytes]


class AsyncHttpConsumer(AsyncConsumer):
    """One request; override `handle`, and `disconnect` where something must be cleaned up.

    `handle` is cancelled when the client leaves. Where it returns before the response is complete, the rest may be sent
    by a method for a message, or by a task that `handle` has begun; the consumer ends when the response is complete.
    """

    _chanx_complete = False
    _chanx_disconnected = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - given by `as_asgi`, for subclasses
        self.body: list[bytes] = []

    async def handle(self, body: bytes) -> None:
        """Answer the request; `body` is all of its body."""
        raise NotImplementedError(f"{type(self).__qualname__} has no handle method, so it cannot answer requests")

    async def disconnect(self) -> None:
        """Clean up: the client has left, or the response is complete, or the consumer failed. It runs once."""

    async def send_headers(self, *, status: int = 200, headers: Headers | None = None) -> None:
        """Begin the response. Servers send it along with the first part of the body.

        Args:
            status: of the response.
            headers: pairs of bytes, or a dictionary.
        """
        given = cast(Any, headers.items() if isinstance(headers, Mapping) else headers or ())
        await self.send({"type": "http.response.start", "status": status, "headers": [tuple(pair) for pair in given]})

    async def send_body(self, body: bytes, *, more_body: bool = False) -> None:
        """Send a part of the body.

        Args:
            body: the part.
            more_body: there will be another one; else the response is complete.

        Raises:
            TypeError: the body is no bytes.
        """
        if not isinstance(body, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a body is bytes, not {type(body).__name__}; encode it first")
        await self.send({"type": "http.response.body", "body": body, "more_body": more_body})
        if not more_body:
            self._chanx_complete = True
            self._chanx_pump.interject(self._chanx_end)  # what is being dispatched ends the consumer itself

    async def send_response(self, status: int, body: bytes, *, headers: Headers | None = None) -> None:
        """Send a whole response; see `send_headers` and `send_body`."""
        await self.send_headers(status=status, headers=headers)
        await self.send_body(body)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the method for a message; the consumer ends after the one that completes the response."""
        await super().dispatch(message)
        if self._chanx_complete:
            await self._chanx_end()

    async def http_request(self, message: dict[str, Any]) -> None:
        """A part of the request's body has come."""
        self.body.append(message.get("body") or b"")
        if not message.get("more_body"):
            await self._chanx_pump.while_connected(self.handle, b"".join(self.body))

    async def http_disconnect(self, message: dict[str, Any]) -> None:  # noqa: ARG002
        """The client has left, or the server has sent all of the response."""
        await self._chanx_end()

    async def _chanx_end(self) -> None:
        await self._chanx_clean_up()
        raise StopConsumer

    async def _chanx_clean_up(self) -> None:
        if not self._chanx_disconnected:
            self._chanx_disconnected = True
            await self.disconnect()

    def _chanx_farewell(self, error: BaseException) -> dict[str, Any] | None:  # noqa: ARG002
        return None if self._chanx_disconnected else {"type": "http.disconnect"}
