"""A client as applications have them: it keeps what it heard, comes back by itself, and asks for what it missed.

The rules are those of docs/reference/wire.md, "Histories", as `history.js` keeps them. What the server must not do is
written down: a push that comes twice, a jump, an answer that is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.servers import HOST

#: How a client takes part: in a room with history and as a stream, in one with history but without knowing of it, or in
#: a room without history.
Kind = Literal["stream", "member", "plain"]

#: Seconds between two attempts to connect.
PAUSE = 0.05


class Push(NamedTuple):
    """A message that was taken. `recovered`: between a `recover` and its answer."""

    number: int
    place: tuple[str, int]
    recovered: bool


class Opened(NamedTuple):
    """It has joined; what is published from now on, is for it."""

    at: float


class Closed(NamedTuple):
    """The connection ended; 1006 without a close frame."""

    code: int


class Gap(NamedTuple):
    """The frame that says that something may not have come."""

    at: float


class Lost(NamedTuple):
    """A stream was told that something cannot be had, and where it stands."""

    seq: int
    epoch: str
    at: float


class Mark(NamedTuple):
    """By the test: all up to this number had come."""

    number: int


Entry = Push | Opened | Closed | Gap | Lost | Mark


class Client:
    """One client, which runs until it is told to stop.

    Args:
        name: of its own.
        kind: how it takes part.
        room: the group.
        path: of the channel.
        ports: of the servers that there are; asked anew for each connection.
        home: which of them is the first to try.
        receive_buffer: of its socket, in bytes.

    Attributes:
        log: all that happened, in order.
        joined: the connection is open, and a stream knows where it stands.
        port: of the server that it is at, or was last.
        last: the last number.
        duplicates: pushes that came twice.
        jumps: what came instead of the next push: a server may do that only where its policy is to drop.
        wrong: what a server must not do.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        room: str,
        path: str,
        ports: Callable[[], list[int]],
        home: int,
        *,
        receive_buffer: int | None = None,
    ) -> None:
        self.name, self.kind, self.room, self.home = name, kind, room, home
        self.log: list[Entry] = []
        self.joined = False
        self.port = 0
        self.last = self.duplicates = 0
        self.jumps: list[tuple[int, int]] = []
        self.wrong: list[str] = []
        self._path, self._ports = path, ports
        self._receive_buffer = receive_buffer
        self._leaves: random.Random | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._over = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._place: tuple[str, int] | None = None  # epoch and seq
        self._missing = False
        self._ref = 0

    def told_since(self, at: int) -> bool:
        """Is there word of a gap, or the end of a connection, in the log from there on?"""
        return any(isinstance(entry, (Gap, Closed)) for entry in self.log[at:])

    # -- what a test has it do, on its loop -----------------------------------------------------------

    def pause(self) -> None:
        """Read no more."""
        self._reading.clear()

    def go_on(self) -> None:
        """Read again."""
        self._reading.set()

    def roam(self, chance: random.Random) -> None:
        """Leave and return at random."""
        self._leaves = chance
        self._leaving = asyncio.create_task(self._leave())

    def stay(self) -> None:
        """Leave no more."""
        self._leaves = None

    async def stop(self) -> None:
        """Leave for good."""
        self._over.set()
        self.stay()
        self._reading.set()
        if self._socket is not None:
            await self._socket.close()

    # -- the life of a connection -------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again."""
        while not self._over.is_set():
            try:
                await self._live()
            except (OSError, InvalidHandshake, TimeoutError, EOFError):
                self.home += 1  # elsewhere
            pause = self._leaves.uniform(0, 0.3) if self._leaves is not None else PAUSE
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause)

    async def _live(self) -> None:
        ports = self._ports()
        if not ports:
            raise ConnectionRefusedError
        query = {"room": self.room, "name": self.name, **({"stream": "yes"} if self.kind == "stream" else {})}
        url = f"ws://{HOST}:{(port := ports[self.home % len(ports)])}{self._path}?{urlencode(query)}"
        options: dict[str, Any] = {"compression": None, "proxy": None, "max_size": None, "ping_interval": None}
        if self._receive_buffer is not None:
            options["sock"] = await self._narrow(port, self._receive_buffer)
            options["max_queue"] = 1
        async with connect(url, open_timeout=30, close_timeout=10, **options) as self._socket:
            self._missing, self.port = False, port
            self.log.append(Opened(time.monotonic()))
            self.joined = self.kind != "stream"
            self._leaving = asyncio.create_task(self._leave()) if self._leaves is not None else None
            try:
                while True:
                    await self._reading.wait()
                    await self._heard(json.loads(await self._socket.recv()))
            except ConnectionClosed as error:
                self.joined = False
                self.log.append(Closed(error.rcvd.code if error.rcvd is not None else 1006))
            finally:
                if self._leaving is not None:
                    self._leaving.cancel()

    async def _narrow(self, port: int, receive_buffer: int) -> socket.socket:
        """A socket with little room for what is not read; set before it connects, or the window is large already."""
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(made, (HOST, port))
        return made

    async def _leave(self) -> None:
        """After a while; politely, or not."""
        chance = self._leaves
        assert chance is not None
        assert self._socket is not None
        await asyncio.sleep(chance.uniform(0.05, 0.5))
        if self._leaves is None:
            return
        self.home, self.joined = chance.randrange(100), False
        if chance.random() < 0.5:
            self._socket.transport.abort()
        else:
            await self._socket.close()

    # -- what comes -----------------------------------------------------------------------------------

    async def _heard(self, frame: dict[str, Any]) -> None:
        action = frame.get("action")
        if action == "said" and self.kind != "stream":
            self._take(frame, ("", frame["number"]))
        elif action == "said":
            await self._said(frame)
        elif action == "gap":
            self.log.append(Gap(time.monotonic()))
        elif action == "joined":
            await self._joined(frame)
        elif action == "position" and frame.get("recovered") is False:
            if not self._missing:
                self._lost(frame)
        elif action == "position" and self._place is not None and frame["seq"] == self._place[1]:
            self._place = frame["epoch"], frame["seq"]  # the count goes on under another epoch
        elif action == "recovered":
            self._recovered(frame["streams"][self.room])
        else:
            self.wrong.append(f"came: {frame}")

    def _take(self, frame: dict[str, Any], place: tuple[str, int]) -> None:
        self._place = place
        self.last = max(self.last, frame["number"])
        self.log.append(Push(frame["number"], place, self._missing))

    async def _said(self, frame: dict[str, Any]) -> None:
        seq = frame["seq"]
        if self._place is None:
            self.wrong.append(f"came before joined: {frame['number']}")
            return
        epoch, last = self._place
        if seq == last + 1:
            self._take(frame, (epoch, seq))
        elif self._missing:
            return  # it comes again, with what is missing
        elif seq <= last:
            self.duplicates += 1
        else:
            self.jumps.append((last, seq))
            await self._ask()

    async def _joined(self, frame: dict[str, Any]) -> None:
        place = frame["epoch"], frame["seq"]
        self.joined = True
        if self._place is None:
            self._place = place
        elif self._place[0] != place[0] or self._place[1] < place[1]:
            await self._ask()

    async def _ask(self) -> None:
        assert self._place is not None
        assert self._socket is not None
        self._missing = True
        self._ref += 1
        streams = {self.room: {"seq": self._place[1], "epoch": self._place[0]}}
        await self._socket.send(json.dumps({"action": "recover", "streams": streams, "ref": self._ref}))

    def _recovered(self, answer: dict[str, Any]) -> None:
        self._missing = False
        if answer["recovered"] is not True:
            self._lost(answer)
        elif self._place is None or self._place[1] != answer["seq"]:
            self.wrong.append(f"recovered up to {answer}, but stands at {self._place}")
        else:
            self._place = answer["epoch"], answer["seq"]

    def _lost(self, frame: dict[str, Any]) -> None:
        self._place = frame["epoch"], frame["seq"]
        self.log.append(Lost(frame["seq"], frame["epoch"], time.monotonic()))
