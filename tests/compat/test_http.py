"""Requests under pressure: exactly one `disconnect`, whatever ends them."""

from __future__ import annotations

import asyncio
from typing import Any

import channels.layers
import pytest

from chanx.channels.exceptions import StopConsumer
from chanx.channels.generic.http import AsyncHttpConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.testing import ApplicationCommunicator, HttpCommunicator

pytestmark = pytest.mark.anyio


class Logged(AsyncHttpConsumer):
    log: list[Any]

    def __init__(self, log: list[Any]) -> None:
        super().__init__()
        self.log = log

    async def disconnect(self) -> None:
        self.log.append("disconnect")


def client_of(consumer: type[Logged], log: list[Any]) -> ApplicationCommunicator:
    return ApplicationCommunicator(consumer.as_asgi(log=log), {"type": "http", "method": "GET", "path": "/"})


async def others() -> set[Any]:
    for _ in range(5):
        await asyncio.sleep(0)
    runner = "TestRunner."  # of anyio
    return {
        one for one in asyncio.all_tasks() if not str(getattr(one.get_coro(), "__qualname__", "")).startswith(runner)
    }


async def test_after_a_complete_response() -> None:
    class Answers(Logged):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"ok")
            self.log.append("handle goes on")

    log: list[Any] = []
    client = client_of(Answers, log)
    await client.send_input({"type": "http.request"})
    await client.wait()
    assert log == ["handle goes on", "disconnect"]
    assert not await others()


@pytest.mark.parametrize("complete", [False, True])
async def test_after_stop_consumer_in_handle(complete: bool) -> None:
    class Stops(Logged):
        async def handle(self, body: bytes) -> None:
            if complete:
                await self.send_response(200, b"ok")
            raise StopConsumer

    log: list[Any] = []
    client = client_of(Stops, log)
    await client.send_input({"type": "http.request"})
    await client.wait()
    assert log == ["disconnect"]


@pytest.mark.parametrize("started", [False, True])
async def test_after_an_error_in_handle_which_the_server_is_told(started: bool) -> None:
    class Fails(Logged):
        async def handle(self, body: bytes) -> None:
            if started:
                await self.send_headers()
                await self.send_body(b"part", more_body=True)
            raise LookupError("broken")

    log: list[Any] = []
    client = client_of(Fails, log)
    await client.send_input({"type": "http.request"})
    with pytest.raises(LookupError):
        await client.wait()
    assert log == ["disconnect"]
    assert client.output_queue.qsize() == 2 * started
    assert not await others()


async def test_after_an_error_once_the_response_is_complete() -> None:
    class Fails(Logged):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"ok")
            raise LookupError("broken")

    log: list[Any] = []
    client = client_of(Fails, log)
    await client.send_input({"type": "http.request"})
    with pytest.raises(LookupError):
        await client.wait()
    assert log == ["disconnect"]


async def test_when_the_client_leaves_before_its_request_is_complete() -> None:
    class Never(Logged):
        async def handle(self, body: bytes) -> None:
            raise AssertionError

    log: list[Any] = []
    client = client_of(Never, log)
    await client.send_input({"type": "http.request", "body": b"half", "more_body": True})
    await client.send_input({"type": "http.disconnect"})
    await client.wait()
    assert log == ["disconnect"]


async def test_when_the_server_cancels_handle() -> None:
    begun = asyncio.Event()

    class Waits(Logged):
        async def handle(self, body: bytes) -> None:
            begun.set()
            await asyncio.Event().wait()

    log: list[Any] = []
    client = client_of(Waits, log)
    await client.send_input({"type": "http.request"})
    await begun.wait()
    client.future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.future
    assert log == ["disconnect"]
    assert not await others()


async def test_when_the_server_cancels_a_request_that_waits_for_the_layer() -> None:
    begun = asyncio.Event()

    class Returns(Logged):
        async def handle(self, body: bytes) -> None:
            begun.set()

    log: list[Any] = []
    client = client_of(Returns, log)
    await client.send_input({"type": "http.request"})
    await begun.wait()
    await others()
    assert not client.future.done()
    client.future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.future
    assert log == ["disconnect"]
    assert not await others()


async def test_when_disconnect_itself_fails() -> None:
    class Fails(Logged):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"ok")

        async def disconnect(self) -> None:
            await super().disconnect()
            raise LookupError("broken")

    log: list[Any] = []
    client = client_of(Fails, log)
    await client.send_input({"type": "http.request"})
    with pytest.raises(LookupError):
        await client.wait()
    assert log == ["disconnect"]


async def test_a_send_to_a_client_that_has_left_ends_handle_without_an_error() -> None:
    class Streams(Logged):
        async def handle(self, body: bytes) -> None:
            try:
                while True:
                    await self.send_body(b"part", more_body=True)
            finally:
                self.log.append("handle ended")

    events: asyncio.Queue[Any] = asyncio.Queue()
    parts = 0

    async def send(event: Any) -> None:
        nonlocal parts
        await asyncio.sleep(0)
        parts += 1
        if parts > 3:
            events.put_nowait({"type": "http.disconnect"})
            raise OSError("the client has left")

    log: list[Any] = []
    events.put_nowait({"type": "http.request"})
    await asyncio.wait_for(Streams.as_asgi(log=log)({"type": "http"}, events.get, send), 5)
    assert log == ["handle ended", "disconnect"]
    assert not await others()


@pytest.mark.parametrize("make", [InMemoryChannelLayer, channels.layers.InMemoryChannelLayer])
async def test_messages_wait_until_handle_has_returned(make: Any) -> None:
    layer = make()
    register_channel_layer("default", layer)
    joined, go = asyncio.Event(), asyncio.Event()

    class Polls(Logged):
        async def handle(self, body: bytes) -> None:
            await self.channel_layer.group_add("news", self.channel_name)
            joined.set()
            await go.wait()
            await self.send_headers()

        async def news(self, event: Any) -> None:
            await self.send_body(event["text"].encode())

        async def disconnect(self) -> None:
            await super().disconnect()
            await self.channel_layer.group_discard("news", self.channel_name)

    log: list[Any] = []
    client = client_of(Polls, log)
    await client.send_input({"type": "http.request"})
    await joined.wait()
    await layer.group_send("news", {"type": "news", "text": "first"})
    await layer.group_send("news", {"type": "news", "text": "second"})
    await others()
    assert client.output_queue.empty()
    go.set()
    assert (await client.receive_output())["type"] == "http.response.start"
    assert (await client.receive_output())["body"] == b"first"
    await client.wait()
    assert client.output_queue.empty()  # what comes after the end of the response is for nobody
    assert log == ["disconnect"]
    assert not await others()


async def test_dispatch_sees_the_errors_of_handle() -> None:
    class Guarded(Logged):
        async def dispatch(self, message: Any) -> None:
            try:
                await super().dispatch(message)
            except LookupError:
                await self.send_response(418, b"guarded")
                await super().dispatch({"type": "http.disconnect"})

        async def handle(self, body: bytes) -> None:
            raise LookupError("broken")

    log: list[Any] = []
    response = await HttpCommunicator(Guarded.as_asgi(log=log), "GET", "/").get_response()
    assert response["status"] == 418
    assert log == ["disconnect"]
