"""Communicators, where they differ from those of Channels; tests of the documents use them all along."""

from __future__ import annotations

import pytest

from chanx.channels.generic.websocket import AsyncWebsocketConsumer
from chanx.channels.testing import WebsocketCommunicator

pytestmark = pytest.mark.anyio

FOR_EVER = 3600.0


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "fail":
            raise RuntimeError("it was asked to")
        await self.send(text_data, bytes_data)


async def test_what_an_application_raises_is_raised_at_once() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    await client.send_to("fail")
    with pytest.raises(RuntimeError, match="it was asked to"):
        await client.receive_from(timeout=FOR_EVER)


async def test_an_empty_frame_is_a_frame() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    await client.send_to("")
    assert await client.receive_from() == ""
    await client.send_to(bytes_data=b"")
    assert await client.receive_from() == b""
    await client.disconnect()


async def test_one_of_text_and_bytes_is_sent() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    with pytest.raises(AssertionError):
        await client.send_to()
    with pytest.raises(AssertionError):
        await client.send_to("a", b"b")
    await client.disconnect()
