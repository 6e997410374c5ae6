"""What one server process and one Redis server carry: the figures that capacity is planned with.

The clients are in this process, on another core than the server. `--url` and `--pid` measure connections of a server of
one's own; then nothing else is measured.
"""

import asyncio
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from benchmarks.visitors import Crowd, Process, Stopwatch
from chanx import Channel, Context, History, Limits, Publication
from chanx.groups.redis import RedisLayer

HOST = "127.0.0.1"
TEXT = "x" * 100
SAID = Publication(f'{{"action":"said","text":"{TEXT}"}}', groups=("room",))
PAUSE = 0.02  # seconds between two attempts to connect
BURST = 10  # broadcasts at once
AUDIENCES = (1, 2, 8, 32)  # processes that hear a PUBLISH
REDIS, HISTORY = "CAPACITY_REDIS", "CAPACITY_HISTORY"


# -- the server -----------------------------------------------------------------------------------------


class Burst(Struct, tag_field="action", tag="burst"):
    """Broadcast so many messages."""

    count: int


class Said(Struct, tag_field="action", tag="said"):
    """What is broadcast."""

    text: str


history = {"room": History(size=100)} if os.environ.get(HISTORY) else None
app = Channel("capacity", groups=os.environ.get(REDIS), history=history, limits=Limits(connect_timeout=60))


@app.on_connect
async def enter(ctx: Context) -> None:
    """Everybody is in one group."""
    await ctx.join("room", stream="room" if history else None)


@app.on(Burst)
async def burst(message: Burst, ctx: Context) -> None:
    """From within, as a handler does it."""
    for _ in range(message.count):
        await ctx.broadcast(Said(text=TEXT), group="room")


@contextmanager
def serving(**env: str) -> Iterator[tuple[str, Process]]:
    """The application under uvicorn; its address."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    options = f"--host {HOST} --port {port} --ws websockets-sansio --log-level error"
    command = [sys.executable, "-m", "uvicorn", "benchmarks.capacity:app", *options.split()]
    with subprocess.Popen(command, env={**os.environ, **env}) as process:
        try:
            _wait_for(port, process)
            yield f"ws://{HOST}:{port}/", Process(process.pid)
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(PAUSE)
        else:
            return
    raise SystemExit("the server ended")


# -- connections and broadcasts -------------------------------------------------------------------------


async def connections(url: str, process: Process, count: int, deflate: bool) -> Iterator[tuple[str, str]]:
    """What they cost to open, to keep and to close."""
    crowd = Crowd(url, deflate=deflate)
    await crowd.grow(max(1, count // 10))  # what is made once
    await crowd.quiet()
    before, watch = process.memory(), Stopwatch(process)
    await crowd.grow(count)
    seconds, opening = watch.read()
    await crowd.quiet()
    memory = process.memory() - before
    watch, number = Stopwatch(process), len(crowd.sockets)
    await crowd.leave()
    await asyncio.sleep(0.5)
    _, closing = watch.read()
    return iter(
        (
            ("opening a connection, CPU time", f"{opening / count * 1e6:.0f} µs"),
            ("opened, all at once", f"{count / seconds:.0f} per second"),
            ("an open connection, memory of the process", f"{memory / count:.0f} bytes"),
            ("closing a connection, CPU time", f"{closing / number * 1e6:.0f} µs"),
        )
    )


async def broadcasts(url: str, process: Process, members: int, bursts: int, deflate: bool) -> float:
    """Seconds of CPU time for each member of each broadcast."""
    crowd = Crowd(url, deflate=deflate)
    await crowd.grow(members)
    await crowd.quiet()
    first = next(iter(crowd.sockets))
    watch = Stopwatch(process)
    for _ in range(bursts):
        before = crowd.came
        first.send(f'{{"action":"burst","count":{BURST}}}')
        await crowd.until(before + BURST * members)
    _, cpu = watch.read()
    await crowd.leave()
    return cpu / (bursts * BURST * members)


async def heard(url: str, process: Process, redis: str, messages: int, kept: bool) -> float:
    """Seconds of CPU time for each broadcast from elsewhere that a process hears for one member, one at a time."""
    crowd, layer = Crowd(url), RedisLayer(redis)
    if kept:
        layer.keep({"room": History(size=100)})
    await crowd.grow(1)
    await layer.echo()
    watch = Stopwatch(process)
    for _ in range(messages):
        before = crowd.came
        await layer.publish(SAID)
        await crowd.until(before + 1)
    _, cpu = watch.read()
    await layer.aclose()
    await crowd.leave()
    return cpu / messages


# -- Redis ----------------------------------------------------------------------------------------------


@contextmanager
def redis_server() -> Iterator[tuple[str, Process]]:
    """A Redis server with nothing stored; its URL."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise SystemExit("redis-server is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/redis"
        words = [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
            try:
                while not Path(path).exists() and process.poll() is None:
                    time.sleep(PAUSE)
                yield f"unix://{path}", Process(process.pid)
            finally:
                process.terminate()


async def published(url: str, process: Process, hearing: int, messages: int, kept: bool = False) -> float:
    """Seconds of the server's CPU time for each broadcast that so many processes hear."""
    import redis.asyncio

    prefix = secrets.token_hex(4)
    layer, path = RedisLayer(url, prefix=prefix), url.removeprefix("unix://")
    if kept:
        layer.keep({"room": History(size=100)})
    await layer.echo()
    lines = [await asyncio.open_unix_connection(path) for _ in range(hearing)]
    for reader, writer in lines:
        writer.write(f"SUBSCRIBE {prefix}:group:room\r\n".encode())
        await reader.readuntil(b":1\r\n")
    tasks = [asyncio.create_task(_throw_away(reader)) for reader, _ in lines]
    watch = Stopwatch(process)

    async def some() -> None:
        for _ in range(messages // 50):
            await layer.publish(SAID)

    await asyncio.gather(*(some() for _ in range(50)))
    _, cpu = watch.read()
    async with redis.asyncio.Redis.from_url(url) as client:
        listening: Any = await client.pubsub_numsub(f"{prefix}:group:room")
        assert dict(listening)[f"{prefix}:group:room".encode()] == hearing, "somebody did not hear"
    for task, (_, writer) in zip(tasks, lines, strict=True):
        task.cancel()
        writer.close()
    await layer.aclose()
    return cpu / (messages // 50 * 50)


async def _throw_away(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass


async def stored(url: str, size: int) -> tuple[int, int]:
    """Bytes that the histories of a group take at Redis, when they are full: one with so many, and one with one."""
    import redis.asyncio

    layer = RedisLayer(url, prefix=(prefix := secrets.token_hex(4)))
    layer.keep({"full": History(size=size), "least": History(size=1)})
    for group, count in (("full", 2 * size), ("least", 2)):
        for _ in range(count):
            await layer.publish(Publication(f'{{"action":"said","text":"{TEXT}"}}', groups=(group,)))
    await layer.aclose()
    found: list[int] = []
    async with redis.asyncio.Redis.from_url(url) as client:
        for group in ("full", "least"):
            keys: list[Any] = [key async for key in client.scan_iter(f"{prefix}:*:{group}")]
            assert len(keys) == 2
            found.append(sum([int(await client.memory_usage(key, samples=0) or 0) for key in keys]))
    return found[0], found[1]


# -- the command ----------------------------------------------------------------------------------------


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--url", help="of a server of yours, as ws://127.0.0.1:8000/chat: only its connections")
    parser.add_argument("--pid", type=int, help="the number of its process, which has to be on this machine")
    parser.add_argument("--deflate", action="store_true", help="with clients that ask for compression, as browsers do")
    parser.add_argument("--quick", action="store_true", help="every row, from too little to mean anything")


def run(arguments: Namespace) -> int:
    if not Path("/proc/self/smaps_rollup").exists():
        print("this command reads /proc, so it runs on Linux only", file=sys.stderr)
        return 2
    if (arguments.url is None) != (arguments.pid is None):
        print("--url and --pid belong together", file=sys.stderr)
        return 2
    count = 50 if arguments.quick else arguments.connections
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "websockets", "redis", "msgspec"))
    print(f"{platform.python_implementation()} {platform.python_version()}, {packages}; {count} connections")
    print("that ask for compression\n" if arguments.deflate else "")
    if arguments.url is not None:
        _table(asyncio.run(connections(arguments.url, Process(arguments.pid), count, arguments.deflate)))
        return 0
    with serving() as (address, process):
        _table(asyncio.run(connections(address, process, count, arguments.deflate)))
    bursts, messages, size = (1, 100, 10) if arguments.quick else (20, 20_000, 1000)
    with redis_server() as (url, broker):
        for what, env in _ways(url):
            with serving(**env) as (address, process):
                cost = asyncio.run(broadcasts(address, process, count, bursts, arguments.deflate))
                alone = asyncio.run(heard(address, process, url, 50 * bursts, HISTORY in env)) if env else None
            _row(f"a broadcast {what}, CPU time for each of {count}", f"{cost * 1e6:.1f} µs")
            if alone is not None:
                _row(f"one heard {what} for a single member, CPU time", f"{alone * 1e6:.0f} µs")
        for hearing in AUDIENCES:
            cost = asyncio.run(published(url, broker, hearing, messages))
            _row(f"Redis: a broadcast that {hearing} hear, CPU time", f"{cost * 1e6:.1f} µs")
        cost = asyncio.run(published(url, broker, 2, messages, kept=True))
        _row("Redis: with history, that 2 hear, CPU time", f"{cost * 1e6:.1f} µs")
        full, least = asyncio.run(stored(url, size))
        _row(f"Redis: a history of one message of {len(TEXT)} characters", f"{least} bytes")
        _row(f"Redis: each of {size} messages", f"{full / size:.0f} bytes")
    return 0


def _ways(url: str) -> Iterator[tuple[Literal["in memory", "over Redis", "with history"], dict[str, str]]]:
    yield "in memory", {}
    yield "over Redis", {REDIS: url}
    yield "with history", {REDIS: url, HISTORY: "1"}


def _table(rows: Iterator[tuple[str, str]]) -> None:
    for what, cost in rows:
        _row(what, cost)


def _row(what: str, cost: str) -> None:
    print(f"{what:55}{cost:>20}", flush=True)
