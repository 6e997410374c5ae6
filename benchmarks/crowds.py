"""Many connections that get the same message: the two hand-written ways, and chanx.

Each has so many members, whose `send`s are all made by one function, and `publish` sends one message to all of them.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

import anyio
import msgspec
import trio
from anyio.abc import TaskGroup
from websockets.protocol import State
from websockets.server import ServerProtocol

from benchmarks.backend import BackendName
from benchmarks.messages import family
from benchmarks.wire import Event, Receive, Send, scope
from chanx import Channel, Context

MESSAGES = family("msgspec", 1)
GROUP = "crowd"
ROOM = 1000  # frames that may wait for a client, as `Limits.outbox` has it


class Sends:
    """Makes `send`s and counts what goes through all of them together."""

    def __init__(self, *, framing: bool) -> None:
        self.sent = 0
        self._framing = framing

    def make(self) -> Send:
        return self._frame() if self._framing else self._count

    async def _count(self, event: Event) -> None:
        if event["type"] == "websocket.send":
            self.sent += 1

    def _frame(self) -> Send:
        """What a server does on top: the bytes of a WebSocket frame (RFC 6455), by the `websockets` package."""
        protocol = ServerProtocol()
        protocol.state = State.OPEN

        async def send(event: Event) -> None:
            if event["type"] == "websocket.send":
                protocol.send_text(event["text"].encode())
                b"".join(protocol.data_to_send())
                self.sent += 1

        return send


class Crowd(ABC):
    """Some members and whoever publishes to them."""

    def __init__(self, sends: Sends) -> None:
        self.sends = sends

    @abstractmethod
    async def open(self, tasks: TaskGroup, members: int) -> None:
        """Let the members in; returns when all are there."""

    @abstractmethod
    async def publish(self) -> None:
        """Send one message to every member."""

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Let everybody go whose task should not end by being cancelled."""


class Loop(Crowd):
    """A bare loop of sends: the least, with no outbox, and one slow client stops it for all."""

    async def open(self, tasks: TaskGroup, members: int) -> None:  # noqa: ARG002 - it needs no task
        self._members = [self.sends.make() for _ in range(members)]
        self._encode = msgspec.json.Encoder().encode

    async def publish(self) -> None:
        text = self._encode(MESSAGES.reply(text="hello there")).decode()
        for send in self._members:
            await send({"type": "websocket.send", "text": text})


class Writers(Crowd):
    """A bounded queue for each member, and a task that lives as long as the member and writes from it."""

    async def open(self, tasks: TaskGroup, members: int) -> None:
        self._put: list[Callable[[str], None]] = []
        self._encode = msgspec.json.Encoder().encode
        for _ in range(members):
            self._join(tasks)
        await anyio.wait_all_tasks_blocked()

    @abstractmethod
    def _join(self, tasks: TaskGroup) -> None: ...

    async def publish(self) -> None:
        text = self._encode(MESSAGES.reply(text="hello there")).decode()
        for put in self._put:
            put(text)


class AsyncioWriters(Writers):
    def _join(self, tasks: TaskGroup) -> None:
        queue: asyncio.Queue[str] = asyncio.Queue(ROOM)
        send = self.sends.make()

        async def write() -> None:
            while True:
                await send({"type": "websocket.send", "text": await queue.get()})

        self._put.append(queue.put_nowait)
        tasks.start_soon(write)


class TrioWriters(Writers):
    def _join(self, tasks: TaskGroup) -> None:
        entry, queue = trio.open_memory_channel[str](ROOM)
        send = self.sends.make()

        async def write() -> None:
            async for text in queue:
                await send({"type": "websocket.send", "text": text})

        self._put.append(entry.send_nowait)
        tasks.start_soon(write)


class Members(Crowd):
    """chanx: a group, with default settings."""

    async def open(self, tasks: TaskGroup, members: int) -> None:
        self._over = anyio.Event()
        self._channel = channel = Channel()

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join(GROUP)

        for _ in range(members):
            tasks.start_soon(channel, scope(), self._receive(), self.sends.make())
        while channel.layers()[0].members.count(GROUP) < members:
            await anyio.wait_all_tasks_blocked()

    def _receive(self) -> Receive:
        connects: list[Event] = [{"type": "websocket.connect"}]

        async def receive() -> Event:
            if connects:
                return connects.pop()
            await self._over.wait()
            return {"type": "websocket.disconnect", "code": 1000, "reason": ""}

        return receive

    async def publish(self) -> None:
        await self._channel.broadcast(MESSAGES.reply(text="hello there"), group=GROUP)

    def close(self) -> None:
        self._over.set()


WRITERS: dict[BackendName, type[Writers]] = {"asyncio": AsyncioWriters, "trio": TrioWriters}
