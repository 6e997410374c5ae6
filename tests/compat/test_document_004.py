"""Consumers, as the page of Django Channels about them has it: each block, and each sentence that is a promise."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from chanx.channels.consumer import AsyncConsumer, SyncConsumer
from chanx.channels.exceptions import AcceptConnection, DenyConnection, InvalidChannelLayerError, StopConsumer
from chanx.channels.generic.http import AsyncHttpConsumer
from chanx.channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from chanx.channels.layers import InMemoryChannelLayer, get_channel_layer, register_channel_layer
from chanx.channels.testing import ApplicationCommunicator, HttpCommunicator, WebsocketCommunicator
from tests.compat.documents import Sleeps, printed

pytestmark = pytest.mark.anyio

SYNC_ECHO = """
    from channels.consumer import SyncConsumer

    class EchoConsumer(SyncConsumer):

        def websocket_connect(self, event):
            self.send({
                "type": "websocket.accept",
            })

        def websocket_receive(self, event):
            self.send({
                "type": "websocket.send",
                "text": event["text"],
            })
"""

ASYNC_ECHO = """
    from channels.consumer import AsyncConsumer

    class EchoConsumer(AsyncConsumer):

        async def websocket_connect(self, event):
            await self.send({
                "type": "websocket.accept",
            })

        async def websocket_receive(self, event):
            await self.send({
                "type": "websocket.send",
                "text": event["text"],
            })
"""

ALIAS = """
    from channels.consumer import SyncConsumer

    class EchoConsumer(SyncConsumer):
        channel_layer_alias = "echo_alias"
"""

# The page leaves the body of the last method to the reader; here it is supplied.
WEBSOCKET = """
    from channels.generic.websocket import WebsocketConsumer

    class MyConsumer(WebsocketConsumer):
        groups = ["broadcast"]

        def connect(self):
            # Called on connection.
            # To accept the connection call:
            self.accept()
            # Or accept the connection and specify a chosen subprotocol.
            # A list of subprotocols specified by the connecting client
            # will be available in self.scope['subprotocols']
            self.accept("subprotocol")
            # To reject the connection, call:
            self.close()

        def receive(self, text_data=None, bytes_data=None):
            # Called with either text_data or bytes_data for each frame
            # You can call:
            self.send(text_data="Hello world!")
            # Or, to send a binary frame:
            self.send(bytes_data="Hello world!")
            # Want to force-close the connection? Call:
            self.close()
            # Or add a custom WebSocket error code!
            self.close(code=4123)

        def disconnect(self, close_code):
            # Called when the socket closes
            closed.append(close_code)
"""

ASYNC_WEBSOCKET = """
    from channels.generic.websocket import AsyncWebsocketConsumer

    class MyConsumer(AsyncWebsocketConsumer):
        groups = ["broadcast"]

        async def connect(self):
            # Called on connection.
            # To accept the connection call:
            await self.accept()
            # Or accept the connection and specify a chosen subprotocol.
            # A list of subprotocols specified by the connecting client
            # will be available in self.scope['subprotocols']
            await self.accept("subprotocol")
            # To reject the connection, call:
            await self.close()

        async def receive(self, text_data=None, bytes_data=None):
            # Called with either text_data or bytes_data for each frame
            # You can call:
            await self.send(text_data="Hello world!")
            # Or, to send a binary frame:
            await self.send(bytes_data="Hello world!")
            # Want to force-close the connection? Call:
            await self.close()
            # Or add a custom WebSocket error code!
            await self.close(code=4123)

        async def disconnect(self, close_code):
            # Called when the socket closes
            closed.append(close_code)
"""

BASIC_HTTP = """
    from channels.generic.http import AsyncHttpConsumer

    class BasicHttpConsumer(AsyncHttpConsumer):
        async def handle(self, body):
            await asyncio.sleep(10)
            await self.send_response(200, b"Your response bytes", headers=[
                (b"Content-Type", b"text/plain"),
            ])
"""

LONG_POLL = """
    import json
    from channels.generic.http import AsyncHttpConsumer

    class LongPollConsumer(AsyncHttpConsumer):
        async def handle(self, body):
            await self.send_headers(headers=[
                (b"Content-Type", b"application/json"),
            ])
            # Headers are only sent after the first body event.
            # Set "more_body" to tell the interface server to not
            # finish the response yet:
            await self.send_body(b"", more_body=True)

        async def chat_message(self, event):
            # Send JSON and finish the response:
            await self.send_body(json.dumps(event).encode("utf-8"))
"""

SERVER_SENT_EVENTS = """
    from datetime import datetime
    from channels.generic.http import AsyncHttpConsumer

    class ServerSentEventsConsumer(AsyncHttpConsumer):
        async def handle(self, body):
            await self.send_headers(headers=[
                (b"Cache-Control", b"no-cache"),
                (b"Content-Type", b"text/event-stream"),
                (b"Transfer-Encoding", b"chunked"),
            ])
            while True:
                payload = "data: %s\\n\\n" % datetime.now().isoformat()
                await self.send_body(payload.encode("utf-8"), more_body=True)
                await asyncio.sleep(1)
"""


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


async def opened(consumer: Any, path: str = "/", **options: Any) -> WebsocketCommunicator:
    app = consumer.as_asgi() if hasattr(consumer, "as_asgi") else consumer
    client = WebsocketCommunicator(app, path, **options)
    connected, _ = await client.connect()
    assert connected
    return client


# -- Basic Layout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [SYNC_ECHO, ASYNC_ECHO])
async def test_an_echo_server_accepts_all_connections_and_replies_with_the_same_text(block: str) -> None:
    client = await opened(printed(block)["EchoConsumer"])
    for text in ("one", "two", ""):
        await client.send_to(text_data=text)
        assert await client.receive_from() == text
    client.stop()


async def test_a_sync_consumer_runs_in_a_thread_and_an_async_one_does_not() -> None:
    threads: list[Any] = []

    class Sync(WebsocketConsumer):
        def connect(self) -> None:
            threads.append(threading.current_thread())
            self.accept()

    class Async(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            threads.append(threading.current_thread())
            await self.accept()

    for consumer in (Sync, Async):
        await (await opened(consumer)).disconnect()
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()


async def test_a_sync_consumer_that_blocks_does_not_hold_up_the_event_loop() -> None:
    go = threading.Event()

    class Slow(WebsocketConsumer):
        def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            assert go.wait(10)
            self.send(text_data="done")

    client = await opened(Slow)
    other = await opened(printed(ASYNC_ECHO)["EchoConsumer"])
    await client.send_to(text_data="x")
    await other.send_to(text_data="meanwhile")
    assert await other.receive_from() == "meanwhile"
    go.set()
    assert await client.receive_from() == "done"
    await client.disconnect()
    other.stop()


async def test_methods_are_named_by_the_type_with_underscores_for_periods(layer: InMemoryChannelLayer) -> None:
    class Named(AsyncWebsocketConsumer):
        groups = ["all"]

        async def deeply_nested_type(self, event: Any) -> None:
            await self.send(text_data=event["type"])

    client = await opened(Named)
    for kind in ("deeply.nested.type", "deeply_nested.type", "deeply_nested_type"):
        await layer.group_send("all", {"type": kind})
        assert await client.receive_from() == kind
    await client.disconnect()


async def test_send_gives_the_server_an_event_as_it_is() -> None:
    event = {"type": "websocket.accept", "subprotocol": None, "headers": [(b"a", b"b")], "extension": object()}

    class Raw(AsyncConsumer):
        async def websocket_connect(self, message: Any) -> None:
            await self.send(event)

    client = WebsocketCommunicator(Raw.as_asgi(), "/")
    await client.send_input({"type": "websocket.connect"})
    assert await client.receive_output() is event
    client.stop()


async def test_an_async_consumer_may_call_sync_functions_through_sync_to_async() -> None:
    class Calls(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            thread = await sync_to_async(threading.current_thread, thread_sensitive=False)()
            await self.send(text_data=str(thread is threading.main_thread()))

    client = await opened(Calls)
    await client.send_to(text_data="x")
    assert await client.receive_from() == "False"
    await client.disconnect()


# -- Closing Consumers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [SyncConsumer, AsyncConsumer])
async def test_stop_consumer_halts_the_application_cleanly(base: Any) -> None:
    class Sync(SyncConsumer):
        def websocket_disconnect(self, event: Any) -> None:
            raise StopConsumer

    class Async(AsyncConsumer):
        async def websocket_disconnect(self, event: Any) -> None:
            raise StopConsumer

    client = ApplicationCommunicator((Sync if base is SyncConsumer else Async).as_asgi(), {"type": "websocket"})
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await client.wait()  # raises nothing


async def test_without_stop_consumer_the_application_runs_until_the_server_kills_it() -> None:
    class Lingers(AsyncConsumer):
        async def websocket_disconnect(self, event: Any) -> None:
            await self.send({"type": "test.left"})

    client = ApplicationCommunicator(Lingers.as_asgi(), {"type": "websocket"})
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    assert await client.receive_output() == {"type": "test.left"}
    assert not client.future.done()
    client.stop()
    with pytest.raises(asyncio.CancelledError):
        await client.future


@pytest.mark.parametrize(
    "consumer", [WebsocketConsumer, AsyncWebsocketConsumer, JsonWebsocketConsumer, AsyncJsonWebsocketConsumer]
)
async def test_generic_consumers_stop_by_themselves(consumer: Any) -> None:
    client = await opened(consumer)
    await client.disconnect()
    assert client.future.done()


# -- Channel Layers -------------------------------------------------------------------------------------


async def test_consumers_use_the_default_layer_unless_they_name_another() -> None:
    layers = {alias: InMemoryChannelLayer() for alias in ("default", "echo_alias")}
    for alias, one in layers.items():
        register_channel_layer(alias, one)
    found: list[Any] = []

    class Default(SyncConsumer):
        def websocket_connect(self, event: Any) -> None:
            found.append(self.channel_layer)

    class Named(printed(ALIAS)["EchoConsumer"]):  # type: ignore[misc]
        websocket_connect = Default.websocket_connect

    for consumer in (Default, Named):
        client = ApplicationCommunicator(consumer.as_asgi(), {"type": "websocket"})
        await client.send_input({"type": "websocket.connect"})
        await client.send_input({"type": "nothing.more"})
        with pytest.raises(ValueError, match="nothing_more"):
            await client.wait()
    assert found == [layers["default"], layers["echo_alias"]]
    assert get_channel_layer("echo_alias") is layers["echo_alias"]


async def test_consumers_send_messages_to_each_other_one_to_one_and_to_groups(layer: InMemoryChannelLayer) -> None:
    class Chat(AsyncJsonWebsocketConsumer):
        groups = ["room"]

        async def connect(self) -> None:
            await self.accept()
            await self.send_json(self.channel_name)

        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            message = {"type": "chat.message", "text": content["text"]}
            if "to" in content:
                await self.channel_layer.send(content["to"], message)
            else:
                await self.channel_layer.group_send("room", message)

        async def chat_message(self, event: Any) -> None:
            await self.send_json(event["text"])

    clients = [await opened(Chat) for _ in range(3)]
    names = [await client.receive_json_from() for client in clients]
    assert len(set(names)) == 3
    await clients[0].send_json_to({"text": "to one", "to": names[1]})
    assert await clients[1].receive_json_from() == "to one"
    await clients[0].send_json_to({"text": "to all"})
    for client in clients:
        assert await client.receive_json_from() == "to all"
        assert client.output_queue.empty()
        await client.disconnect()


# -- Scope ----------------------------------------------------------------------------------------------


async def test_the_scope_has_the_path_the_headers_and_the_method() -> None:
    scopes: list[Any] = []

    class Scoped(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            scopes.append(self.scope)
            await self.send_response(200, b"")

    client = HttpCommunicator(Scoped.as_asgi(), "PUT", "/things/7?full=1", headers=[(b"x-key", b"value")])
    await client.get_response()
    (scope,) = scopes
    assert scope is client.scope
    assert (scope["path"], scope["query_string"], scope["method"]) == ("/things/7", b"full=1", "PUT")
    assert scope["headers"] == [(b"x-key", b"value")]


# -- WebsocketConsumer, AsyncWebsocketConsumer ----------------------------------------------------------


@pytest.mark.parametrize("block", [WEBSOCKET, ASYNC_WEBSOCKET])
async def test_the_block_of_the_generic_consumer_accepts_and_then_closes(
    block: str, layer: InMemoryChannelLayer
) -> None:
    closed: list[int] = []
    client = WebsocketCommunicator(printed(block, closed=closed)["MyConsumer"].as_asgi(), "/", subprotocols=["a"])
    assert await client.connect() == (True, None)  # the first accept() counts
    assert await client.receive_output() == {"type": "websocket.close"}
    await client.disconnect(1000)
    assert closed == [1000]
    assert client.output_queue.empty()


@pytest.mark.parametrize("block", [WEBSOCKET, ASYNC_WEBSOCKET])
async def test_the_block_of_the_generic_consumer_answers_a_frame_and_closes_once(
    block: str, layer: InMemoryChannelLayer
) -> None:
    closed: list[int] = []
    base = printed(block, closed=closed)["MyConsumer"]
    accepting = WebsocketConsumer if block == WEBSOCKET else AsyncWebsocketConsumer
    consumer = type("MyConsumer", (base,), {"connect": accepting.connect})
    client = await opened(consumer)
    await client.send_to(text_data="hi")
    assert await client.receive_from() == "Hello world!"
    assert await client.receive_from() == b"Hello world!"
    assert await client.receive_output() == {"type": "websocket.close"}
    await client.disconnect(1000)
    assert closed == [1000]
    assert client.output_queue.empty()


class Sync(WebsocketConsumer):
    """Does what its path says, and keeps a log."""

    log: list[Any] = []

    def connect(self) -> None:
        match self.scope["path"].strip("/").split("/"):
            case ["subprotocol", name]:
                assert name in self.scope["subprotocols"]
                self.accept(name)
            case ["headers"]:
                self.accept(headers=[(b"x-room", b"7")])
            case ["close", *code]:
                self.close(int(code[0]) if code else None)
            case ["raise", "accept"]:
                self.guard(AcceptConnection)
            case ["raise", "deny"]:
                self.guard(DenyConnection)
            case _:
                self.accept()

    def guard(self, verdict: Any) -> None:
        raise verdict

    def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        self.log.append((text_data, bytes_data))
        if text_data is not None and text_data.startswith("{"):
            self.close(**json.loads(text_data))
        elif text_data is not None:
            self.send(text_data=text_data, close=text_data == "close")
        else:
            self.send(bytes_data=bytes_data, close=4000 if bytes_data == b"close" else False)

    def disconnect(self, code: int) -> None:
        self.log.append(code)


class Async(AsyncWebsocketConsumer):
    """The same with coroutines."""

    log: list[Any] = []

    async def connect(self) -> None:
        match self.scope["path"].strip("/").split("/"):
            case ["subprotocol", name]:
                assert name in self.scope["subprotocols"]
                await self.accept(name)
            case ["headers"]:
                await self.accept(headers=[(b"x-room", b"7")])
            case ["close", *code]:
                await self.close(int(code[0]) if code else None)
            case ["raise", "accept"]:
                await self.guard(AcceptConnection)
            case ["raise", "deny"]:
                await self.guard(DenyConnection)
            case _:
                await self.accept()

    async def guard(self, verdict: Any) -> None:
        raise verdict

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        self.log.append((text_data, bytes_data))
        if text_data is not None and text_data.startswith("{"):
            await self.close(**json.loads(text_data))
        elif text_data is not None:
            await self.send(text_data=text_data, close=text_data == "close")
        else:
            await self.send(bytes_data=bytes_data, close=4000 if bytes_data == b"close" else False)

    async def disconnect(self, code: int) -> None:
        self.log.append(code)


@pytest.fixture(params=[Sync, Async])
def consumer(request: pytest.FixtureRequest) -> Any:
    return type(request.param.__name__, (request.param,), {"log": []})


async def test_accept_chooses_one_of_the_subprotocols_that_the_client_offers(consumer: Any) -> None:
    client = WebsocketCommunicator(consumer.as_asgi(), "/subprotocol/b", subprotocols=["a", "b"])
    assert await client.connect() == (True, "b")
    await client.disconnect()


async def test_accept_may_add_headers(consumer: Any) -> None:
    client = await opened(consumer, "/headers")
    assert client.response_headers == [(b"x-room", b"7")]
    await client.disconnect()


@pytest.mark.parametrize(("path", "code"), [("/close", 1000), ("/close/4001", 4001), ("/raise/deny", 1000)])
async def test_close_or_deny_connection_in_connect_rejects_the_connection(consumer: Any, path: str, code: int) -> None:
    client = WebsocketCommunicator(consumer.as_asgi(), path)
    assert await client.connect() == (False, code)
    await client.disconnect(1006)
    assert consumer.log == [1006]


async def test_accept_connection_raised_anywhere_in_connect_accepts(consumer: Any) -> None:
    client = await opened(consumer, "/raise/accept")
    await client.send_to(text_data="x")
    assert await client.receive_from() == "x"
    await client.disconnect()


async def test_receive_is_called_with_text_or_bytes_for_each_frame(consumer: Any) -> None:
    client = await opened(consumer)
    for frame in ("text", b"bytes", "", b""):
        await (client.send_to(text_data=frame) if isinstance(frame, str) else client.send_to(bytes_data=frame))
        assert await client.receive_from() == frame
    await client.disconnect(4321)
    assert consumer.log == [("text", None), (None, b"bytes"), ("", None), (None, b""), 4321]


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ({}, {}),
        ({"code": 4123}, {"code": 4123}),
        ({"code": 4123, "reason": "enough"}, {"code": 4123, "reason": "enough"}),
        ({"reason": "ü" * 100}, {"reason": "ü" * 61}),
    ],
)
async def test_close_may_carry_a_code_and_a_reason(consumer: Any, arguments: Any, event: Any) -> None:
    client = await opened(consumer)
    await client.send_to(text_data=json.dumps(arguments))
    assert await client.receive_output() == {"type": "websocket.close", **event}
    await client.disconnect()


async def test_send_may_close_after_the_frame(consumer: Any) -> None:
    for frame, event in (("close", {}), (b"close", {"code": 4000})):
        client = await opened(consumer)
        await (client.send_to(text_data=frame) if isinstance(frame, str) else client.send_to(bytes_data=frame))
        assert await client.receive_from() == frame
        assert await client.receive_output() == {"type": "websocket.close", **event}
        await client.disconnect()


async def test_the_channel_is_in_its_groups_from_connect_to_disconnect(
    consumer: Any, layer: InMemoryChannelLayer
) -> None:
    consumer.groups = ("one", "two")
    told = type("Told", (consumer,), {"tell": _tell_sync if issubclass(consumer, Sync) else _tell_async})
    client = await opened(told)
    for group in ("one", "two"):
        await layer.group_send(group, {"type": "tell", "text": group})
        assert await client.receive_from() == group
    members = layer.group_layer.members
    assert [members.count(group) for group in ("one", "two")] == [1, 1]
    await client.disconnect()
    assert [members.count(group) for group in ("one", "two")] == [0, 0]


def _tell_sync(self: Any, event: Any) -> None:
    self.send(text_data=event["text"])


async def _tell_async(self: Any, event: Any) -> None:
    await self.send(text_data=event["text"])


class Groupless:
    """A channel layer that has channels, and no groups."""

    extensions: list[str] = []

    async def new_channel(self, prefix: str = "specific") -> str:
        return "specific.1!1"

    async def send(self, channel: str, message: Any) -> None:
        raise AssertionError

    async def receive(self, channel: str) -> Any:
        await asyncio.Event().wait()


@pytest.mark.parametrize("without", [None, Groupless()])
async def test_groups_without_a_layer_that_has_them_are_an_invalid_channel_layer(consumer: Any, without: Any) -> None:
    if without is not None:
        register_channel_layer("default", without)
    consumer.groups = ["broadcast"]
    client = WebsocketCommunicator(consumer.as_asgi(), "/")
    with pytest.raises(InvalidChannelLayerError, match="groups"):
        await client.connect()
    consumer.groups = []
    await (await opened(consumer)).disconnect()


async def test_groups_are_no_string(consumer: Any, layer: InMemoryChannelLayer) -> None:
    consumer.groups = "broadcast"
    with pytest.raises(TypeError, match=r'\["broadcast"\]'):
        await WebsocketCommunicator(consumer.as_asgi(), "/").connect()


# -- JsonWebsocketConsumer, AsyncJsonWebsocketConsumer --------------------------------------------------


class SyncJson(JsonWebsocketConsumer):
    def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.send_json({"got": content}, close=content == "last")


class AsyncJson(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json({"got": content}, close=content == "last")


class SyncHex(SyncJson):
    @classmethod
    def decode_json(cls, text_data: str) -> Any:
        return json.loads(bytes.fromhex(text_data))

    @classmethod
    def encode_json(cls, content: Any) -> str:
        return json.dumps(content).encode().hex()


class AsyncHex(AsyncJson):
    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        return json.loads(bytes.fromhex(text_data))

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        return json.dumps(content).encode().hex()


@pytest.mark.parametrize("json_consumer", [SyncJson, AsyncJson])
async def test_json_is_decoded_for_receive_json_and_encoded_by_send_json(json_consumer: Any) -> None:
    client = await opened(json_consumer)
    contents: list[Any] = [{"a": [1, None, "ä"]}, [], 0, "text", None]
    for content in contents:
        await client.send_json_to(content)
        assert await client.receive_json_from() == {"got": content}
    await client.send_json_to("last")
    assert await client.receive_json_from() == {"got": "last"}
    assert await client.receive_output() == {"type": "websocket.close"}
    await client.disconnect()


@pytest.mark.parametrize("json_consumer", [SyncHex, AsyncHex])
async def test_the_encoding_of_json_may_be_overridden(json_consumer: Any) -> None:
    client = await opened(json_consumer)
    await client.send_to(text_data=b'{"a": 1}'.hex())
    assert await client.receive_from() == b'{"got": {"a": 1}}'.hex()
    await client.disconnect()


@pytest.mark.parametrize("json_consumer", [SyncJson, AsyncJson])
@pytest.mark.parametrize("frame", [{"text_data": "{"}, {"text_data": ""}, {"bytes_data": b"{}"}])
async def test_a_frame_that_is_no_json_ends_the_consumer_with_an_error(json_consumer: Any, frame: Any) -> None:
    client = await opened(json_consumer)
    await client.send_to(**frame)
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, or ours
        await client.wait()


# -- AsyncHttpConsumer ----------------------------------------------------------------------------------


async def test_the_block_of_the_http_consumer_answers_after_its_sleep() -> None:
    sleeps = Sleeps()
    consumer = printed(BASIC_HTTP, asyncio=sleeps)["BasicHttpConsumer"]
    client = HttpCommunicator(consumer.as_asgi(), "GET", "/")
    await client.send_input({"type": "http.request"})
    await sleeps.sleeping.wait()
    assert client.output_queue.empty()
    sleeps.wake()
    client.sent_request = True
    response = await client.get_response()
    assert response == {"status": 200, "headers": [(b"Content-Type", b"text/plain")], "body": b"Your response bytes"}
    assert sleeps.asked == [10]


async def test_handle_gets_the_whole_body_as_one_bytestring() -> None:
    bodies: list[bytes] = []

    class Bodies(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            bodies.append(body)
            await self.send_response(200, body)

    client = ApplicationCommunicator(Bodies.as_asgi(), {"type": "http"})
    for part in (b"one ", b"", b"two "):
        await client.send_input({"type": "http.request", "body": part, "more_body": True})
    await client.send_input({"type": "http.request", "more_body": True})
    assert bodies == []
    await client.send_input({"type": "http.request", "body": b"three"})
    await client.wait()
    assert bodies == [b"one two three"]


@pytest.mark.parametrize("headers", [[(b"a", b"1"), (b"b", b"2")], {b"a": b"1", b"b": b"2"}])
async def test_headers_are_a_list_of_tuples_or_a_dictionary(headers: Any) -> None:
    class Headers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(201, b"", headers=headers)

    response = await HttpCommunicator(Headers.as_asgi(), "GET", "/").get_response()
    assert response == {"status": 201, "headers": [(b"a", b"1"), (b"b", b"2")], "body": b""}


async def test_the_body_of_a_response_is_bytes() -> None:
    class Text(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_body("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    with pytest.raises(TypeError, match="encode"):
        await HttpCommunicator(Text.as_asgi(), "GET", "/").get_response()


async def test_a_consumer_without_handle_says_so() -> None:
    with pytest.raises(NotImplementedError, match="handle"):
        await HttpCommunicator(AsyncHttpConsumer.as_asgi(), "GET", "/").get_response()


async def test_disconnect_runs_though_handle_has_not_finished() -> None:
    log: list[str] = []
    begun = asyncio.Event()

    class Endless(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                log.append("handle ended")

        async def disconnect(self) -> None:
            log.append("disconnect")

    client = HttpCommunicator(Endless.as_asgi(), "GET", "/")
    await client.send_input({"type": "http.request"})
    await begun.wait()
    await client.send_input({"type": "http.disconnect"})
    await client.wait()
    assert log == ["handle ended", "disconnect"]


async def test_disconnect_shuts_down_the_coroutines_that_handle_has_launched() -> None:
    ended = asyncio.Event()

    class Launches(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            self.task = asyncio.create_task(self.work())

        async def work(self) -> None:
            try:
                await self.send_headers()
                await self.send_body(b"part", more_body=True)
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def disconnect(self) -> None:
            self.task.cancel()

    client = HttpCommunicator(Launches.as_asgi(), "GET", "/")
    await client.send_input({"type": "http.request"})
    assert (await client.receive_output())["type"] == "http.response.start"
    assert (await client.receive_output())["body"] == b"part"
    await client.send_input({"type": "http.disconnect"})
    await client.wait()
    await ended.wait()


async def test_a_coroutine_that_handle_has_launched_may_complete_the_response() -> None:
    log: list[str] = []

    class Launches(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            self.task = asyncio.create_task(self.send_response(200, b"later"))

        async def disconnect(self) -> None:
            log.append("disconnect")

    response = await HttpCommunicator(Launches.as_asgi(), "GET", "/").get_response()
    assert response["body"] == b"later"
    assert log == ["disconnect"]


async def test_the_block_of_the_long_poll_is_answered_by_the_channel_layer(layer: InMemoryChannelLayer) -> None:
    names: list[str] = []

    class Named(printed(LONG_POLL)["LongPollConsumer"]):  # type: ignore[misc]
        async def handle(self, body: bytes) -> None:
            names.append(self.channel_name)
            await super().handle(body)

    client = HttpCommunicator(Named.as_asgi(), "GET", "/")
    await client.send_input({"type": "http.request"})
    start = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"application/json")]}
    assert await client.receive_output() == start
    assert await client.receive_output() == {"type": "http.response.body", "body": b"", "more_body": True}
    message = {"type": "chat.message", "text": "hello"}
    await layer.send(names[0], message)
    last = await client.receive_output()
    assert json.loads(last["body"]) == message
    assert last["more_body"] is False
    await client.wait()


async def test_the_block_of_server_sent_events_sends_until_the_client_leaves() -> None:
    sleeps = Sleeps()
    consumer = printed(SERVER_SENT_EVENTS, asyncio=sleeps)["ServerSentEventsConsumer"]
    client = HttpCommunicator(consumer.as_asgi(), "GET", "/")
    await client.send_input({"type": "http.request"})
    start = await client.receive_output()
    assert dict(start["headers"])[b"Content-Type"] == b"text/event-stream"
    for _ in range(3):
        part = await client.receive_output()
        assert part["body"].startswith(b"data: 20")
        assert part["body"].endswith(b"\n\n")
        assert part["more_body"] is True
        await sleeps.sleeping.wait()
        sleeps.wake()
    await client.send_input({"type": "http.disconnect"})
    await client.wait()
    assert set(sleeps.asked) == {1}


# -- as_asgi --------------------------------------------------------------------------------------------


async def test_as_asgi_makes_an_instance_for_each_connection_with_what_it_is_given() -> None:
    made: list[Any] = []

    class Greeter(AsyncWebsocketConsumer):
        """Greets."""

        def __init__(self, greeting: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.greeting = greeting
            made.append(self)

        async def connect(self) -> None:
            await self.accept()
            await self.send(text_data=self.greeting)

    app: Any = Greeter.as_asgi(greeting="hi")
    assert app.consumer_class is Greeter
    assert app.consumer_initkwargs == {"greeting": "hi"}
    assert app.__doc__ == "Greets."
    for _ in range(2):
        client = await opened(app)
        assert await client.receive_from() == "hi"
        await client.disconnect()
    assert len(made) == 2
    assert made[0] is not made[1]


async def test_sync_consumers_use_the_layer_through_async_to_sync(layer: InMemoryChannelLayer) -> None:
    class Room(WebsocketConsumer):
        def connect(self) -> None:
            async_to_sync(self.channel_layer.group_add)("room", self.channel_name)
            self.accept()

        def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            async_to_sync(self.channel_layer.group_send)("room", {"type": "said", "text": text_data})

        def said(self, event: Any) -> None:
            self.send(text_data=event["text"])

    clients = [await opened(Room) for _ in range(2)]
    await clients[0].send_to(text_data="hello")
    for client in clients:
        assert await client.receive_from() == "hello"
        await client.disconnect()
