"""A consumer of HTTP requests (document 004, "AsyncHttpConsumer")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chanx.compat.consumer import AsyncConsumer
from chanx.compat.exceptions import StopConsumer

Headers = Iterable[tuple[bytes, bytes]] | Mapping[bytes, bytes]


class AsyncHttpConsumer(AsyncConsumer):
    """One request; override `handle`, and `disconnect` where something must be cleaned up.

    `handle` runs beside the messages of the channel layer, and is cancelled when the client leaves. The consumer ends
    when the response is complete, which may be after `handle` has returned: a method for a message may send the rest.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - given by `as_asgi`, for subclasses
        self.body: list[bytes] = []
        self._complete = False
        self._handling = False
        self._disconnected = False

    async def handle(self, body: bytes) -> None:
        """Answer the request; `body` is all of its body."""
        raise NotImplementedError(f"{type(self).__qualname__} has no handle method, so it cannot answer requests")

    async def disconnect(self) -> None:
        """Clean up: the client has left, or the response is complete. It runs once."""

    async def send_headers(self, *, status: int = 200, headers: Headers | None = None) -> None:
        """Begin the response. Servers send it along with the first part of the body.

        Args:
            status: of the response.
            headers: pairs of bytes, or a dictionary.
        """
        pairs: Iterable[tuple[bytes, bytes]] = headers.items() if isinstance(headers, Mapping) else headers or ()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        await self.send({"type": "http.response.start", "status": status, "headers": [tuple(pair) for pair in pairs]})

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
            self._complete = True

    async def send_response(self, status: int, body: bytes, *, headers: Headers | None = None) -> None:
        """Send a whole response; see `send_headers` and `send_body`."""
        await self.send_headers(status=status, headers=headers)
        await self.send_body(body)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the method for a message; the consumer ends after the one that completes the response."""
        await super().dispatch(message)
        if self._complete and not self._handling:
            await self._end()

    async def http_request(self, message: dict[str, Any]) -> None:
        """A part of the request's body has come."""
        self.body.append(message.get("body") or b"")
        if not message.get("more_body"):
            self._handling = True
            self._pump.beside(self._handle)

    async def _handle(self) -> None:
        try:
            await self.handle(b"".join(self.body))
        except BaseException:
            await self._disconnect()
            raise
        finally:
            self._handling = False
        if self._complete:
            await self._end()
        elif self.channel_layer is None:
            await self._disconnect()
            raise RuntimeError(
                f"{type(self).__qualname__}.handle returned before the response was complete, and without a channel "
                f"layer nothing else can complete it"
            )

    async def http_disconnect(self, message: dict[str, Any]) -> None:  # noqa: ARG002
        """The client has left, or the server has sent all of the response."""
        await self._end()

    async def _end(self) -> None:
        await self._disconnect()
        raise StopConsumer

    async def _disconnect(self) -> None:
        if not self._disconnected:
            self._disconnected = True
            await self.disconnect()
