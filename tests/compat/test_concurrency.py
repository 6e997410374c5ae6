"""Messages of one connection are handled at the same time, and no more of them than the class says."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, Literal

import channels.layers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chanx.channels.exceptions import StopConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.compat import leaving, pump
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.decorators import event_handler, ws_handler
from chanx.exceptions import ConfigurationError
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.client import PONG, error
from tests.compat.test_leaving import SOON, Line, until

pytestmark = pytest.mark.anyio

variable: ContextVar[str] = ContextVar("variable", default="")


class Do(BaseMessage):
    action: Literal["do"] = "do"
    payload: str


class Done(BaseMessage):
    action: Literal["done"] = "done"
    payload: str


class Happened(BaseMessage):
    action: Literal["happened"] = "happened"
    payload: str


class Peer(Line):
    """A client that remembers the frames it has got, as text and in order."""

    def __init__(self, consumer: Any, *names: str) -> None:
        self.frames: list[Any] = []
        self.consumer = consumer
        super().__init__(consumer)
        self.do(*names)

    def do(self, *names: str, more: str = "") -> None:
        self.say(*(f'{{"action": "do", "payload": "{name}"{more}}}' for name in names))

    def ping(self) -> None:
        self.say('{"action": "ping"}')

    async def send(self, event: Any) -> None:
        if event["type"] == "websocket.send":
            self.frames.append(json.loads(event["text"]))
        await super().send(event)

    async def settled(self) -> None:
        """Nothing more happens by itself."""
        for _ in range(20):
            await asyncio.sleep(0)


def done(name: str) -> dict[str, Any]:
    return {"action": "done", "payload": name}


class Crowd(AsyncJsonWebsocketConsumer[Happened]):
    """Each message and each event is done when the test says so."""

    groups = ["all"]
    log: list[Any]
    gates: dict[str, asyncio.Future[type[Exception] | None]]
    most = running = 0

    async def work(self, name: str) -> None:
        kind = type(self)
        kind.running += 1
        kind.most = max(kind.most, kind.running)
        kind.log.append(name)
        try:
            if (failure := await kind.gate(name)) is not None:
                raise failure  # a new one, which nobody keeps
        except asyncio.CancelledError:
            kind.log.append(f"{name} cancelled")
            raise
        finally:
            kind.running -= 1

    @classmethod
    def gate(cls, name: str) -> asyncio.Future[type[Exception] | None]:
        return cls.gates.setdefault(name, asyncio.get_running_loop().create_future())

    @classmethod
    def open(cls, *names: str) -> None:
        for name in names:
            cls.gate(name).set_result(None)

    @ws_handler
    async def handle_do(self, message: Do) -> Done:
        await self.work(message.payload)
        return Done(payload=message.payload)

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @event_handler
    async def handle_happened(self, event: Happened) -> Done:
        await self.work(event.payload)
        return Done(payload=event.payload)

    async def disconnect(self, code: int) -> None:
        type(self).log.append((code, type(self).running))


def crowd(base: Any = Crowd, **attributes: Any) -> Any:
    return type("Consumer", (base,), {"log": [], "gates": {}, **attributes})


@pytest.fixture(params=["ours", "theirs"])
def layer(request: pytest.FixtureRequest) -> Any:
    layer: Any = InMemoryChannelLayer() if request.param == "ours" else channels.layers.InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


@pytest.fixture
def ours() -> InMemoryChannelLayer:
    layer = InMemoryChannelLayer()
    register_channel_layer("default", layer)
    return layer


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "LINGER", SOON)


@pytest.fixture
async def over() -> AsyncIterator[list[Peer]]:
    """Peers that have to end by themselves when they have left."""
    peers: list[Peer] = []
    yield peers
    for peer in peers:
        peer.leave()
        await peer.over()


# -- how many, and in which order -----------------------------------------------------------------------


async def test_a_message_that_waits_does_not_hold_up_others(ours: Any, over: list[Peer]) -> None:
    consumer = crowd()
    peer = Peer(consumer, "a")
    over.append(peer)
    peer.ping()
    await until(lambda: peer.frames == [PONG])
    consumer.open("a")
    await until(lambda: peer.frames == [PONG, done("a")])


async def test_one_that_lets_others_run_again_and_again_holds_nobody_up(ours: Any, over: list[Peer]) -> None:
    class Restless(Crowd):
        @ws_handler
        async def handle_do(self, message: Do) -> Done:
            while not self.gate(message.payload).done():  # noqa: ASYNC110 - what it is about
                await asyncio.sleep(0)
            return Done(payload=message.payload)

    consumer = crowd(Restless)
    peer = Peer(consumer, "a")
    over.append(peer)
    peer.ping()
    await until(lambda: peer.frames == [PONG])
    consumer.open("a")


async def test_so_many_and_no_more_are_handled_at_once_and_begin_in_order(ours: Any, over: list[Peer]) -> None:
    consumer = crowd(concurrency=3)
    peer = Peer(consumer, *"abcdefg")
    over.append(peer)
    await until(lambda: consumer.log == [*"abc"])
    await peer.settled()
    assert consumer.log == [*"abc"]
    consumer.open("b")
    await until(lambda: consumer.log == [*"abcd"])
    consumer.open("d", "c")
    await until(lambda: consumer.log == [*"abcdef"])
    consumer.open("a", "e", "f", "g")
    await until(lambda: len(peer.frames) == 7)
    assert consumer.log == [*"abcdefg"]
    assert consumer.most == 3
    assert sorted(one["payload"] for one in peer.frames) == [*"abcdefg"]


async def test_sixteen_unless_the_class_says_otherwise(ours: Any, over: list[Peer]) -> None:
    names = [str(number) for number in range(20)]
    consumer = crowd()
    peer = Peer(consumer, *names)
    over.append(peer)
    await until(lambda: len(consumer.log) == 16)
    await peer.settled()
    assert consumer.log == names[:16]
    consumer.open(*names)


async def test_one_at_a_time(ours: Any, over: list[Peer]) -> None:
    consumer = crowd(concurrency=1)
    peer = Peer(consumer, *"abc")
    over.append(peer)
    consumer.open(*"abc")
    await until(lambda: len(peer.frames) == 3)
    assert consumer.most == 1
    assert peer.frames == [done("a"), done("b"), done("c")]


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "2", None])
def test_a_wrong_number_is_told_where_the_class_is_made(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Consumer\.concurrency is .*1 or more"):
        crowd(concurrency=wrong)


async def test_a_wrong_number_of_an_instance_is_told_too(ours: Any) -> None:
    def init(self: Any) -> None:
        Crowd.__init__(self)
        self.concurrency = 0

    with pytest.raises(ConfigurationError, match="concurrency is 0"):
        await Peer(crowd(__init__=init)).task


async def test_what_is_too_much_is_not_read_until_there_is_room(ours: Any, over: list[Peer]) -> None:
    names = [str(number) for number in range(200)]
    consumer = crowd(concurrency=2)
    peer = Peer(consumer, *names)
    over.append(peer)
    await until(lambda: peer.events.qsize() == 200 - 2 - 64)
    await peer.settled()
    assert peer.events.qsize() == 200 - 2 - 64
    consumer.open("0")
    await until(lambda: peer.events.qsize() == 200 - 3 - 64)
    await peer.settled()
    assert peer.events.qsize() == 200 - 3 - 64
    consumer.open(*names[1:])
    await until(lambda: len(peer.frames) == 200)
    assert consumer.log == names
    assert consumer.most == 2


async def test_nor_more_than_a_mebibyte(ours: Any, over: list[Peer]) -> None:
    consumer = crowd(concurrency=1)
    peer = Peer(consumer)
    over.append(peer)
    peer.do(*"abcdefg", more=f', "x": "{"x" * 400_000}"')
    await until(lambda: peer.events.qsize() == 7 - 1 - 3)
    await peer.settled()
    assert peer.events.qsize() == 7 - 1 - 3
    consumer.open(*"abcdefg")
    await until(lambda: len(peer.frames) == 7)


# -- beside what comes from the channel layer -----------------------------------------------------------


async def test_an_event_that_waits_does_not_hold_up_messages(layer: Any, over: list[Peer]) -> None:
    consumer = crowd()
    peer = Peer(consumer)
    over.append(peer)
    peer.ping()
    await until(lambda: peer.frames == [PONG])
    await consumer.broadcast_event(Happened(payload="e"))
    await until(lambda: consumer.log == ["e"])
    peer.do("a")
    peer.ping()
    await until(lambda: peer.frames == [PONG, PONG])
    assert consumer.log == ["e", "a"]
    consumer.open("e", "a")


async def test_messages_that_wait_do_not_hold_up_events_which_come_one_at_a_time(layer: Any, over: list[Peer]) -> None:
    consumer = crowd(concurrency=1)
    peer = Peer(consumer, "a", "b")
    over.append(peer)
    await until(lambda: consumer.log == ["a"])
    for name in ("e", "f"):
        await consumer.broadcast_event(Happened(payload=name))
    await until(lambda: consumer.log == ["a", "e"])
    await peer.settled()
    assert consumer.log == ["a", "e"]
    consumer.open("e")
    await until(lambda: consumer.log == ["a", "e", "f"])
    assert peer.frames == [done("e")]
    consumer.open("a", "b", "f")


# -- before the client is let in ------------------------------------------------------------------------


class Door(BaseAuthenticator):
    gate: asyncio.Event
    verdict = True

    async def authenticate(self, scope: Any) -> bool:
        await self.gate.wait()
        return self.verdict


def guarded(**attributes: Any) -> Any:
    door = type("Authenticator", (Door,), {"gate": asyncio.Event(), **attributes})
    return crowd(authenticator_class=door)


async def test_frames_and_events_wait_until_the_client_is_let_in(layer: Any, over: list[Peer]) -> None:
    class Late(Crowd):
        async def post_authentication(self) -> None:
            await self.gate("post")
            type(self).log.append("post")

    consumer = crowd(Late, concurrency=2)
    peer = Peer(consumer, *"abc")
    over.append(peer)
    await until(peer.events.empty)
    await until(lambda: "post" in consumer.gates)
    await consumer.broadcast_event(Happened(payload="e"))
    await peer.settled()
    assert consumer.log == []
    consumer.open("post")
    await until(lambda: len(consumer.log) == 4)
    assert [one for one in consumer.log if one != "e"] == ["post", "a", "b"]
    consumer.open(*"abce")
    await until(lambda: len(peer.frames) == 4)


async def test_frames_of_a_client_that_is_not_let_in_are_never_handled(ours: Any) -> None:
    consumer = guarded(verdict=False)
    peer = Peer(consumer, "a", "b")
    await until(peer.events.empty)
    consumer.authenticator_class.gate.set()
    await peer.settled()
    peer.do("c")
    peer.leave()
    await peer.over()
    assert consumer.log == [(4001, 0)]
    assert peer.frames == []


async def test_a_client_that_leaves_before_it_is_let_in_is_noticed(ours: Any, soon: None) -> None:
    consumer = guarded()
    peer = Peer(consumer, "a")
    await until(peer.events.empty)
    peer.leave()
    await peer.over()  # nobody ever opens the door
    assert consumer.log == [(4001, 0)]


# -- how it ends ----------------------------------------------------------------------------------------


async def test_a_client_that_leaves_is_in_no_group_and_what_it_had_sent_is_handled(ours: Any) -> None:
    consumer = crowd(concurrency=2)
    peer = Peer(consumer, *"abc")
    await until(lambda: consumer.log == ["a", "b"])
    assert ours.group_layer.members.count("all") == 1
    peer.leave()
    await until(lambda: ours.group_layer.members.count("all") == 0)
    await peer.settled()
    assert consumer.log == ["a", "b"]
    consumer.open("b")
    await until(lambda: consumer.log == ["a", "b", "c"])
    consumer.open("a")
    await peer.settled()
    assert consumer.log == ["a", "b", "c"]
    consumer.open("c")
    await peer.over()
    assert consumer.log == ["a", "b", "c", (4001, 0)]


async def test_what_takes_too_long_after_that_is_cancelled(layer: Any, soon: None) -> None:
    consumer = crowd(concurrency=2)
    peer = Peer(consumer, *"abc")
    await until(lambda: consumer.log == ["a", "b"])
    await consumer.broadcast_event(Happened(payload="e"))
    await until(lambda: consumer.log == ["a", "b", "e"])
    peer.leave()
    await peer.over()
    assert sorted(consumer.log[3:-1]) == ["a cancelled", "b cancelled", "e cancelled"]
    assert consumer.log[-1] == (4001, 0)


async def test_a_handler_may_catch_its_cancellation_for_a_while(ours: Any, soon: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(leaving, "AGAIN", SOON)

    class Stubborn(Crowd):
        async def work(self, name: str) -> None:
            for _ in range(3):
                try:
                    await super().work(name)
                except asyncio.CancelledError:
                    self.gates.clear()

    consumer = crowd(Stubborn)
    peer = Peer(consumer, *"ab")
    await until(lambda: consumer.log == ["a", "b"])
    peer.leave()
    await peer.over()
    assert consumer.log.count("a cancelled") == consumer.log.count("b cancelled") == 3
    assert consumer.log[-1] == (4001, 0)


async def test_a_disconnect_has_an_end(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "CLEANUP", SOON)

    async def disconnect(self: Any, code: int) -> None:
        self.log.append(code)
        await asyncio.Event().wait()

    consumer = crowd(disconnect=disconnect)
    peer = Peer(consumer)
    peer.leave()
    await peer.over()
    assert consumer.log == [4001]


@pytest.mark.parametrize("first", [0, 1], ids=["leads", "helps"])
async def test_the_server_may_cancel(layer: Any, first: int) -> None:
    consumer = crowd()
    peer = Peer(consumer, *"abc")
    await until(lambda: consumer.log == ["a", "b", "c"])
    if first:
        consumer.open("a")  # the server's task waits from then on
        await until(lambda: peer.frames == [done("a")])
    peer.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await peer.task
    assert sorted(consumer.log[3:-1]) == [f"{name} cancelled" for name in "abc"[first:]]
    assert consumer.log[-1] == (1006, 0)


@pytest.mark.parametrize("name", ["a", "b"])
async def test_an_exception_of_one_handler_is_its_own(ours: Any, over: list[Peer], name: str) -> None:
    consumer = crowd()
    peer = Peer(consumer, "a", "b", "c")
    over.append(peer)
    await until(lambda: len(consumer.log) == 3)
    consumer.gate(name).set_result(LookupError)
    await until(lambda: peer.frames == [error({"detail": "Failed to process message for do"})])
    consumer.gate("c").cancel()  # what it awaits, and not the handler
    await until(lambda: len(peer.frames) == 2)
    assert peer.frames[0] == peer.frames[1]
    rest = "b" if name == "a" else "a"
    consumer.open(rest)
    await until(lambda: peer.frames[2:] == [done(rest)])


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_handler_may_stop_the_consumer(ours: Any, name: str) -> None:
    consumer = crowd()
    peer = Peer(consumer, "a", "b")
    await until(lambda: consumer.log == ["a", "b"])
    consumer.gate(name).set_result(StopConsumer)
    await peer.over()
    assert consumer.log == ["a", "b", "b cancelled" if name == "a" else "a cancelled"]
    assert ours.group_layer.members.count("all") == 0


async def test_a_handler_may_close_while_others_run(ours: Any) -> None:
    class Closing(Crowd):
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> Any:
            await self.close(4000)

    consumer = crowd(Closing)
    peer = Peer(consumer, "a", "b")
    peer.ping()
    await until(lambda: consumer.log == ["a", "b"])
    await peer.settled()
    consumer.open("a")
    peer.leave(4000)
    consumer.open("b")
    await peer.over()
    assert peer.frames == []  # what is sent after the close is dropped
    assert consumer.log == ["a", "b", (4000, 0)]


async def test_a_server_that_cannot_be_read_from_ends_the_consumer(ours: Any) -> None:
    consumer = crowd()
    peer = Peer(consumer, "a", "b")
    await until(lambda: consumer.log == ["a", "b"])
    peer.events.put_nowait({"type": "chanx.unknown"})
    with pytest.raises(ValueError, match="chanx_unknown"):
        await peer.task
    assert sorted(consumer.log[2:-1]) == ["a cancelled", "b cancelled"]
    assert consumer.log[-1] == (1011, 0)


async def test_clients_that_are_lost_while_several_send(ours: Any) -> None:
    class Tidy(Crowd):
        async def work(self, name: str) -> None:
            await super().work(name)
            try:
                await self.send_json({})
            finally:
                await asyncio.sleep(0)  # the other one fails meanwhile

    consumer = crowd(Tidy)
    peer = Peer(consumer, "a", "b")

    async def lost(event: Any) -> None:
        raise ConnectionResetError

    await until(lambda: consumer.log == ["a", "b"])
    peer.send = lost  # type: ignore[method-assign]
    peer.leave()
    consumer.open("a", "b")
    await peer.over()
    assert consumer.log == ["a", "b", (4001, 0)]


async def test_nothing_of_it_waits_for_the_collector_of_garbage(ours: Any) -> None:
    alive: list[weakref.ref[Any]] = []

    class Kept(Crowd):
        async def post_authentication(self) -> None:
            alive.append(weakref.ref(self))

    consumer = crowd(Kept)
    gc.collect()
    gc.disable()
    try:
        peer = Peer(consumer, *"abc")
        await until(lambda: consumer.log == [*"abc"])
        consumer.open(*"abc")
        await until(lambda: len(peer.frames) == 3)
        peer.leave()
        await peer.over()
        peer.task = asyncio.ensure_future(asyncio.sleep(0))
        await peer.settled()
        assert alive[0]() is None
    finally:
        gc.enable()


# -- what handlers share, and what not ------------------------------------------------------------------


async def test_answers_know_which_frame_they_answer(ours: Any, over: list[Peer]) -> None:
    consumer = crowd()
    peer = Peer(consumer)
    over.append(peer)
    peer.do("a", more=', "ref": 1')
    peer.do("b", more=', "ref": 2')
    peer.do("c")
    await until(lambda: consumer.log == [*"abc"])
    await consumer.broadcast_event(Happened(payload="e"))
    consumer.open(*"ecba")
    await until(lambda: len(peer.frames) == 4)
    assert sorted((one["payload"], one.get("ref")) for one in peer.frames if one["payload"] in "ab") == [
        ("a", 1),
        ("b", 2),
    ]
    assert done("c") in peer.frames
    assert done("e") in peer.frames


async def test_each_handler_has_its_own_context_variables(ours: Any, over: list[Peer]) -> None:
    class Sets(Crowd):
        async def connect(self) -> None:
            variable.set("connected")
            await self.accept()

        async def work(self, name: str) -> None:
            before = variable.get()
            variable.set(name)
            await super().work(name)
            self.log.append((before, variable.get()))

    consumer = crowd(Sets)
    peer = Peer(consumer, "a", "b")
    over.append(peer)
    await until(lambda: consumer.log == ["a", "b"])
    consumer.open("a", "b", "c")
    await until(lambda: len(consumer.log) == 4)
    peer.do("c")
    await until(lambda: len(consumer.log) == 6)
    assert consumer.log == ["a", "b", ("connected", "a"), ("connected", "b"), "c", ("connected", "c")]


async def test_the_server_is_given_one_frame_at_a_time(ours: Any) -> None:
    consumer = crowd()
    peer = Peer(consumer)
    sending: list[str] = []
    gate = asyncio.Event()

    async def send(event: Any) -> None:
        sending.append(event["type"])
        if event["type"] == "websocket.send":
            await gate.wait()
            assert len(sending) == len(peer.frames) + 2
            peer.frames.append(event["text"])

    peer.task.cancel()
    task = asyncio.ensure_future(consumer.as_asgi()({"type": "websocket", "headers": []}, peer.events.get, send))
    peer.events.put_nowait({"type": "websocket.connect"})
    peer.do("a", "b", "c")
    await until(lambda: consumer.log == [*"abc"])
    consumer.open("b")
    await peer.settled()
    consumer.open("c", "a")
    await peer.settled()
    assert sending == ["websocket.accept", "websocket.send"]
    gate.set()
    await until(lambda: len(peer.frames) == 3)
    assert [text[-3:-1] for text in peer.frames] == ['b"', 'c"', 'a"']
    peer.leave()
    await task


# -- a random walk --------------------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.just("say"), st.integers(1, 5)),
    st.tuples(st.just("open"), st.integers(0, 9)),
    st.tuples(st.just("fail"), st.integers(0, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("ready"), st.integers(1, 3)),
    st.tuples(st.just("event"), st.just(1)),
    st.tuples(st.just("rest"), st.integers(0, 3)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.integers(1, 4), st.lists(STEPS, max_size=40), st.booleans())
def test_a_walk_against_a_model(concurrency: int, steps: list[tuple[str, int]], leave: bool) -> None:
    asyncio.run(walk(concurrency, steps, leave))


async def walk(concurrency: int, steps: list[tuple[str, int]], leave: bool) -> None:
    """The model: who has been sent, of whom as many as may be are under way, the first ones that are not over."""
    register_channel_layer("default", InMemoryChannelLayer())
    consumer = crowd(concurrency=concurrency, handle_message_handler_error=lambda *_: asyncio.sleep(0))
    peer = Peer(consumer)
    sent: list[str] = []
    events: list[str] = []
    ready: set[str] = set()  # those that may end as soon as they have begun
    ended: set[str] = set()

    async def look() -> list[str]:
        await until(lambda: messages() == begun())
        await peer.settled()
        assert messages() == begun()
        return [name for name in begun() if name not in ended]

    def messages() -> list[str]:
        return [name for name in consumer.log if name in sent]

    def begun() -> list[str]:
        under_way = 0
        found: list[str] = []
        for name in sent:
            if under_way == concurrency:
                break
            found.append(name)
            if name in ready:
                ended.add(name)
            under_way += name not in ended
        return found

    for step, number in steps:
        match step:
            case "say" | "ready":
                names = [str(len(sent) + one) for one in range(number)]
                if step == "ready":
                    ready.update(names)
                    consumer.open(*names)
                sent += names
                peer.do(*names)
            case "event":
                if not consumer.log:  # maybe it is not in its group yet
                    continue
                events.append(f"event {len(events)}")
                consumer.open(events[-1])
                await consumer.broadcast_event(Happened(payload=events[-1]))
            case "rest":
                for _ in range(number):
                    await asyncio.sleep(0)
            case _:
                under_way = await look()
                if under_way:
                    name = under_way[number % len(under_way)]
                    ended.add(name)
                    gate = consumer.gate(name)
                    if step == "open":
                        gate.set_result(None)
                    elif step == "fail":
                        gate.set_result(LookupError)
                    else:
                        gate.cancel()
    await look()
    if leave:
        peer.leave()
    for name in sent:
        if name not in ended and not (gate := consumer.gate(name)).done():
            gate.set_result(None)
    ended.update(sent)
    if not leave:
        await look()
        peer.leave()
    await peer.over()
    assert messages() == sent
    assert [name for name in consumer.log if name in events] == events
    assert consumer.log[-1] == (4001, 0)
    assert consumer.most <= concurrency + 1  # and an event
