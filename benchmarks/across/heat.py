"""One contestant with so many members: two server processes, the clients, and the publisher, measured from outside."""

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import redis.asyncio

from benchmarks.across.contestants import ROOT, Contestant, interpreter

HOST = "127.0.0.1"
SERVERS = 2
#: What all servers are started with.
OPTIONS = "--ws websockets-sansio --loop asyncio --http h11 --log-level warning --no-access-log"
#: How long anything may take to begin, in seconds.
START = 90.0


class FailedError(Exception):
    """A process ended, or did not do what it had to in time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a contestant.

    Attributes:
        members: of all servers together.
        broadcasts: how many are counted.
        rate: how many a second.
        patience: seconds to wait for what has not come when the last should have been published.
    """

    members: int
    broadcasts: int
    rate: float
    patience: float


@dataclass(frozen=True, slots=True)
class Result:
    """What came out.

    Attributes:
        cost: CPU seconds of the servers for each message that a member got.
        p50: half of them were there so many seconds after they were published.
        p99: the same of 99 %.
        delivered: the part of what there was to deliver.
        duplicates: messages that came again.
        busy: CPU seconds of the servers for each second.
        commands: calls of each Redis command for each broadcast, those in scripts included.
    """

    cost: float
    p50: float
    p99: float
    delivered: float
    duplicates: int
    busy: float
    commands: dict[str, float]


class Process:
    """A process whose lines are read, and whose errors are shown when it fails."""

    def __init__(self, running: asyncio.subprocess.Process, errors: IO[bytes]) -> None:
        self.running = running
        self._errors = errors

    def write(self, line: str) -> None:
        assert self.running.stdin is not None
        self.running.stdin.write(f"{line}\n".encode())

    async def line(self, timeout: float = START) -> str:
        """Its next line.

        Raises:
            FailedError: it ended, or wrote none in time.
        """
        assert self.running.stdout is not None
        try:
            line = await asyncio.wait_for(self.running.stdout.readline(), timeout)
        except TimeoutError:
            line = b""
        if not line:
            raise self.failed()
        return line.decode().strip()

    async def wait_for(self, word: str) -> None:
        """Its next line is this word.

        Raises:
            FailedError: it is not.
        """
        line = await self.line()
        if line != word:
            raise FailedError(f"{word!r} expected, not {line!r}")

    def failed(self) -> FailedError:
        self._errors.seek(0)
        return FailedError(self._errors.read().decode(errors="replace")[-1000:] or "no answer in time")


@asynccontextmanager
async def process(*words: Any, folder: Path, environment: dict[str, str]) -> AsyncIterator[Process]:
    """Run a program, and end it by force."""
    with tempfile.TemporaryFile() as errors:
        pipe = asyncio.subprocess.PIPE
        running = await asyncio.create_subprocess_exec(
            *map(str, words), cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=errors
        )
        try:
            yield Process(running, errors)
        finally:
            if running.returncode is None:
                running.kill()
            await running.wait()


async def race(contestant: Contestant, load: Load, url: str, environments: Path) -> Result:
    """Measure it.

    Raises:
        FailedError: one of its processes could not do what it had to.
    """
    python, folder = interpreter(contestant, environments), contestant.folder
    environment = {**os.environ, "REDIS_URL": url, "KIND": contestant.kind, "PYTHONPATH": str(folder)}
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(redis.asyncio.Redis.from_url(url, decode_responses=True))
        await broker.flushall()
        ports = [free_port() for _ in range(SERVERS)]
        servers: list[Process] = []
        for port in ports:
            words = (python, "-m", "uvicorn", f"{contestant.module}:app", "--port", port, *OPTIONS.split())
            servers.append(await stack.enter_async_context(process(*words, folder=folder, environment=environment)))
        publisher = await stack.enter_async_context(
            process(
                python, ROOT / "benchmarks/across/publish.py", contestant.module, folder=folder, environment=environment
            )
        )
        for port, server in zip(ports, servers, strict=True):
            await listening(port, server)
        await publisher.wait_for("ready")
        told = (str(load.members), contestant.path, contestant.greeting, *map(str, ports))
        clients = await stack.enter_async_context(
            process(
                sys.executable,
                "-m",
                "benchmarks.across.client",
                *told,
                folder=ROOT,
                environment={**environment, "PYTHONPATH": str(ROOT)},
            )
        )
        await clients.wait_for("open")
        await warm(publisher, clients)

        before, clocks, began = await calls(broker), cpu(servers), time.monotonic()
        publisher.write(f"0 {load.broadcasts} {load.rate}")
        clients.write(f"{load.broadcasts} {load.broadcasts / load.rate + load.patience}")
        report = json.loads(await clients.line(START + load.broadcasts / load.rate + load.patience))
        used, took = cpu(servers) - clocks, time.monotonic() - began
        commands = await calls(broker) - before
    if not report["delivered"]:
        raise FailedError("nothing was delivered")
    return Result(
        used / report["delivered"],
        report["p50"],
        report["p99"],
        report["delivered"] / (load.members * load.broadcasts),
        report["duplicates"],
        used / took,
        {name: count / load.broadcasts for name, count in commands.items()},
    )


async def warm(publisher: Process, clients: Process) -> None:
    """Publish until every member has heard something: when a server has accepted a client, it may be no member yet."""
    heard = asyncio.create_task(clients.wait_for("warm"))
    pause = 1.0
    while not heard.done():
        publisher.write("-1 1 1")
        await publisher.wait_for("done")
        await asyncio.wait([heard], timeout=pause)
        pause *= 2  # one that is slow has to do with the first still
    await heard


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def listening(port: int, server: Process) -> None:
    """Wait until a server accepts connections."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.running.returncode is None:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise server.failed()


def cpu(servers: list[Process]) -> float:
    """The CPU time of processes, with all their threads; Linux makes a clock's number from a process's so."""
    return sum(time.clock_gettime((~server.running.pid << 3) | 2) for server in servers)


async def calls(broker: Any) -> Counter[str]:
    """How often each command has been called so far, but for the question."""
    stats: dict[str, Any] = await broker.info("commandstats")
    return Counter(
        {name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items() if name != "cmdstat_info"}
    )
