"""Many connections that get the same message: the two hand-written ways, and chanx.

Each has so many members, whose `send`s are all made by one function, and `publish` sends one message to all of them.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import anyio
import msgspec
import trio
from anyio.abc import TaskGroup
from websockets.protocol import State
from websockets.server import ServerProtocol

from benchmarks import consumers
from benchmarks.backend import BackendName
from benchmarks.messages import family
from benchmarks.wire import App, Event, Receive, Send, scope
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


class Served(Crowd):
    """Connections of an application, until they are closed."""

    async def open(self, tasks: TaskGroup, members: int) -> None:
        self._over = anyio.Event()
        self._entered = 0
        app: Any = self._app()  # no awaitable but a coroutine function, as anyio wants it
        for _ in range(members):
            tasks.start_soon(app, scope(), self._receive(), self.sends.make())
        while self._entered < members:
            await anyio.wait_all_tasks_blocked()

    @abstractmethod
    def _app(self) -> App: ...

    def _receive(self) -> Receive:
        connects: list[Event] = [{"type": "websocket.connect"}]

        async def receive() -> Event:
            if connects:
                return connects.pop()
            self._entered += 1  # asks for a frame, so it has accepted and is in the group
            await self._over.wait()
            return {"type": "websocket.disconnect", "code": 1000, "reason": ""}

        return receive

    def close(self) -> None:
        self._over.set()


class Members(Served):
    """chanx: a group, with default settings."""

    def _app(self) -> App:
        self._channel = channel = Channel()

        @channel.on_connect
        async def enter(ctx: Context) -> None:  # pyright: ignore[reportUnusedFunction]
            await ctx.join(GROUP)

        return channel

    async def publish(self) -> None:
        await self._channel.broadcast(MESSAGES.reply(text="hello there"), group=GROUP)


class Consumers(Served):
    """Consumers of `chanx.channels` in a group, each of which sends a frame with JSON for each message."""

    channels = False

    def _app(self) -> App:
        app = consumers.member(GROUP, channels=self.channels)
        self._layer = consumers.channels_layer() if self.channels else consumers.layer()
        return app

    async def publish(self) -> None:
        await self._layer.group_send(GROUP, {"type": "chat.message", "text": "hello there"})


class StructuredConsumers(Consumers):
    """Consumers of chanx 2.x in a group, each of which sends its client what is broadcast there."""

    def _app(self) -> App:
        self._layer = consumers.layer()
        return consumers.decorated_member("structured")

    async def publish(self) -> None:
        message = {"action": "said", "text": "hello there"}
        payload = {"type": "handle_group_message", "message": message, "exclude_current": False, "from_channel": ""}
        await self._layer.group_send("structured", payload)


class OldConsumers(Consumers):
    """Consumers of chanx 0.12 in a group, each of which sends its client what is sent there."""

    def _app(self) -> App:
        self._layer = consumers.layer()
        return consumers.old_member("old")

    async def publish(self) -> None:
        payload = {"type": "send_group_member", "content": {"action": "said", "text": "hello there"}, "kind": "json"}
        beside = {"exclude_current": False, "from_channel": "", "from_user_pk": None}
        await self._layer.group_send("old", {**payload, **beside})


class ChannelsConsumers(Consumers):
    """Those of Django Channels, on its layer in memory."""

    channels = True


WRITERS: dict[BackendName, type[Writers]] = {"asyncio": AsyncioWriters, "trio": TrioWriters}
