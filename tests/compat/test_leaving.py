"""Clients that leave while their consumer is busy, on a server that takes what is sent to nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import channels.layers
import pytest

from chanx.channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.compat import leaving, pump, threads

pytestmark = pytest.mark.anyio

SOON = 0.01  # seconds; in place of those that nobody wants to wait for


@pytest.fixture(params=["ours", "theirs"])
def layer(request: pytest.FixtureRequest) -> Any:
    layer: Any = InMemoryChannelLayer() if request.param == "ours" else channels.layers.InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "LINGER", SOON)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - conditions of all kinds
            await asyncio.sleep(0.001)


class Line:
    """A client, and a server that never says on sending that the client has left."""

    def __init__(self, consumer: Any, *texts: str) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.sent = 0
        self.events.put_nowait({"type": "websocket.connect"})
        self.say(*texts)
        scope = {"type": "websocket", "path": "/", "headers": []}
        self.task = asyncio.ensure_future(consumer.as_asgi()(scope, self.events.get, self.send))

    def say(self, *texts: str) -> None:
        for text in texts:
            self.events.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self, code: int = 4001) -> None:
        self.events.put_nowait({"type": "websocket.disconnect", "code": code})

    async def send(self, event: Any) -> None:
        self.sent += event["type"] == "websocket.send"
        await asyncio.sleep(0)

    async def over(self) -> None:
        async with asyncio.timeout(10):
            await self.task
        assert self.task.cancelling() == 0
        left = {one for one in asyncio.all_tasks() if "chanx" in str(one.get_coro())}
        assert not left


class Busy(AsyncWebsocketConsumer):
    """Waits for `go`, whatever comes."""

    groups = ["all"]
    log: list[Any]
    go: asyncio.Event

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        await self.do({"what": text_data})

    async def do(self, event: Any) -> None:
        self.log.append(event["what"])
        try:
            await self.go.wait()
        finally:
            self.log.append("over")

    async def disconnect(self, code: int) -> None:
        self.log.append(code)


def busy(base: Any = Busy, **methods: Any) -> Any:
    return type("Consumer", (base,), {"log": [], "go": asyncio.Event(), **methods})


# -- in a handler of frames -----------------------------------------------------------------------------


async def test_a_handler_that_never_returns_is_cancelled_and_disconnect_runs_once(layer: Any, soon: None) -> None:
    consumer = busy()
    line = Line(consumer, "one", "two")
    await until(lambda: consumer.log)
    line.leave()
    await line.over()
    assert consumer.log == ["one", "over", 4001]  # the rest is dropped


async def test_its_groups_are_left_at_once() -> None:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    consumer = busy()
    line = Line(consumer, "one")
    await until(lambda: consumer.log)
    assert layer.group_layer.members.count("all") == 1
    line.leave()
    await until(lambda: layer.group_layer.members.count("all") == 0)
    assert consumer.log == ["one"]
    consumer.go.set()
    await line.over()
    assert consumer.log == ["one", "over", 4001]


async def test_what_the_client_had_sent_before_is_handled(layer: Any) -> None:
    consumer = busy()
    line = Line(consumer, "one", "two", "three")
    await until(lambda: consumer.log)
    line.leave()
    await until(line.events.empty)  # so it has been read ahead
    consumer.go.set()
    await line.over()
    assert consumer.log == ["one", "over", "two", "over", "three", "over", 4001]


async def test_so_much_is_read_ahead_and_not_more_and_nothing_is_lost(layer: Any) -> None:
    texts = [str(number) for number in range(200)]
    consumer = busy()
    line = Line(consumer, *texts)
    await until(lambda: line.events.qsize() == 200 - 1 - 64)
    for _ in range(5):
        await asyncio.sleep(0)
    assert line.events.qsize() == 200 - 1 - 64
    consumer.go.set()
    line.leave()
    await line.over()
    assert [one for one in consumer.log if one != "over"] == [*texts, 4001]


async def test_a_reader_hands_back_when_the_handler_has_ended(layer: Any) -> None:
    consumer = busy()
    line = Line(consumer, "one")
    await until(lambda: line.events._getters)  # type: ignore[attr-defined]  # it is read ahead
    consumer.go.set()
    await until(lambda: consumer.log == ["one", "over"])
    line.say("two")
    await until(lambda: consumer.log[2:] == ["two", "over"])
    consumer.go.clear()
    line.say("three", "four")
    await until(line.events.empty)
    consumer.go.set()
    line.leave()
    await line.over()
    assert consumer.log[4:] == ["three", "over", "four", "over", 4001]


async def test_a_handler_may_catch_its_cancellation_once(layer: Any, soon: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(leaving, "AGAIN", SOON)

    async def do(self: Any, event: Any) -> None:
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.log.append("caught")

    consumer = busy(do=do)
    line = Line(consumer, "one")
    line.leave()
    await line.over()
    assert consumer.log == ["caught", "caught", "caught", 4001]


async def test_what_a_cancelled_handler_raises_is_raised_and_disconnect_runs(layer: Any, soon: None) -> None:
    async def do(self: Any, event: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("broken")

    consumer = busy(do=do)
    line = Line(consumer, "one")
    line.leave()
    with pytest.raises(LookupError):
        await line.over()
    assert consumer.log == [4001]


async def test_a_disconnect_after_that_has_an_end_too(layer: Any, soon: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(pump, "CLEANUP", SOON)

    async def disconnect(self: Any, code: int) -> None:
        self.log.append(code)
        await asyncio.Event().wait()

    consumer = busy(disconnect=disconnect)
    line = Line(consumer, "one")
    line.leave()
    await line.over()
    assert consumer.log == ["one", "over", 4001]


async def test_the_server_may_cancel_while_a_client_s_last_frames_are_handled(layer: Any) -> None:
    consumer = busy()
    line = Line(consumer, "one", "two")
    await until(lambda: consumer.log)
    line.leave()
    await until(line.events.empty)
    line.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await line.task
    assert consumer.log == ["one", "over", 4001]  # the client's own code


async def test_a_server_that_cannot_be_read_from_ends_a_busy_consumer(layer: Any) -> None:
    consumer = busy()
    line = Line(consumer, "one")
    task, get, broken = line.task, line.events.get, asyncio.Event()

    async def receive() -> Any:
        if line.events.empty():
            await broken.wait()
            raise ConnectionError("broken")
        return await get()

    task.cancel()
    task = asyncio.ensure_future(consumer.as_asgi()({"type": "websocket"}, receive, line.send))
    await until(lambda: consumer.log)
    broken.set()
    with pytest.raises(ConnectionError):
        await task
    assert consumer.log == ["one", "over", 1011]


# -- in a handler of the channel's messages -------------------------------------------------------------


async def test_a_handler_of_messages_that_never_returns_is_cancelled(layer: Any, soon: None) -> None:
    consumer = busy()
    line = Line(consumer)
    await until(line.events.empty)
    await layer.group_send("all", {"type": "do", "what": "one"})
    await until(lambda: consumer.log)
    line.leave()
    await line.over()
    assert consumer.log == ["one", "over", 4001]


async def test_a_frame_that_waits_for_such_a_handler_hides_no_client_that_leaves(layer: Any, soon: None) -> None:
    consumer = busy()
    line = Line(consumer)
    await until(line.events.empty)
    await layer.group_send("all", {"type": "do", "what": "one"})
    await until(lambda: consumer.log)
    line.say("two")
    line.leave()
    await line.over()
    assert consumer.log == ["one", "over", 4001]


# -- what is sent to nobody, and threads ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_handler_that_goes_on_sending_ends(layer: Any, kind: str) -> None:
    log: list[Any] = []

    class Async(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            try:
                while True:
                    await self.send(text_data="tick")
            finally:
                log.append("over")

        async def disconnect(self, code: int) -> None:
            await self.send(text_data="bye")
            log.append(code)

    class Sync(WebsocketConsumer):
        def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            try:
                while True:
                    self.send(text_data="tick")
            finally:
                log.append("over")

        def disconnect(self, code: int) -> None:
            self.send(text_data="bye")
            log.append(code)

    line = Line(Async if kind == "async" else Sync, "go", "on")
    await until(lambda: line.sent)
    line.leave()
    await line.over()
    assert log == ["over", "over", 4001]  # each had its try


async def test_a_thread_that_never_ends_holds_disconnect_up_for_a_while(
    layer: Any, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "PATIENCE", SOON)
    log: list[Any] = []
    go = threading.Event()

    class Stuck(WebsocketConsumer):
        def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            log.append(text_data)
            go.wait(30)

        def disconnect(self, code: int) -> None:
            log.append(code)

    line = Line(Stuck, "one", "two")
    try:
        await until(lambda: log)
        line.leave()
        await line.over()
        assert log == ["one", 4001]
    finally:
        go.set()
