"""What generated clients stand on: one WebSocket, with messages that are pydantic models. It runs on asyncio."""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

Incoming = TypeVar("Incoming")
Outgoing = TypeVar("Outgoing", bound=BaseModel)

logger = logging.getLogger("chanx.clients")

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class Model(BaseModel):
    """What generated models extend. Fields that the server fills in itself are not sent where they were not given."""

    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    _left_out: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        for name in self._left_out - self.model_fields_set:
            written.pop(name, None)
            written.pop(type(self).model_fields[name].alias or name, None)
        return written


class Client(Generic[Incoming, Outgoing]):
    """One connection to one channel. Generated classes extend it; extend those.

    Either `async with Client(...) as client`, with `send` and `async for message in client`; or `await handle()`, which
    connects and calls a method for each message until the connection ends.

    Args:
        base_url: of the server: `"localhost:8000"`, or a URL; `http` stands for `ws`.
        parameters: of the address, by name.
        query: of the URL.
        headers: of the handshake, such as `Authorization`.
        subprotocols: in order of preference.
        **options: what `websockets.asyncio.client.connect` takes beside these.
    """

    #: Where the channel is, with its parameters in braces.
    address: ClassVar[str] = "/"
    #: Parameters that may hold slashes.
    paths: ClassVar[frozenset[str]] = frozenset()
    #: What is received.
    incoming: ClassVar[TypeAdapter[Any]] = TypeAdapter(Any)
    #: What the server sends to get it back, as a sign of life; nobody else sees it.
    echoed: ClassVar[tuple[type[Any], ...]] = ()

    def __init__(
        self,
        base_url: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
        **options: Any,
    ) -> None:
        self.url = _url(base_url, self.address, parameters or {}, self.paths, query or {})
        self._options: dict[str, Any] = {
            "additional_headers": dict(headers or {}),
            "subprotocols": list(subprotocols) or None,
            **options,
        }
        self._socket: Any = None

    async def connect(self) -> None:
        """Open the connection; nothing happens where it is open.

        Raises:
            ImportError: the extra `client` is not installed.
            OSError: the server cannot be reached.
            websockets.exceptions.InvalidStatus: it refused.
        """
        if self._socket is None:
            self._socket = await _websockets("asyncio.client").connect(self.url, **self._options)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; nothing happens where it is closed."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close(code, reason)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, message: Outgoing) -> None:
        """Send a message.

        Raises:
            RuntimeError: there is no connection yet.
            websockets.exceptions.ConnectionClosed: there is none any more.
        """
        await self._connected().send(message.model_dump_json(by_alias=True))

    async def receive(self) -> Incoming:
        """The next message.

        Raises:
            RuntimeError: there is no connection yet.
            pydantic.ValidationError: it is none that the document tells of.
            websockets.exceptions.ConnectionClosed: there is no connection any more.
        """
        while True:
            message = await self._read(await self._connected().recv())
            if message is not None:
                return message

    async def __aiter__(self) -> AsyncIterator[Incoming]:
        """The messages until the connection ends, or is closed here; what is none goes to `handle_invalid`."""
        closed = _websockets("exceptions").ConnectionClosed
        socket = self._connected()
        while self._socket is socket:  # `close` takes it away, also while a message is handled
            try:
                text = await socket.recv()
            except closed:
                return
            try:
                message = await self._read(text)
            except ValidationError as error:
                await self.handle_invalid(text, error)
                continue
            if message is not None:
                yield message

    async def handle(self) -> None:
        """Connect, and call `handle_message` for each message until the connection ends."""
        async with self:
            await self.handle_connect()
            async for message in self:
                await self.handle_message(message)

    async def handle_connect(self) -> None:
        """The connection is open; `handle` calls it before the first message is read."""

    async def handle_message(self, message: Incoming) -> None:
        """A message has come. Generated classes call the method for its class."""

    async def handle_invalid(self, text: str | bytes, error: ValidationError) -> None:
        """A frame has come that the document does not tell of; it is logged."""
        logger.warning("%s: a frame that is no known message: %s: %s", self.url, text[:200], error)

    async def _read(self, text: str | bytes) -> Incoming | None:
        """The message in a frame; None where it is answered here."""
        message: Any = self.incoming.validate_json(text)
        if not isinstance(message, self.echoed):
            return message  # type: ignore[no-any-return]
        await self._connected().send(text)
        return None

    def _connected(self) -> Any:
        if self._socket is None:
            raise RuntimeError(f"{type(self).__name__} is not connected; use it in an `async with` block")
        return self._socket


def _url(
    base: str, address: str, parameters: Mapping[str, Any], paths: frozenset[str], query: Mapping[str, Any]
) -> str:
    parts = urlsplit(base if "://" in base else f"ws://{base}")
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise ValueError(f'{base!r} is no server; give "localhost:8000" or a URL such as "wss://example.com"')
    path = address
    for name, value in parameters.items():
        path = path.replace("{" + name + "}", quote(str(value), safe="/" if name in paths else ""))
    words = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{path}" + (f"?{words}" if words else "")


def _websockets(module: str) -> Any:
    try:
        return importlib.import_module(f"websockets.{module}")
    except ImportError as error:
        raise ImportError(f"clients need websockets ({error}): pip install 'chanx[client]'") from error
