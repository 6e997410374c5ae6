"""Topics of chanx 2.x while handlers are suspended, and on channel layers of other people."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, Literal

import pytest

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import event_handler, ws_handler
from chanx.core.topic import Topic
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import PONG, Client, opened
from tests.compat.test_other_layers import layer, redis_url  # noqa: F401 - fixtures

pytestmark = pytest.mark.anyio


class Do(BaseMessage):
    action: Literal["do"] = "do"
    payload: str


class Done(BaseMessage):
    action: Literal["done"] = "done"
    payload: str


class Happened(BaseMessage):
    action: Literal["happened"] = "happened"
    payload: str


class Gates:
    """What the test lets happen, and what has happened."""

    def __init__(self) -> None:
        self.open: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.log: list[str] = []

    async def through(self, name: str) -> None:
        self.log.append(name)
        self.reached[name].set()
        await self.open[name].wait()


gates = Gates()


class Run(Topic):
    pattern = "run:{id}"

    async def authorize(self, id: str) -> bool:
        if id.startswith("slow"):
            await gates.through(f"authorize {id}")
        return not id.endswith("no")

    async def on_subscribe(self, id: str) -> None:
        gates.log.append(f"on {id}")

    async def on_unsubscribe(self, id: str) -> None:
        if id == "ending":
            await gates.through("off ending")
        else:
            gates.log.append(f"off {id}")

    @ws_handler
    async def do(self, message: Do) -> Done:
        if message.payload != "now":
            await gates.through(message.payload)
        if message.payload == "fails":
            raise LookupError("a secret")
        await self.send_message(Done(payload="while"))
        return Done(payload=message.payload)

    @event_handler
    async def happened(self, event: Happened) -> Happened:
        return event


class Hub(AsyncJsonWebsocketConsumer):
    topics = [Run]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


@pytest.fixture(autouse=True)
def _begin() -> None:
    gates.__init__()  # type: ignore[misc]
    register_channel_layer("default", InMemoryChannelLayer())


def frame(action: str, name: str, payload: Any = None, **more: Any) -> dict[str, Any]:
    return {"action": action, "payload": payload, "version": 1, "topic": name, **more}


async def tell(client: Client, action: str, name: str, payload: Any = None, **more: Any) -> None:
    await client.tell({"action": action, "topic": name, "payload": payload, **more})


async def subscribed(client: Client, name: str) -> None:
    await tell(client, "subscribe", name)
    assert await client.got() == frame("subscribed", name)


async def test_messages_wait_until_the_subscription_has_begun() -> None:
    client = await opened(Hub)
    await tell(client, "subscribe", "run:slow", ref=1)
    await tell(client, "subscribe", "run:slow", ref=2)
    await tell(client, "do", "run:slow", "now", ref=3)
    await tell(client, "unsubscribe", "run:slow", ref=4)
    await gates.reached["authorize slow"].wait()
    assert await client.ask({"action": "ping"}) == PONG
    gates.open["authorize slow"].set()
    answers = [((one := await client.got())["action"], one["ref"]) for _ in range(5)]
    assert answers == [("subscribed", 1), ("subscribed", 2), ("done", 3), ("error", 3), ("unsubscribed", 4)]
    await client.disconnect()
    assert gates.log == ["authorize slow", "on slow", "off slow"]


async def test_all_that_waits_is_refused_with_the_subscription() -> None:
    client = await opened(Hub)
    await tell(client, "subscribe", "run:slow-no", ref=1)
    await tell(client, "subscribe", "run:slow-no", ref=2)
    await tell(client, "do", "run:slow-no", "now", ref=3)
    gates.open["authorize slow-no"].set()
    got = {(one := await client.got())["ref"]: one["payload"]["reason"] for _ in range(3)}
    assert got == {1: "unauthorized", 2: "unauthorized", 3: "not_subscribed"}
    await client.disconnect()


async def test_a_subscription_ends_while_its_handler_goes_on() -> None:
    client = await opened(Hub)
    await subscribed(client, "run:1")
    for ref, name in enumerate(("waits", "fails"), 1):
        await tell(client, "do", "run:1", name, ref=ref)
        await gates.reached[name].wait()
    await tell(client, "unsubscribe", "run:1", ref=3)
    ended = {"reason": "not_subscribed", "detail": "the subscription ended before this was answered"}
    for ref in (1, 2):
        assert await client.got() == frame("error", "run:1", ended, ref=ref)
    assert await client.got() == frame("unsubscribed", "run:1", ref=3)
    await Run.broadcast("run:1", Happened(payload="too late"))
    assert "off 1" not in gates.log
    await tell(client, "subscribe", "run:1")  # it begins when nothing is left of the one before
    assert await client.ask({"action": "ping"}) == PONG
    gates.open["fails"].set()
    assert await client.ask({"action": "ping"}) == PONG
    assert "off 1" not in gates.log
    gates.open["waits"].set()
    assert await client.got() == frame("subscribed", "run:1")  # nothing of the first came after its end
    assert gates.log[-2:] == ["off 1", "on 1"]
    await client.disconnect()
    assert gates.log[-1] == "off 1"


async def test_a_subscription_begins_when_the_one_before_has_ended_altogether() -> None:
    client = await opened(Hub)
    await subscribed(client, "run:ending")
    await tell(client, "unsubscribe", "run:ending")
    assert await client.got() == frame("unsubscribed", "run:ending")
    await tell(client, "subscribe", "run:ending")
    await gates.reached["off ending"].wait()
    assert await client.ask({"action": "ping"}) == PONG
    assert gates.log == ["on ending", "off ending"]
    gates.open["off ending"].set()
    assert await client.got() == frame("subscribed", "run:ending")
    await client.disconnect()
    assert gates.log == ["on ending", "off ending", "on ending", "off ending"]


async def test_other_topics_and_events_go_on_beside_a_slow_handler() -> None:
    client = await opened(Hub)
    await subscribed(client, "run:1")
    await subscribed(client, "run:2")
    await tell(client, "do", "run:1", "waits", ref=1)
    await gates.reached["waits"].wait()
    await tell(client, "do", "run:2", "now", ref=2)
    assert [await client.got(), await client.got()] == [
        frame("done", "run:2", "while", ref=2),
        frame("done", "run:2", "now", ref=2),
    ]
    for name in ("run:1", "run:2"):
        await Run.broadcast(name, Happened(payload="x"), seq=5)
        assert await client.got() == frame("happened", name, "x", seq=5)
    gates.open["waits"].set()
    assert await client.got() == frame("done", "run:1", "while", ref=1)  # with its own reference after all of that
    assert await client.got() == frame("done", "run:1", "waits", ref=1)
    await client.disconnect()


async def test_a_client_that_leaves_in_between() -> None:
    client = await opened(Hub)
    await subscribed(client, "run:1")
    await tell(client, "do", "run:1", "waits")
    await tell(client, "subscribe", "run:slow")
    await gates.reached["authorize slow"].wait()
    await client.send_input({"type": "websocket.disconnect", "code": 1001})
    for name in ("waits", "authorize slow"):
        gates.open[name].set()
    await client.wait()
    assert gates.log[:4] == ["on 1", "waits", "authorize slow", "on slow"]
    assert sorted(gates.log[4:]) == ["off 1", "off slow"]


async def test_a_handler_may_send_for_its_topic_later_and_to_none_that_has_ended() -> None:
    kept: list[Run] = []

    class Kept(Run):
        pattern = "kept:{id}"

        async def on_subscribe(self, id: str) -> None:
            kept.append(self)

    class Keeping(Hub):
        topics = [Kept]

    client = await opened(Keeping)
    await subscribed(client, "kept:1")
    await kept[0].send_message(Done(payload="by itself"))
    assert await client.got() == frame("done", "kept:1", "by itself")
    await kept[0].unsubscribe()
    assert await client.got() == frame("unsubscribed", "kept:1")
    await kept[0].unsubscribe()
    await kept[0].send_message(Done(payload="too late"))
    assert await client.ask({"action": "ping"}) == PONG
    await client.disconnect()


async def test_any_channel_layer(layer: Any) -> None:  # noqa: F811
    one, other = await opened(Hub), await opened(Hub)
    for client in (one, other):
        await subscribed(client, "run:é 1")
    await Run.broadcast("run:é 1", Happened(payload="x"), seq=1)
    for client in (one, other):
        assert await client.got() == frame("happened", "run:é 1", "x", seq=1)
    await one.ask({"action": "unsubscribe", "topic": "run:é 1"})
    await Run.broadcast("run:é 1", Happened(payload="y"))
    assert await other.got() == frame("happened", "run:é 1", "y")
    assert await one.ask({"action": "ping"}) == PONG
    for client in (one, other):
        await client.disconnect()
