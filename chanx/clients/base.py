"""What generated clients stand on: one WebSocket, with messages that are pydantic models. It runs on asyncio."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from chanx.clients.resume import REF, Place, Resumed

Incoming = TypeVar("Incoming")
Outgoing = TypeVar("Outgoing", bound=BaseModel)

logger = logging.getLogger("chanx.clients")

# What stands in frames that speak of streams or gaps; others are not looked at twice.
_SPEAKS = ('"stream', '"gap"', '"unsubscribed"', REF)
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

    It does not come back by itself. Connect the same object again, and of each group with history it hears what it has
    missed, once and in order, or `handle_lost` is called.

    Args:
        base_url: of the server: `"localhost:8000"`, or a URL; `http` stands for `ws`.
        parameters: of the address, by name.
        query: of the URL.
        headers: of the handshake, such as `Authorization`.
        subprotocols: in order of preference.
        places: how far an earlier client has heard the groups with history, as its `places()` told.
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
    #: The field that tells messages apart, where the channel has the envelope that speaks of streams and gaps.
    discriminator: ClassVar[str | None] = None

    def __init__(
        self,
        base_url: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
        places: Iterable[Place] = (),
        **options: Any,
    ) -> None:
        self.url = _url(base_url, self.address, parameters or {}, self.paths, query or {})
        self._options: dict[str, Any] = {
            "additional_headers": dict(headers or {}),
            "subprotocols": list(subprotocols) or None,
            **options,
        }
        self._socket: Any = None
        self._resumed = Resumed(self.discriminator or "", places)

    async def connect(self) -> None:
        """Open the connection; nothing happens where it is open.

        Raises:
            ImportError: the extra `client` is not installed.
            OSError: the server cannot be reached.
            websockets.exceptions.InvalidStatus: it refused.
        """
        if self._socket is None:
            self._socket = await _websockets("asyncio.client").connect(self.url, **self._options)
            self._resumed.begin()

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

    async def handle_lost(self, stream: str, topic: str | None) -> None:
        """Something that a group with history was sent cannot be had any more; it is logged. What is new goes on.

        Args:
            stream: the public name of the group.
            topic: the one that it belongs to, if any.
        """
        logger.warning("%s: something was lost in the stream %r%s", self.url, stream, _of(topic))

    async def handle_gap(self, topic: str | None) -> None:
        """Something that groups were sent may not have come, to the connection or to a topic on it; it is logged."""
        logger.warning("%s: something may have been lost%s", self.url, _of(topic))

    def places(self) -> list[Place]:
        """How far each group with history was heard: for a client of another process, which goes on from there."""
        return self._resumed.places()

    async def _read(self, text: str | bytes) -> Incoming | None:
        """The message in a frame; None where there is none for the user."""
        if self.discriminator is not None and isinstance(text, str) and any(mark in text for mark in _SPEAKS):
            passes = await self._followed(text, self.discriminator)
            if not passes:
                return None
        message: Any = self.incoming.validate_json(text)
        if not isinstance(message, self.echoed):
            return message  # type: ignore[no-any-return]
        await self._answer(text)
        return None

    async def _followed(self, text: str, discriminator: str) -> bool:
        """Follow the streams; False for a frame that is not for the user."""
        try:
            frame: Any = json.loads(text)
        except ValueError:
            return True
        if not isinstance(frame, dict):
            return True
        told: dict[str, Any] = frame  # pyright: ignore[reportUnknownVariableType]
        topic = told.get("topic")
        if told.get(discriminator) == "gap":
            await self.handle_gap(topic)
            return False
        heard = self._resumed.hear(told)
        if heard.asks is not None:
            await self._answer(json.dumps(heard.asks))
        for stream in heard.lost:
            await self.handle_lost(stream, topic)
        return heard.passes

    async def _answer(self, text: str | bytes) -> None:
        with contextlib.suppress(_websockets("exceptions").ConnectionClosed):  # reading on tells that, too
            await self._connected().send(text)

    def _connected(self) -> Any:
        if self._socket is None:
            raise RuntimeError(f"{type(self).__name__} is not connected; use it in an `async with` block")
        return self._socket


def _of(topic: str | None) -> str:
    return "" if topic is None else f" of the topic {topic!r}"


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
