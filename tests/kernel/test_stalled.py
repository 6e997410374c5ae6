"""One stalled client among many, for each policy: the others get everything in order, memory is bounded, and what the
stalled one did not get is counted to the last frame.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import anyio
import anyio.lowlevel

from chanx import Channel, Context, Limits, MemoryLayer, Stats, _runtime
from chanx.connection import Connection
from tests.full import rounds
from tests.kernel.messages import Said
from tests.kernel.wire import websocket_scope

Overflow = Literal["close", "drop_oldest", "coalesce"]

MEMBERS = 33  # of each channel; with the stalled ones about a hundred
BROADCASTS = {"asyncio": rounds(10_000), "trio": rounds(10_000)}
KEYS = 50
WAITING = 200


class Reader:
    """A client that takes each frame in order, or none after the first while it is stalled."""

    def __init__(self, expected: list[str]) -> None:
        self.texts: list[str] = []
        self.got = 0
        self.wrong = 0
        self._expected = expected
        self._connected = False
        self.stalled: anyio.Event | None = None
        self.over = anyio.Event()

    async def receive(self) -> Any:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        await self.over.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(self, event: Any) -> None:
        if event["type"] == "websocket.send":
            if self.stalled is not None:
                self.texts.append(event["text"])
                await self.stalled.wait()
            elif event["text"] is not self._expected[self.got]:
                self.wrong += 1
            self.got += 1


class House:
    """A channel with its members, one of them stalled."""

    def __init__(self, overflow: Overflow, layer: MemoryLayer, expected: list[str]) -> None:
        self.channel = Channel(overflow=overflow, groups=layer, limits=Limits(outbox=WAITING, send_timeout=1000))
        self.readers = [Reader(expected) for _ in range(MEMBERS)]
        self.stalled = Reader(expected)
        self.stalled.stalled = anyio.Event()
        self.codes: Counter[int | None] = Counter()

        @self.channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room")

        @self.channel.on_disconnect
        async def leave(ctx: Context) -> None:
            self.codes[ctx.close_code] += 1

    @property
    def stats(self) -> Stats:
        return self.channel.stats()

    def waiting(self) -> list[int]:
        """How many frames wait for each connection that is here."""
        here: set[Connection] = _runtime.current().connections
        return [len(one.outbox.waiting) for one in here if one.service.counters is self.channel._counters]


async def test_a_stalled_client_among_a_hundred(anyio_backend: str) -> None:
    broadcasts = BROADCASTS[anyio_backend]
    layer = MemoryLayer()
    expected: list[str] = []
    houses = {name: House(name, layer, expected) for name in ("close", "drop_oldest", "coalesce")}
    layer.members.observers.append(lambda _, publication: expected.append(publication.body))
    most = dict.fromkeys(houses, 0)
    everybody = 3 * (MEMBERS + 1)
    async with anyio.create_task_group() as tasks:
        for house in houses.values():
            for reader in (*house.readers, house.stalled):
                tasks.start_soon(house.channel, websocket_scope(), reader.receive, reader.send)
        await anyio.wait_all_tasks_blocked()
        assert layer.members.count("room") == everybody
        publisher = houses["close"].channel
        for number in range(broadcasts):
            await publisher.broadcast(Said(text=str(number)), group="room", key=str(number % KEYS))
            await anyio.lowlevel.checkpoint()
            if number % 100 == 0:
                for name, house in houses.items():
                    most[name] = max(most[name], *house.waiting())
        await anyio.wait_all_tasks_blocked()

        for house in houses.values():
            for reader in house.readers:
                assert (reader.got, reader.wrong) == (broadcasts, 0)
            assert house.stalled.got == 0
        assert layer.members.count("room") == everybody - 1  # the stalled one of the first is out
        assert most == {"close": WAITING, "drop_oldest": WAITING, "coalesce": KEYS}

        for house in houses.values():
            assert house.stalled.stalled is not None
            house.stalled.stalled.set()
        await anyio.wait_all_tasks_blocked()
        for house in houses.values():
            for reader in (*house.readers, house.stalled):
                reader.over.set()

    numbers = {name: [expected.index(text) for text in house.stalled.texts] for name, house in houses.items()}

    stats = houses["close"].stats
    assert houses["close"].codes == {1013: 1, 1000: MEMBERS}
    assert numbers["close"] == [0]
    assert (stats.slow_closed, stats.coalesced) == (1, 0)
    assert 1 + stats.frames_dropped == WAITING + 2  # all that was published until it was closed

    stats = houses["drop_oldest"].stats
    assert houses["drop_oldest"].codes == {1000: MEMBERS + 1}
    assert numbers["drop_oldest"] == [0, *range(broadcasts - WAITING, broadcasts)]
    assert (stats.slow_closed, stats.coalesced) == (0, 0)
    assert houses["drop_oldest"].stalled.got + stats.frames_dropped == broadcasts

    stats = houses["coalesce"].stats
    assert houses["coalesce"].codes == {1000: MEMBERS + 1}
    # Of each key the last, in the order in which the keys first came; the first frame was being written.
    assert numbers["coalesce"] == [0, *range(broadcasts - KEYS + 1, broadcasts), broadcasts - KEYS]
    assert (stats.slow_closed, stats.frames_dropped) == (0, 0)
    assert houses["coalesce"].stalled.got + stats.coalesced == broadcasts
