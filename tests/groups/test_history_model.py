"""Histories against a model, in random walks that their seed repeats (CHANX_SEED runs that one alone).

Several publish, clients come, go, are too slow, and ask again from where they once stood; what is kept is trimmed,
expires, or is forgotten; the link to the broker is cut, and the broker restarted. Each client follows the rules of the
wire, and no others. In the end it stands where the group stands. On its way, each position was either a push, the same
for all who were given it, or told: as one that it is excluded from, or as lost, and that only where it cannot be had.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest
from anyio.abc import TaskGroup

from chanx import Channel, Context, History, LayerUnavailable, Limits, MemoryLayer
from chanx.groups.history import HistoryLayer
from chanx.testing import Client, Closed, Refused, connect
from tests import brokers, full
from tests.brokers import Broker
from tests.faults.conftest import impatient
from tests.groups.test_contract import LAYERS
from tests.kernel.messages import Said, Say

SIZE = 8
RULES = {"room": History(size=SIZE)}
CLIENTS, STEPS, PATIENCE = 3, 25, 30.0
POLICIES = ("close", "drop_oldest", "coalesce")
SEEDS = [int(os.environ["CHANX_SEED"])] if "CHANX_SEED" in os.environ else list(range(60 if full.FULL else 3))

Frame = dict[str, Any]
Place = tuple[str, int]


class Model:
    """What is known of the group.

    Attributes:
        texts: what was heard at each position, by anybody.
        excluded: who is left out of a text.
        losses: how often something was made unrecoverable.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.texts: dict[Place, str] = {}
        self.excluded: dict[str, str] = {}
        self.losses = 0
        self.numbers = itertools.count(1)


class Watcher:
    """A client that follows the rules of the wire.

    Attributes:
        place: where it stands; None before it has joined for the first time.
        past: where it has stood; it may come back there.
        hidden: the positions of which it is told that they are not for it.
        up: it is connected, and not about to leave.
    """

    def __init__(self, user: str, channel: Channel, model: Model) -> None:
        self.user = user
        self.channel = channel
        self.model = model
        self.place: Place | None = None
        self.past: list[Place] = []
        self.hidden: list[Place] = []
        self.up = False
        self._client: Client | None = None
        self._scope = anyio.CancelScope()
        self._moved = anyio.Event()
        self._missing = False
        self._joined: Frame | None = None
        self._asked = 0
        self._ref = itertools.count(1)

    async def come(self, tasks: TaskGroup) -> None:
        """Connect."""
        if not self.up:
            self.up, self._missing, self._joined = True, False, None
            await tasks.start(self._run)

    async def go(self) -> None:
        """Leave without a word."""
        self.up = False
        self._scope.cancel()

    async def rejoin(self) -> None:
        """Leave the group, and join it again."""
        if self.up and self._client is not None:
            with suppress(Closed):
                await self._client.send(Say(text=self.user))

    async def at(self, place: Place) -> None:
        """Wait until it stands there."""
        try:
            with anyio.fail_after(PATIENCE):
                while self.place != place:
                    await self._moved.wait()
        except TimeoutError:
            raise AssertionError(f"{self.user} stands at {self.place}, and the group at {place}") from None

    async def _run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        with anyio.CancelScope() as self._scope:
            task_status.started()
            query = {"user": self.user}
            with suppress(Closed, Refused):  # it was too slow, or the link broke while it joined
                async with connect(self.channel, query=query, timeout=PATIENCE, raise_app_exceptions=False) as client:
                    self._client = client
                    while True:
                        await self._heard(await client.receive())
        self.up = False

    async def _heard(self, frame: Frame) -> None:
        action, place = frame["action"], self.place
        assert "stream" in frame or action == "recovered", frame
        if action == "recovered":
            self._answered(frame["streams"]["s"])
            joined, self._joined = self._joined, None
            if joined is not None:
                await self._heard(joined)
        elif action == "joined" and self._missing:
            self._joined = frame  # it has left and joined meanwhile
        elif action == "joined":
            if place is None:
                self._stand(frame["epoch"], frame["seq"])
            elif place[0] != frame["epoch"] or place[1] < frame["seq"]:
                await self._ask()
        elif place is None:
            raise AssertionError(f"before joined: {frame}")
        elif frame.get("recovered") is False:
            if not self._missing and (place[0] != frame["epoch"] or place[1] < frame["seq"]):
                self._stand(frame["epoch"], frame["seq"])
        elif action == "position" and frame["seq"] == place[1]:
            self._stand(frame["epoch"], frame["seq"])
        elif frame["seq"] == place[1] + 1:
            self._stand(place[0], frame["seq"])
            if action == "position":
                self.hidden.append((place[0], frame["seq"]))
            else:
                self._said(frame["text"])
        elif frame["seq"] > place[1] and not self._missing:
            await self._ask()

    def _said(self, text: str) -> None:
        assert self.place is not None
        assert self.model.excluded.get(text) != self.user, f"{self.user} is excluded from {text}"
        if not self._missing:  # else it may be of another epoch, as the answer will say
            assert self.model.texts.setdefault(self.place, text) == text, f"two broadcasts at {self.place}"

    async def _ask(self) -> None:
        assert self._client is not None
        assert self.place is not None
        epoch, seq = self.place
        self._missing, self._asked = True, seq
        streams = {"s": {"seq": seq, "epoch": epoch}}
        with suppress(Closed):
            await self._client.send(json.dumps({"action": "recover", "streams": streams, "ref": next(self._ref)}))

    def _answered(self, answer: Frame) -> None:
        assert self.place is not None
        self._missing = False
        if "epoch" not in answer:  # it asked between leaving and joining again, of which `joined` will tell
            self.place = None
            return
        if answer["recovered"]:
            assert self.place[1] == answer["seq"], f"{self.user} recovered {answer}, and stands at {self.place}"
        else:
            few = answer["epoch"] == self.place[0] and 0 <= answer["seq"] - self._asked <= SIZE
            assert not few or self.model.losses, f"{self.user} lost what is kept: {answer}, from {self._asked}"
        self._stand(answer["epoch"], answer["seq"])

    def _stand(self, epoch: str, seq: int) -> None:
        self.place = epoch, seq
        self.past.append(self.place)
        self._moved.set()
        self._moved = anyio.Event()


class Walk:
    """One random walk."""

    def __init__(self, layer: Any, elsewhere: Any, broker: Broker | None, seed: int, tasks: TaskGroup) -> None:
        self.chance = random.Random(seed)
        self.model = Model(self.chance)
        self.layer, self.broker, self.tasks = layer, broker, tasks
        overflow = self.chance.choice(POLICIES)
        self.channel = served(layer, overflow)
        self.publishers = [self.channel, Channel("elsewhere", groups=elsewhere, history=RULES)]
        self.watchers = [Watcher(f"user {number}", self.channel, self.model) for number in range(CLIENTS)]

    async def run(self) -> None:
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (30, self.publish), (15, self.burst), (10, self.both), (15, self.come), (10, self.go), (6, self.rejoin),
            (6, self.back), (2, self.expire), (2, self.forget), (5, self.cut), (1, self.restart),
        ]  # fmt: skip
        for watcher in self.watchers:
            await watcher.come(self.tasks)
        weights, functions = zip(*steps, strict=True)
        for step in self.chance.choices(functions, weights, k=STEPS):
            await step()
            if self.chance.random() < 0.5:
                await anyio.lowlevel.checkpoint()
        await self.end()

    async def end(self) -> None:
        """All come back, and stand where the group stands, when one more has been published."""
        for watcher in self.watchers:
            await watcher.come(self.tasks)
        await self.publish()
        for watcher in self.watchers:
            with anyio.fail_after(PATIENCE):
                while True:
                    await watcher.come(self.tasks)  # one that was too slow is closed
                    recalled = await cast(HistoryLayer, self.layer).recall("room")
                    with anyio.move_on_after(0.5) as waiting:
                        await watcher.at((recalled.epoch, recalled.seq))
                    if not waiting.cancelled_caught:
                        break
            for place in watcher.hidden:
                text = self.model.texts.get(place)
                assert text is None or self.model.excluded.get(text) == watcher.user, f"{text} is hidden"
        for watcher in self.watchers:
            await watcher.go()

    async def publish(self, publisher: Channel | None = None, *, sync: bool = False) -> None:
        text = str(next(self.model.numbers))
        options: dict[str, Any] = {"group": "room", "idempotency_key": text}
        if self.chance.random() < 0.2:
            options["exclude"] = self.model.excluded[text] = self.chance.choice(self.watchers).user
        publisher = publisher or self.chance.choice(self.publishers)
        for _ in range(self.chance.choice((1, 1, 2))):  # the second time is of no effect
            await self._once(publisher, text, options, sync=sync)

    async def _once(self, publisher: Channel, text: str, options: dict[str, Any], *, sync: bool) -> None:
        with anyio.fail_after(PATIENCE):
            while True:
                with suppress(LayerUnavailable):
                    if sync:
                        work = partial(publisher.broadcast_sync, Said(text=text), **options)
                        await anyio.to_thread.run_sync(work)
                    else:
                        await publisher.broadcast(Said(text=text), **options)
                    return

    async def burst(self) -> None:
        for _ in range(self.chance.randrange(2, 2 * SIZE)):
            await self.publish(self.channel)

    async def both(self) -> None:
        async with anyio.create_task_group() as tasks:
            for publisher, sync in itertools.product(self.publishers, (False, True)):
                tasks.start_soon(partial(self.publish, publisher, sync=sync))

    async def come(self) -> None:
        await self.chance.choice(self.watchers).come(self.tasks)

    async def go(self) -> None:
        await self.chance.choice(self.watchers).go()

    async def rejoin(self) -> None:
        await self.chance.choice(self.watchers).rejoin()

    async def back(self) -> None:
        """Come again from where one has stood before, as a page does that was open in another tab."""
        watcher = self.chance.choice(self.watchers)
        await watcher.go()
        await anyio.wait_all_tasks_blocked()
        if watcher.past:
            watcher.place = self.chance.choice(watcher.past[-2 * SIZE :])
        await watcher.come(self.tasks)

    async def expire(self) -> None:
        self._lose(count=False)

    async def forget(self) -> None:
        self._lose(count=True)

    def _lose(self, *, count: bool) -> None:
        self.model.losses += 1
        if self.broker is not None:
            self.broker.command("DEL", "chanx:history:room", *(["chanx:count:room"] if count else []))
        elif (log := self.layer._logs._logs.get("room")) is not None:
            log.expires = 0
            log.ends = 0 if count else log.ends

    async def cut(self) -> None:
        if self.broker is not None:
            self.broker.command("CLIENT", "KILL", "TYPE", self.chance.choice(("pubsub", "normal")))

    async def restart(self) -> None:
        if self.broker is not None:
            self.model.losses += 1
            await anyio.to_thread.run_sync(self.broker.kill)
            await anyio.to_thread.run_sync(self.broker.start)


def served(layer: Any, overflow: Any) -> Channel:
    channel = Channel("chat", groups=layer, history=RULES, overflow=overflow, limits=Limits(outbox=6))

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room", stream="s", user=ctx.connection.query_params["user"])

    @channel.on(Say)
    async def again(message: Say, ctx: Context) -> None:
        await ctx.leave("room")
        await ctx.join("room", stream="s", user=message.text)

    return channel


@pytest.fixture
def own_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with brokers.broker(request.getfixturevalue("redis_server")) as made:
        yield made


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_walk(kind: str, seed: int, request: pytest.FixtureRequest) -> None:
    broker: Broker | None = None
    if kind == "memory":
        layers: list[Any] = [MemoryLayer()] * 2
    else:
        broker = cast(Broker, request.getfixturevalue("own_broker"))
        layers = [impatient(broker.url), impatient(broker.url)]
    try:
        async with anyio.create_task_group() as tasks:
            await Walk(layers[0], layers[1], broker, seed, tasks).run()
            tasks.cancel_scope.cancel()
    finally:
        for layer in layers:
            await layer.aclose()
