"""Consumers under pressure: whatever ends them, whoever sends to them, and in whatever order."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import channels.layers
import pytest

from chanx.channels.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from chanx.channels.exceptions import StopConsumer
from chanx.channels.generic.http import AsyncHttpConsumer
from chanx.channels.generic.websocket import AsyncWebsocketConsumer, JsonWebsocketConsumer, WebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.testing import ApplicationCommunicator, WebsocketCommunicator
from chanx.compat import consumer as machinery

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["ours", "theirs"])
def layer(request: pytest.FixtureRequest) -> Any:
    """A channel layer of ours, and one of Channels' own."""
    layer: Any = InMemoryChannelLayer() if request.param == "ours" else channels.layers.InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


def members(layer: Any, group: str) -> int:
    if isinstance(layer, InMemoryChannelLayer):
        return layer.group_layer.members.count(group)
    return len(layer.groups.get(group, {}))


async def others() -> set[Any]:
    """Tasks beside the test's own, once those that have been told to end have ended."""
    for _ in range(5):
        await asyncio.sleep(0)
    runner = "TestRunner."  # of anyio
    return {
        one for one in asyncio.all_tasks() if not str(getattr(one.get_coro(), "__qualname__", "")).startswith(runner)
    }


async def opened(consumer: Any) -> WebsocketCommunicator:
    client = WebsocketCommunicator(consumer.as_asgi(), "/")
    assert await client.connect() == (True, None)
    return client


def serving(consumer: Any, receive: Any, send: Any) -> asyncio.Task[None]:
    return asyncio.create_task(consumer.as_asgi()({"type": "websocket"}, receive, send))


class Logged(AsyncWebsocketConsumer):
    """Keeps a log of what ends it."""

    groups = ["all"]
    log: list[Any] = []

    async def connect(self) -> None:
        await self.accept()
        await self.send(text_data=self.channel_name if self.channel_layer else "no layer")

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        await self.do({"what": text_data})

    async def do(self, event: Any) -> None:
        match event["what"]:
            case "fail":
                raise LookupError("broken")
            case "stop":
                raise StopConsumer
            case "wait":
                await self.send(text_data="waiting")
                try:
                    await asyncio.Event().wait()
                finally:
                    self.log.append("waited")
            case "stray":
                task = asyncio.ensure_future(asyncio.sleep(60))
                task.cancel()
                await task
            case what:
                await self.send(text_data=what)

    async def disconnect(self, code: int) -> None:
        self.log.append(code)


class LoggedSync(WebsocketConsumer):
    """The same in threads."""

    groups = ["all"]
    log: list[Any] = []

    def connect(self) -> None:
        self.accept()
        self.send(text_data=self.channel_name if self.channel_layer else "no layer")

    def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        self.do({"what": text_data})

    def do(self, event: Any) -> None:
        match event["what"]:
            case "fail":
                raise LookupError("broken")
            case "stop":
                raise StopConsumer
            case what:
                self.send(text_data=what)

    def disconnect(self, code: int) -> None:
        self.log.append(code)


@pytest.fixture(params=[Logged, LoggedSync])
def consumer(request: pytest.FixtureRequest) -> Any:
    return type(request.param.__name__, (request.param,), {"log": []})


async def by_frame(layer: Any, client: WebsocketCommunicator, name: str, what: str) -> None:
    await client.send_to(text_data=what)


async def by_channel(layer: Any, client: WebsocketCommunicator, name: str, what: str) -> None:
    await layer.send(name, {"type": "do", "what": what})


async def by_group(layer: Any, client: WebsocketCommunicator, name: str, what: str) -> None:
    await layer.group_send("all", {"type": "do", "what": what})


WAYS = pytest.mark.parametrize("way", [by_frame, by_channel, by_group])
Way = Callable[[Any, WebsocketCommunicator, str, str], Awaitable[None]]


# -- ends -----------------------------------------------------------------------------------------------


@WAYS
async def test_an_error_in_a_handler_ends_the_consumer_which_cleans_up(layer: Any, consumer: Any, way: Way) -> None:
    client = await opened(consumer)
    name = str(await client.receive_from())
    assert members(layer, "all") == 1
    await way(layer, client, name, "fail")
    with pytest.raises(LookupError, match="broken"):
        await client.wait()
    assert consumer.log == [1011]
    assert members(layer, "all") == 0
    assert not await others()


@WAYS
async def test_stop_consumer_in_a_handler_ends_it_quietly(layer: Any, consumer: Any, way: Way) -> None:
    client = await opened(consumer)
    name = str(await client.receive_from())
    await way(layer, client, name, "stop")
    await client.wait()
    assert consumer.log == []
    assert members(layer, "all") == 0
    assert not await others()


async def test_one_with_a_websocket_connect_of_its_own_cleans_up_after_an_error(layer: Any) -> None:
    class Own(Logged):
        async def websocket_connect(self, message: Any) -> None:
            await self.accept()

    log: list[Any] = []
    client = await opened(type("Own", (Own,), {"log": log}))
    await client.send_to(text_data="fail")
    with pytest.raises(LookupError):
        await client.wait()
    assert log == [1011]


@WAYS
async def test_the_server_may_cancel_a_consumer_in_whatever_it_does(layer: Any, way: Way) -> None:
    log: list[Any] = []
    consumer = type("Consumer", (Logged,), {"log": log})
    client = await opened(consumer)
    name = str(await client.receive_from())
    await way(layer, client, name, "wait")
    assert await client.receive_from() == "waiting"
    client.future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.future
    assert log == ["waited", 1006]
    assert members(layer, "all") == 0
    assert not await others()


async def test_the_server_may_cancel_an_idle_consumer(layer: Any, consumer: Any) -> None:
    client = await opened(consumer)
    await client.receive_from()
    client.future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.future
    assert consumer.log == [1006]
    assert members(layer, "all") == 0
    assert not await others()


async def test_what_awaits_a_cancelled_task_fails_and_hangs_nothing(layer: Any) -> None:
    client = await opened(Logged)
    name = str(await client.receive_from())
    await by_channel(layer, client, name, "stray")
    with pytest.raises(RuntimeError, match="cancelled"):
        await client.wait()
    assert not await others()


async def test_cleaning_up_after_an_error_has_an_end(layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machinery, "CLEANUP", 0.01)

    class Endless(Logged):
        async def disconnect(self, code: int) -> None:
            await asyncio.Event().wait()

    client = await opened(Endless)
    await client.receive_from()
    await client.send_to(text_data="fail")
    with pytest.raises(LookupError):
        await client.wait(5)
    assert not await others()


async def test_an_error_in_cleaning_up_is_logged_beside_the_first(
    layer: Any, caplog: pytest.LogCaptureFixture, consumer: Any
) -> None:
    def disconnect(self: Any, code: int) -> Any:
        raise ZeroDivisionError

    consumer.disconnect = disconnect
    client = await opened(consumer)
    await client.receive_from()
    await client.send_to(text_data="fail")
    with pytest.raises(LookupError):
        await client.wait()
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_connection_whose_connect_fails_leaves_its_groups_and_gets_no_disconnect(layer: Any) -> None:
    log: list[Any] = []

    class Fails(Logged):
        async def connect(self) -> None:
            raise LookupError("broken")

        async def disconnect(self, code: int) -> None:
            log.append(code)

    client = WebsocketCommunicator(Fails.as_asgi(), "/")
    with pytest.raises(LookupError):
        await client.connect()
    assert log == []
    assert members(layer, "all") == 0
    assert not await others()


async def test_disconnect_runs_though_leaving_a_group_fails(layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(group: str, channel: str) -> None:
        raise ConnectionError("no broker")

    log: list[Any] = []
    client = await opened(type("Consumer", (Logged,), {"log": log}))
    monkeypatch.setattr(layer, "group_discard", broken)
    await client.send_input({"type": "websocket.disconnect", "code": 1001})
    with pytest.raises(ConnectionError):
        await client.wait()
    assert log == [1001]


async def test_a_close_without_a_code_is_1005(consumer: Any) -> None:
    consumer.groups = []
    client = await opened(consumer)
    await client.send_input({"type": "websocket.disconnect"})
    await client.wait()
    assert consumer.log == [1005]


async def test_nothing_is_left_of_consumers_that_have_ended(consumer: Any) -> None:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    for _ in range(3):
        client = await opened(consumer)
        await layer.group_send("all", {"type": "do", "what": "x"})
        await client.disconnect()
    assert layer._mailboxes == {}
    assert not await others()


def test_a_loop_that_ends_before_its_connections_is_no_reason_to_wait(recwarn: pytest.WarningsRecorder) -> None:
    log: list[Any] = []
    consumer: Any = type("Consumer", (Logged,), {"log": log, "groups": []})
    events: list[Any] = [{"type": "websocket.connect"}]
    waiting: Any = None

    class Forever:
        def __await__(self) -> Any:
            yield

    async def receive() -> Any:
        if not events:
            await Forever()
        return events.pop()

    async def send(event: Any) -> None:
        pass

    async def begin() -> None:
        nonlocal waiting
        waiting = consumer.as_asgi()({"type": "websocket"}, receive, send)
        waiting.send(None)

    asyncio.run(begin())
    waiting.close()  # raises RuntimeError where something is awaited
    assert log == []


# -- what users' classes may be like --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["connect", "receive", "receive_json", "disconnect", "tell"])
async def test_a_coroutine_function_in_a_synchronous_consumer_is_an_error_that_says_so(name: str) -> None:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)

    async def method(self: Any, *args: Any, **kwargs: Any) -> None:
        pass  # nobody would come here

    method.__name__ = name
    wrong: Any = type("Wrong", (JsonWebsocketConsumer,), {name: method, "groups": ["all"]})
    client = WebsocketCommunicator(wrong.as_asgi(), "/")
    await client.send_input({"type": "websocket.connect"})
    if name == "tell":
        await client.receive_output()
        await layer.group_send("all", {"type": "tell"})
    elif name == "disconnect":
        await client.send_input({"type": "websocket.disconnect"})
    else:
        await client.send_json_to({})
    with pytest.raises(TypeError, match=rf"Wrong\.{name} is a coroutine function; .* write `def`"):
        await client.wait()


async def test_a_plain_function_for_a_message_in_an_asynchronous_consumer_is_an_error_that_says_so() -> None:
    class Wrong(AsyncConsumer):
        def tell_it(self, message: Any) -> None:
            pass

    client = ApplicationCommunicator(Wrong.as_asgi(), {"type": "x"})
    await client.send_input({"type": "tell.it"})
    with pytest.raises(TypeError, match=r"Wrong\.tell_it is a plain function; .* write `async def`"):
        await client.wait()


async def test_an_alias_that_means_no_layer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for alias in ("default", "typo"):
        consumer = type("Named", (WebsocketConsumer,), {"channel_layer_alias": alias})
        for _ in range(2):
            await (await opened(consumer)).disconnect()
    (record,) = caplog.records  # the default is what consumers have that want no layer
    assert "Named has the channel_layer_alias 'typo'" in record.getMessage()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_synchronous_consumer_on_trio_says_what_to_use(anyio_backend: str) -> None:
    with pytest.raises(RuntimeError, match=r"WebsocketConsumer is a synchronous consumer, .* this is trio"):
        await WebsocketConsumer.as_asgi()({"type": "websocket"}, None, None)


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer, AsyncHttpConsumer])
def test_attributes_of_users_classes_have_names_of_their_own(base: Any) -> None:
    ours = {name for name in dir(base) if name.startswith("_") and not name.startswith(("__", "_chanx_"))}
    assert not ours  # a `_closed`, for one, is theirs


# -- a client that leaves -------------------------------------------------------------------------------


class Line:
    """A client and a server, of which the client leaves: from then on `send` raises, as ASGI 2.4 has it."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        self.gone = False

    def leave(self, code: int) -> None:
        self.gone = True
        self.events.put_nowait({"type": "websocket.disconnect", "code": code})

    async def send(self, event: Any) -> None:
        await asyncio.sleep(0)
        if self.gone:
            raise OSError("the client has left")
        self.sent.append(event)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_handler_that_sends_to_nobody_ends_and_disconnect_follows(layer: Any, kind: str) -> None:
    log: list[Any] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Async(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            try:
                while True:
                    await self.send(text_data="tick")
                    begun.set()
            finally:
                log.append("receive ended")

        async def disconnect(self, code: int) -> None:
            await self.send(text_data="bye")
            log.append(code)

    class Sync(WebsocketConsumer):
        def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            try:
                while True:
                    self.send(text_data="tick")
                    loop.call_soon_threadsafe(begun.set)
            finally:
                log.append("receive ended")

        def disconnect(self, code: int) -> None:
            self.send(text_data="bye")
            log.append(code)

    line = Line()
    consumer: Any = Async if kind == "async" else Sync
    task = serving(consumer, line.events.get, line.send)
    line.events.put_nowait({"type": "websocket.connect"})
    line.events.put_nowait({"type": "websocket.receive", "text": "go"})
    await begun.wait()
    line.leave(4001)
    await task  # raises nothing
    assert log == ["receive ended", 4001]


async def test_a_message_to_a_client_that_has_just_left_is_no_error(layer: Any) -> None:
    log: list[Any] = []
    line = Line()
    consumer = type("Consumer", (Logged,), {"log": log})
    task = serving(consumer, line.events.get, line.send)
    line.events.put_nowait({"type": "websocket.connect"})
    await others()
    assert len(line.sent) == 2
    line.gone = True
    await layer.group_send("all", {"type": "do", "what": "x"})
    await others()
    line.leave(1001)
    await task
    assert log == [1001]


async def test_another_oserror_is_an_error() -> None:
    class Reads(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            raise FileNotFoundError(text_data)

    client = await opened(Reads)
    await client.send_to(text_data="name")
    with pytest.raises(FileNotFoundError):
        await client.wait()


async def test_a_raw_consumer_whose_last_send_is_refused_ends() -> None:
    class Raw(AsyncConsumer):
        async def websocket_disconnect(self, event: Any) -> None:
            await self.send({"type": "websocket.send", "text": "bye"})

    line = Line()
    line.leave(1000)
    await asyncio.wait_for(Raw.as_asgi()({"type": "websocket"}, line.events.get, line.send), 5)


async def test_a_client_that_leaves_during_connect_is_told_nothing_and_disconnect_runs(layer: Any) -> None:
    log: list[Any] = []
    connecting, go = asyncio.Event(), asyncio.Event()

    class Slow(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            connecting.set()
            await go.wait()
            await self.accept()

        async def disconnect(self, code: int) -> None:
            log.append(code)

    line = Line()
    task = serving(Slow, line.events.get, line.send)
    line.events.put_nowait({"type": "websocket.connect"})
    await connecting.wait()
    line.leave(1006)
    go.set()
    await task
    assert line.sent == []
    assert log == [1006]


async def test_frames_after_close_are_dropped(layer: Any, consumer: Any) -> None:
    client = await opened(consumer)
    name = str(await client.receive_from())

    def end(self: Any, event: Any) -> Any:
        return self.close(4000)

    consumer.end = end
    await layer.send(name, {"type": "end"})
    assert await client.receive_output() == {"type": "websocket.close", "code": 4000}
    await layer.send(name, {"type": "do", "what": "too late"})
    await client.send_to(text_data="too late")
    await client.disconnect(4000)
    assert client.output_queue.empty()
    assert consumer.log == [4000]


# -- turns and order ------------------------------------------------------------------------------------


async def test_messages_that_come_during_connect_are_handled_after_it(layer: Any) -> None:
    connecting, go = asyncio.Event(), asyncio.Event()

    class Slow(AsyncWebsocketConsumer):
        groups = ["all"]

        async def connect(self) -> None:
            connecting.set()
            await go.wait()
            await self.accept()

        async def do(self, event: Any) -> None:
            await self.send(text_data=event["what"])

    client = WebsocketCommunicator(Slow.as_asgi(), "/")
    await client.send_input({"type": "websocket.connect"})
    await connecting.wait()
    for what in ("1", "2", "3"):
        await layer.group_send("all", {"type": "do", "what": what})
    await others()
    assert client.output_queue.empty()
    go.set()
    assert (await client.receive_output())["type"] == "websocket.accept"
    for what in ("1", "2", "3"):
        assert await client.receive_from() == what
    await client.disconnect()


async def test_messages_are_handled_one_at_a_time_and_in_order(layer: Any) -> None:
    log: list[Any] = []
    done = asyncio.Event()

    class Careful(Logged):
        inside = 0

        async def do(self, event: Any) -> None:
            self.inside += 1
            assert self.inside == 1
            await asyncio.sleep(0)
            log.append(event["what"])
            assert self.inside == 1
            self.inside -= 1
            if len(log) == 100:
                done.set()

    client = await opened(Careful)
    name = str(await client.receive_from())
    for number in range(50):
        await client.send_to(text_data=f"f{number}")
        await layer.send(name, {"type": "do", "what": f"c{number}"})
        if number % 7 == 0:
            await asyncio.sleep(0)
    await done.wait()
    await client.disconnect()
    for source in "fc":
        assert [one for one in log if one[0] == source] == [f"{source}{number}" for number in range(50)]


async def test_a_handler_that_feeds_its_own_channel_starves_neither_the_client_nor_the_loop(layer: Any) -> None:
    class Feeds(Logged):
        async def do(self, event: Any) -> None:
            if event["what"] == "again":
                await self.channel_layer.send(self.channel_name, {"type": "do", "what": "again"})
            else:
                await super().do(event)

    client = await opened(Feeds)
    await client.receive_from()
    await client.send_to(text_data="again")
    await client.send_to(text_data="hello")
    assert await client.receive_from() == "hello"
    await client.disconnect()
    assert not await others()


async def test_frames_do_not_starve_the_channel(layer: Any) -> None:
    class Many(Logged):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await asyncio.sleep(0)

    sent: asyncio.Queue[Any] = asyncio.Queue()
    first: list[Any] = [{"type": "websocket.connect"}]

    async def receive() -> Any:  # a client that never pauses
        await asyncio.sleep(0)
        return first.pop() if first else {"type": "websocket.receive", "text": "x"}

    task = serving(Many, receive, sent.put)
    assert (await sent.get())["type"] == "websocket.accept"
    name = (await sent.get())["text"]
    await layer.send(name, {"type": "do", "what": "heard"})
    assert (await asyncio.wait_for(sent.get(), 5))["text"] == "heard"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_waits_for_a_busy_consumer_is_bounded() -> None:
    layer = InMemoryChannelLayer(capacity=5)
    register_channel_layer("default", layer)
    go = asyncio.Event()
    got: list[int] = []

    class Busy(Logged):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await go.wait()
            await self.send(text_data="went")

        async def count(self, event: Any) -> None:
            got.append(event["number"])

    client = await opened(Busy)
    await client.receive_from()
    await client.send_to(text_data="x")
    await others()
    for number in range(100):
        await layer.group_send("all", {"type": "count", "number": number})
    go.set()
    assert await client.receive_from() == "went"
    await client.disconnect()
    assert got == [0, 1, 2, 3, 4]


async def test_a_slow_client_holds_up_its_own_frames_only() -> None:
    """The next frame is not taken from the server before the last one is handled."""
    taken: list[str] = []
    go = asyncio.Event()
    events: list[Any] = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": str(i)} for i in range(9)),
    ]

    class Waits(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await go.wait()

    async def receive() -> Any:
        event = events.pop(0)
        taken.append(event["type"])
        return event

    sent: asyncio.Queue[Any] = asyncio.Queue()
    task = serving(Waits, receive, sent.put)
    await others()
    assert taken == ["websocket.connect", "websocket.receive"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# -- context variables ----------------------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_context_variables_last_from_handler_to_handler(layer: Any, kind: str) -> None:
    class Async(AsyncWebsocketConsumer):
        groups = ["all"]

        async def connect(self) -> None:
            variable.set("connect")
            await self.accept()

        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await self.send(text_data=variable.get())
            variable.set("receive")

        async def do(self, event: Any) -> None:
            await self.send(text_data=variable.get())
            variable.set("do")

    class Sync(WebsocketConsumer):
        groups = ["all"]

        def connect(self) -> None:
            variable.set("connect")
            self.accept()

        def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            self.send(text_data=variable.get())
            variable.set("receive")

        def do(self, event: Any) -> None:
            self.send(text_data=variable.get())
            variable.set("do")

    client = await opened(Async if kind == "async" else Sync)
    await layer.group_send("all", {"type": "do"})
    assert await client.receive_from() == "connect"
    await others()
    await client.send_to(text_data="x")
    assert await client.receive_from() == "do"
    await others()
    await layer.group_send("all", {"type": "do"})
    assert await client.receive_from() == "receive"
    await client.disconnect()
    assert variable.get() == "unset"


# -- dispatch -------------------------------------------------------------------------------------------


async def test_dispatch_may_be_overridden_and_sees_every_message(layer: Any) -> None:
    class Guarded(Logged):
        async def dispatch(self, message: Any) -> None:
            self.log.append(message["type"])
            try:
                await super().dispatch(message)
            except LookupError:
                await self.send(text_data="caught")

    Guarded.log = []
    client = await opened(Guarded)
    name = str(await client.receive_from())
    for way in (by_frame, by_channel, by_group):
        await way(layer, client, name, "fail")
        assert await client.receive_from() == "caught"
    await client.disconnect()
    expected = ["websocket.connect", "websocket.receive", "do", "do", "websocket.disconnect", 1000]
    assert Guarded.log == expected


@pytest.mark.parametrize(
    ("message", "name"),
    [({"type": "a.b.c"}, "a_b_c"), ({"type": "a_b"}, "a_b"), ({"type": "a._b"}, "a__b")],
)
def test_the_handler_of_a_message(message: Any, name: str) -> None:
    assert get_handler_name(message) == name


@pytest.mark.parametrize("message", [{}, {"type": ""}, {"type": None}, {"type": "_private"}, {"type": ".private"}])
def test_messages_that_have_no_handler(message: Any) -> None:
    with pytest.raises(ValueError, match="type"):
        get_handler_name(message)


@pytest.mark.parametrize("kind", ["no.such.method", "groups", "__call__", "_pump.run"])
@pytest.mark.parametrize("base", [AsyncConsumer, SyncConsumer])
async def test_messages_of_unknown_types_are_errors(base: Any, kind: str) -> None:
    consumer: Any = type("Consumer", (base,), {"groups": []})
    client = ApplicationCommunicator(consumer.as_asgi(), {"type": "websocket"})
    await client.send_input({"type": kind})
    with pytest.raises(ValueError, match="type"):
        await client.wait()


# -- threads --------------------------------------------------------------------------------------------


async def test_a_cancelled_sync_consumer_waits_for_its_thread_and_cleans_up(layer: Any) -> None:
    log: list[Any] = []
    begun, go = threading.Event(), threading.Event()

    class Blocks(LoggedSync):
        def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            begun.set()
            assert go.wait(10)
            log.append("receive ended")

        def disconnect(self, code: int) -> None:
            log.append(code)

    client = await opened(Blocks)
    await client.receive_from()
    await client.send_to(text_data="x")
    await asyncio.to_thread(begun.wait, 10)
    client.future.cancel()
    await others()
    assert not client.future.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await client.future
    assert log == ["receive ended", 1006]
    assert members(layer, "all") == 0


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_a_group_that_cannot_be_left_keeps_it_in_no_other(base: Any, layer: Any) -> None:
    class Consumer(base):  # type: ignore[misc]
        groups = ["first", "second"]

        def __init__(self) -> None:
            super().__init__()
            left.append(self)

    left: list[Any] = []
    client = await opened(Consumer)
    assert members(layer, "second") == 1
    left[0].groups = ["first", "this is no name", "second"]
    with pytest.raises(TypeError):
        await client.disconnect()
    assert members(layer, "first") == members(layer, "second") == 0
