"""Consumers of WebSockets, which see frames in place of ASGI events (document 004, "Generic Consumers")."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from asgiref.sync import async_to_sync

from chanx._outbox import short_reason
from chanx.compat.consumer import AsyncConsumer, SyncConsumer
from chanx.compat.exceptions import AcceptConnection, DenyConnection, InvalidChannelLayerError, StopConsumer
from chanx.compat.pump import Pump
from chanx.compat.text import dumps

Headers = Iterable[tuple[bytes, bytes]]


def _accepting(subprotocol: str | None, headers: Headers | None) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "websocket.accept", "subprotocol": subprotocol}
    if headers:
        event["headers"] = list(headers)
    return event


def _sending_bytes(bytes_data: bytes | None) -> dict[str, Any]:
    if bytes_data is not None:
        # a text given for bytes is taken for what it says, as in the document's example
        given: Any = bytes_data
        return {"type": "websocket.send", "bytes": given.encode() if isinstance(given, str) else given}
    raise ValueError("nothing to send: give text_data or bytes_data")


def _closing(code: int | bool | None, reason: str | None) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "websocket.close"}
    if code is not None and code is not True:
        event["code"] = code
    if reason:
        event["reason"] = short_reason(reason)
    return event


def _received(message: dict[str, Any]) -> dict[str, Any]:
    """What `receive` is called with."""
    text = message.get("text")
    return {"text_data": text} if text is not None else {"bytes_data": message.get("bytes")}


def _groups(consumer: _Websocket) -> tuple[str, ...]:
    """The groups of a consumer.

    Raises:
        InvalidChannelLayerError: there are some, and no channel layer with groups.
        TypeError: they are one string, whose letters would be taken for groups.
    """
    if isinstance(consumer.groups, str):
        raise TypeError(
            f"the groups of {type(consumer).__qualname__} are the string {consumer.groups!r}; "
            f'write them as a list: ["{consumer.groups}"]'
        )
    groups = tuple(consumer.groups or ())
    layer = consumer.channel_layer
    if groups and not _has_groups(layer):
        what = "there is none" if layer is None else f"{type(layer).__qualname__} has none"
        raise InvalidChannelLayerError(
            f"the groups of {type(consumer).__qualname__} need a channel layer with groups, and {what}; register one "
            f"with register_channel_layer, or name it in Django's CHANNEL_LAYERS"
        )
    return groups


def _has_groups(layer: Any) -> bool:
    if not hasattr(layer, "group_add"):
        return False
    try:
        extensions = layer.extensions
    except (AttributeError, RuntimeError):  # it tells them on its event loop only, and a thread has none
        return True
    return "groups" in extensions


class _Websocket:
    """What consumers of WebSockets remember, with coroutines or without."""

    groups: Iterable[str] | None = None
    channel_layer: Any
    _chanx_pump: Pump

    _chanx_accepted = False
    _chanx_closed = False
    _chanx_begun = False  # the groups are known to be there
    _chanx_connected = False  # `connect` has returned
    _chanx_unconnected = False  # it has failed, and so must not be followed by `disconnect`
    _chanx_disconnected = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - given by `as_asgi`, for subclasses
        if len(args) == 3 and isinstance(args[0], Mapping) and "type" in args[0]:  # called like an application
            name = type(self).__qualname__
            raise TypeError(f"{name} is a class, and no application: as_asgi() is missing; route to {name}.as_asgi()")
        if self.groups is None:
            self.groups = []

    def _chanx_farewell(self, error: BaseException) -> dict[str, Any] | None:
        if self._chanx_disconnected or not (self._chanx_begun or self._chanx_accepted):
            return None
        if isinstance(error, StopConsumer):  # it says itself that it has cleaned up; only its groups are left
            self._chanx_unconnected = True
            return {"type": "websocket.disconnect"} if self.groups else None
        self._chanx_unconnected = (
            self._chanx_begun and not self._chanx_connected
        )  # a `websocket_connect` of its own tells neither
        if self._chanx_pump.farewell is not None:  # it has left before that
            return self._chanx_pump.farewell
        return {"type": "websocket.disconnect", "code": 1011 if isinstance(error, Exception) else 1006}


class AsyncWebsocketConsumer(_Websocket, AsyncConsumer):
    """One WebSocket; override `connect`, `receive` and `disconnect`.

    Attributes:
        groups: the consumer's channel is in these groups from `connect` to `disconnect`.
    """

    async def websocket_connect(self, message: dict[str, Any]) -> None:  # noqa: ARG002
        """A client asks for the connection."""
        groups = _groups(self)
        self._chanx_begun = True
        for group in groups:
            await self.channel_layer.group_add(group, self.channel_name)
        try:
            await self.connect()
        except AcceptConnection:
            await self.accept()
        except DenyConnection:
            await self.close()
        self._chanx_connected = True

    async def connect(self) -> None:
        """Accept the connection, or refuse it with `close`."""
        await self.accept()

    async def accept(self, subprotocol: str | None = None, headers: Headers | None = None) -> None:
        """Accept the connection; nothing happens where it is accepted or closed already.

        Args:
            subprotocol: one of those in `scope["subprotocols"]`.
            headers: of the response.
        """
        if not (self._chanx_accepted or self._chanx_closed):
            self._chanx_accepted = True
            await super().send(_accepting(subprotocol, headers))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """A frame has come."""
        await self.receive(**_received(message))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle a frame: one of the two is given."""

    async def send(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool | int = False
    ) -> None:
        """Send a frame; it is dropped where the connection is closed already.

        Args:
            text_data: of a text frame.
            bytes_data: of a binary frame.
            close: True, or a close code, to close the connection after it.

        Raises:
            ValueError: neither is given.
        """
        if text_data is not None:
            event: dict[str, Any] = {"type": "websocket.send", "text": text_data}
        else:
            event = _sending_bytes(bytes_data)
        if not self._chanx_closed:
            await super().send(event)
        if close:
            await self.close(close)

    async def close(self, code: int | bool | None = None, reason: str | None = None) -> None:
        """Close the connection, or refuse it where it is not accepted yet; nothing happens where it is closed already.

        Args:
            code: of the close; 1000 when left out.
            reason: for people; cut to the 123 bytes that fit.
        """
        if not self._chanx_closed:
            self._chanx_closed = True
            await super().send(_closing(code, reason))

    async def chanx_broadcast(self, message: dict[str, Any]) -> None:
        """Pass on what a native channel broadcasts to a group that this consumer is in; `text` is the frame."""
        if self._chanx_accepted and not self._chanx_closed:
            await super().send({"type": "websocket.send", "text": message["text"]})

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """The connection has ended."""
        self._chanx_closed = self._chanx_disconnected = True
        try:
            failures: list[Exception] = []
            for group in _groups(self):
                try:
                    await self.channel_layer.group_discard(group, self.channel_name)
                except Exception as error:  # noqa: BLE001 - the others are left all the same
                    failures.append(error)
            if failures:
                raise failures[0]
        finally:
            if not self._chanx_unconnected:
                await self.disconnect(message.get("code", 1005))
        raise StopConsumer

    async def disconnect(self, code: int) -> None:
        """Clean up; `code` is the close code."""


class AsyncJsonWebsocketConsumer(AsyncWebsocketConsumer):
    """One WebSocket whose frames are JSON; override `receive_json`."""

    async def receive(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,  # noqa: ARG002 - JSON is text
        **kwargs: Any,
    ) -> None:
        """Read a frame and give it to `receive_json`.

        Raises:
            ValueError: it has no text, or `decode_json` cannot read it.
        """
        if not text_data:
            raise ValueError("a frame without text came; JSON is sent as text")
        await self.receive_json(await self.decode_json(text_data), **kwargs)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Handle a frame."""

    # To type checkers, `close` is anything: overrides take a bool alone.
    async def send_json(self, content: Any, close: Any = False) -> None:
        """Send a frame, and then close the connection where `close` is True or a code."""
        await super().send(text_data=await self.encode_json(content), close=close)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """The content of a frame."""
        return json.loads(text_data)

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        """The text of a frame."""
        return dumps(content)


class WebsocketConsumer(_Websocket, SyncConsumer):
    """One WebSocket; override `connect`, `receive` and `disconnect`, which run in threads.

    Attributes:
        groups: the consumer's channel is in these groups from `connect` to `disconnect`.
    """

    def websocket_connect(self, message: dict[str, Any]) -> None:  # noqa: ARG002
        """A client asks for the connection."""
        groups = _groups(self)
        self._chanx_begun = True
        for group in groups:
            async_to_sync(self.channel_layer.group_add)(group, self.channel_name)
        try:
            self._chanx_call(self.connect)
        except AcceptConnection:
            self.accept()
        except DenyConnection:
            self.close()
        self._chanx_connected = True

    def connect(self) -> None:
        """Accept the connection, or refuse it with `close`."""
        self.accept()

    def accept(self, subprotocol: str | None = None, headers: Headers | None = None) -> None:
        """Accept the connection; nothing happens where it is accepted or closed already.

        Args:
            subprotocol: one of those in `scope["subprotocols"]`.
            headers: of the response.
        """
        if not (self._chanx_accepted or self._chanx_closed):
            self._chanx_accepted = True
            super().send(_accepting(subprotocol, headers))

    def websocket_receive(self, message: dict[str, Any]) -> None:
        """A frame has come."""
        self._chanx_call(self.receive, **_received(message))

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle a frame: one of the two is given."""

    def send(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool | int = False
    ) -> None:
        """Send a frame; it is dropped where the connection is closed already.

        Args:
            text_data: of a text frame.
            bytes_data: of a binary frame.
            close: True, or a close code, to close the connection after it.

        Raises:
            ValueError: neither is given.
        """
        if text_data is not None:
            event: dict[str, Any] = {"type": "websocket.send", "text": text_data}
        else:
            event = _sending_bytes(bytes_data)
        if not self._chanx_closed:
            super().send(event)
        if close:
            self.close(close)

    def close(self, code: int | bool | None = None, reason: str | None = None) -> None:
        """Close the connection, or refuse it where it is not accepted yet; nothing happens where it is closed already.

        Args:
            code: of the close; 1000 when left out.
            reason: for people; cut to the 123 bytes that fit.
        """
        if not self._chanx_closed:
            self._chanx_closed = True
            super().send(_closing(code, reason))

    def chanx_broadcast(self, message: dict[str, Any]) -> None:
        """Pass on what a native channel broadcasts to a group that this consumer is in; `text` is the frame."""
        if self._chanx_accepted and not self._chanx_closed:
            super().send({"type": "websocket.send", "text": message["text"]})

    def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """The connection has ended."""
        self._chanx_closed = self._chanx_disconnected = True
        try:
            failures: list[Exception] = []
            for group in _groups(self):
                try:
                    async_to_sync(self.channel_layer.group_discard)(group, self.channel_name)
                except Exception as error:  # noqa: BLE001 - as above
                    failures.append(error)
            if failures:
                raise failures[0]
        finally:
            if not self._chanx_unconnected:
                self._chanx_call(self.disconnect, message.get("code", 1005))
        raise StopConsumer

    def disconnect(self, code: int) -> None:
        """Clean up; `code` is the close code."""


class JsonWebsocketConsumer(WebsocketConsumer):
    """One WebSocket whose frames are JSON; override `receive_json`, which runs in a thread."""

    def receive(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,  # noqa: ARG002 - JSON is text
        **kwargs: Any,
    ) -> None:
        """Read a frame and give it to `receive_json`.

        Raises:
            ValueError: it has no text, or `decode_json` cannot read it.
        """
        if not text_data:
            raise ValueError("a frame without text came; JSON is sent as text")
        self._chanx_call(self.receive_json, self.decode_json(text_data), **kwargs)

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Handle a frame."""

    def send_json(self, content: Any, close: bool | int = False) -> None:
        """Send a frame, and then close the connection where `close` is True or a code."""
        super().send(text_data=self.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text_data: str) -> Any:
        """The content of a frame."""
        return json.loads(text_data)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """The text of a frame."""
        return dumps(content)
