"""The two processes, started, and started again after they were killed; and the count that all clients hear."""

import itertools
import math
import os
import signal
import subprocess
import sys
from contextlib import suppress

import anyio
from anyio.abc import Process as Running
from anyio.streams.buffered import BufferedByteReceiveStream

from chanx import Channel, LayerUnavailable
from examples.scale.channel import PROCESS, PROCESSES, ROOM, now
from examples.scale.messages import Name, Process, Processes, Tick

TICK = 0.2
"""How often it counts, in seconds."""
ENDING = 10.0
"""How long a process may take to end, in seconds."""


class Worker:
    """One server process after the other, with one name and one socket file.

    `back_after` is how long a killed one stays away, in seconds.
    """

    def __init__(self, name: Name, folder: str, back_after: float) -> None:
        self.name: Name = name
        self.path = f"{folder}/{name}"
        self._back_after = back_after
        self._running: Running | None = None
        self._ready = False
        self._back_at = 0.0
        self._start = anyio.Event()

    @property
    def told(self) -> Process:
        if self._running is None:
            back_in = max(0, math.ceil(self._back_at - anyio.current_time()))
            return Process(name=self.name, pid=None, state="down", back_in=back_in)
        if not self._ready:
            return Process(name=self.name, pid=self._running.pid, state="starting", back_in=None)
        return Process(name=self.name, pid=self._running.pid, state="running", back_in=None)

    def kill(self) -> None:
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)

    def start(self) -> None:
        self._start.set()

    async def live(self, supervisor: "Supervisor") -> None:
        while True:
            pid, code = await self._run(supervisor)
            how = "was killed" if code == -signal.SIGKILL else f"ended with code {code}"
            say(f"{self.name} (process {pid}) {how}; it is back in {self._back_after:g} seconds")
            self._start = anyio.Event()
            self._back_at = anyio.current_time() + self._back_after
            supervisor.changed()
            with anyio.move_on_after(self._back_after):
                await self._start.wait()

    async def _run(self, supervisor: "Supervisor") -> tuple[int, int]:
        """Start it, do what it asks for, and see it end."""
        running = await anyio.open_process(
            [sys.executable, "-m", "examples.scale.process", self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            env={**os.environ, PROCESS: self.name},
            start_new_session=True,  # Ctrl-C is for the supervisor
        )
        async with running:
            self._running = running
            supervisor.changed()
            try:
                assert running.stdout is not None
                lines = BufferedByteReceiveStream(running.stdout)
                with suppress(anyio.EndOfStream, anyio.IncompleteRead):
                    while True:
                        self._read((await lines.receive_until(b"\n", 1000)).decode(), supervisor)
                return running.pid, await running.wait()
            finally:
                self._running, self._ready = None, False
                with anyio.move_on_after(ENDING, shield=True):
                    assert running.stdin is not None
                    await running.stdin.aclose()  # it ends by that
                    await running.wait()

    def _read(self, line: str, supervisor: "Supervisor") -> None:
        if line == "ready":
            self._ready = True
            say(f"{self.name} serves (process {self.told.pid})")
            supervisor.changed()
        else:
            supervisor.obey(line)


class Supervisor:
    """The processes, and a publisher that serves nobody: it reaches the clients of both through Redis."""

    def __init__(self, channel: Channel, folder: str, back_after: float) -> None:
        self.workers = (Worker("one", folder, back_after), Worker("two", folder, back_after))
        self._channel = channel
        self._changed = anyio.Event()

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for worker in self.workers:
                tasks.start_soon(worker.live, self)
            tasks.start_soon(self._tell)
            tasks.start_soon(self._count)

    def changed(self) -> None:
        self._changed.set()

    def obey(self, line: str) -> None:
        """What a client has asked one of the processes for."""
        order, _, name = line.partition(" ")
        for worker in self.workers:
            if worker.name == name and order == "kill":
                worker.kill()
            elif worker.name == name and order == "start":
                worker.start()

    async def _tell(self) -> None:
        while True:
            self._changed = anyio.Event()
            told = Processes(processes=[worker.told for worker in self.workers])
            with suppress(LayerUnavailable):  # in a second again
                await self._channel.broadcast(told, group=PROCESSES)
            with anyio.move_on_after(1):
                await self._changed.wait()

    async def _count(self) -> None:
        for number in itertools.count(1):
            tick = Tick(number=number, at=now())
            while True:
                with suppress(LayerUnavailable):  # whether it has got through or not: the key lets it count once
                    await self._channel.broadcast(tick, group=ROOM, idempotency_key=f"tick:{number}")
                    break
                await anyio.sleep(TICK)
            await anyio.sleep(TICK)


def say(text: str) -> None:
    print(text, flush=True)
