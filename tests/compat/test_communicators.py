"""The communicators that tests of consumers use, as Channels' page about testing tells of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chanx.channels.consumer import AsyncConsumer
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.testing import ApplicationCommunicator, HttpCommunicator, WebsocketCommunicator

pytestmark = pytest.mark.anyio


async def says(scope: Any, receive: Any, send: Any) -> None:
    """Answers each event with what it says."""
    while (event := await receive())["type"] != "end":
        if event["type"] == "fail":
            raise LookupError("broken")
        await send(event.get("say", {"type": "heard", "event": event}))


class Echo(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)


# -- ApplicationCommunicator ----------------------------------------------------------------------------


async def test_input_and_output_are_plain_events() -> None:
    client = ApplicationCommunicator(says, {"type": "test"})
    await client.send_input({"type": "hello"})
    assert await client.receive_output() == {"type": "heard", "event": {"type": "hello"}}
    assert await client.receive_nothing(timeout=0.01, interval=0.001)
    await client.send_input({"type": "again"})
    assert not await client.receive_nothing()
    assert (await client.receive_output())["event"] == {"type": "again"}
    await client.send_input({"type": "end"})
    await client.wait()


async def test_no_output_in_time_is_a_timeout_that_cancels_the_application() -> None:
    client = ApplicationCommunicator(says, {"type": "test"})
    with pytest.raises(TimeoutError):
        await client.receive_output(timeout=0.01)
    assert client.future.cancelled()


@pytest.mark.parametrize("ask", ["receive_output", "wait"])
async def test_what_the_application_raises_is_raised_to_the_test_at_once(ask: str) -> None:
    client = ApplicationCommunicator(says, {"type": "test"})
    await client.send_input({"type": "fail"})
    with pytest.raises(LookupError):
        await asyncio.wait_for(getattr(client, ask)(timeout=1000), 10)
    with pytest.raises(LookupError):
        await client.send_input({"type": "more"})


async def test_output_that_comes_after_the_end_of_the_application_is_received() -> None:
    tasks: set[Any] = set()

    async def leaves(scope: Any, receive: Any, send: Any) -> None:
        async def later() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            await send({"type": "late"})

        tasks.add(asyncio.create_task(later()))

    client = ApplicationCommunicator(leaves, {"type": "test"})
    assert await client.receive_output() == {"type": "late"}


async def test_a_cancelled_receive_loses_no_output() -> None:
    client = ApplicationCommunicator(says, {"type": "test"})
    task = asyncio.create_task(client.receive_output(timeout=10))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await client.send_input({"type": "hello"})
    assert (await client.receive_output())["event"] == {"type": "hello"}
    client.stop()


# -- HttpCommunicator -----------------------------------------------------------------------------------


async def test_the_parts_of_a_response_are_put_together_with_sorted_headers() -> None:
    async def parts(scope: Any, receive: Any, send: Any) -> None:
        request = await receive()
        await send({"type": "http.response.start", "status": 202, "headers": [(b"b", b"2"), [b"a", b"1"]]})
        await send({"type": "http.response.body", "body": request["body"], "more_body": True})
        await send({"type": "http.response.body", "more_body": True})
        await send({"type": "http.response.body", "body": scope["query_string"]})

    client = HttpCommunicator(parts, "post", "/a%20b?q=1", body=b"body ", headers=[(b"X-Key", b"value")])
    assert (client.scope["method"], client.scope["path"]) == ("POST", "/a b")
    assert client.scope["headers"] == [(b"x-key", b"value")]
    response = await client.get_response()
    assert response == {"status": 202, "headers": [(b"a", b"1"), (b"b", b"2")], "body": b"body q=1"}


@pytest.mark.parametrize(("path", "body"), [(b"/", b""), ("/", "text")])
def test_mistakes_in_a_request_are_type_errors(path: Any, body: Any) -> None:
    with pytest.raises(TypeError, match="not"):
        HttpCommunicator(says, "GET", path, body)


# -- WebsocketCommunicator ------------------------------------------------------------------------------


async def test_text_bytes_and_json_go_both_ways() -> None:
    class Back(AsyncConsumer):
        async def websocket_connect(self, event: Any) -> None:
            await self.send({"type": "websocket.accept", "subprotocol": self.scope["subprotocols"][0]})

        async def websocket_receive(self, event: Any) -> None:
            await self.send({**event, "type": "websocket.send"})

    client = WebsocketCommunicator(Back.as_asgi(), "/?q", [(b"A", b"b")], ["one", "two"], spec_version="2.4")
    assert client.scope["asgi"]["spec_version"] == "2.4"
    assert client.scope["headers"] == [(b"a", b"b")]
    assert await client.connect() == (True, "one")
    await client.send_to(text_data="text")
    assert await client.receive_from() == "text"
    await client.send_to(bytes_data=b"bytes")
    assert await client.receive_from() == b"bytes"
    await client.send_json_to({"a": ["ä"]})
    assert await client.receive_json_from() == {"a": ["ä"]}
    client.stop()


@pytest.mark.parametrize(
    "frame", [{}, {"text_data": "a", "bytes_data": b"a"}, {"text_data": b"a"}, {"bytes_data": "a"}]
)
async def test_a_frame_is_text_or_bytes(frame: Any) -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    with pytest.raises(AssertionError):
        await client.send_to(**frame)
    await client.disconnect()


async def test_a_close_where_a_frame_is_awaited_is_an_assertion_error() -> None:
    class Closes(Echo):
        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.close(4000)

    client = WebsocketCommunicator(Closes.as_asgi(), "/")
    await client.connect()
    await client.send_json_to(1)
    with pytest.raises(AssertionError, match="4000"):
        await client.receive_from()
    await client.disconnect()


async def test_json_in_a_binary_frame_is_an_assertion_error() -> None:
    class Binary(Echo):
        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.send(bytes_data=b"{}")

    client = WebsocketCommunicator(Binary.as_asgi(), "/")
    await client.connect()
    await client.send_json_to(1)
    with pytest.raises(AssertionError, match="binary"):
        await client.receive_json_from()
    await client.disconnect()
