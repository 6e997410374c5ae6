"""`redis --link`: CPU time of the link to Redis, in the process that hears and in the one that publishes.

Beside redis-py used bare. Another process publishes what is heard here, in bursts that this one keeps up with. Only the
time of this one counts.
"""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

from benchmarks.dispatch import environment
from chanx import Publication, _runtime
from chanx.groups.redis import RedisLayer, wire

PREFIX, GROUP = "chanx-bench", "room"
BODY = json.dumps({"action": "said", "text": "x" * 100})
BURST, PAUSE = 50, 0.002

PUBLISHER = """
import sys, time
from benchmarks.link import BURST, PAUSE, publication
from chanx.groups.redis import RedisLayer, wire
import redis
line = redis.ConnectionPool.from_url(sys.argv[1]).make_connection()
line.connect()
command = wire.Names(sys.argv[2]).publishing(publication(), "1")[0]
for _ in range(int(sys.argv[3]) // BURST):
    line.send_packed_command([command] * BURST, check_health=False)
    for _ in range(BURST):
        line.read_response()
    time.sleep(PAUSE)
line.disconnect()
"""


class Member:
    """Somebody in the group, who counts what comes."""

    def __init__(self, name: str, expected: int) -> None:
        self.id = name
        self.home = _runtime.current()
        self.came = 0
        self.began = self.ended = 0.0
        self._expected = expected

    def push(self, publication: Publication) -> None:  # noqa: ARG002 - a member gets one
        """Count, and look at the clock at the first and the last."""
        self.came += 1
        if self.came == 1:
            self.began = time.process_time()
        elif self.came == self._expected:
            self.ended = time.process_time()


def run(arguments: Namespace) -> int:
    messages = 200 if arguments.quick else arguments.messages
    print(environment("asyncio"))
    parser = "hiredis" if find_spec("hiredis") is not None else "the parser in Python"
    print(f"CPU time in µs for each of {messages} messages of {len(BODY)} bytes, with {parser}\n")
    print(f"{'contestant':55}{'µs':>8}")
    print("-" * 63)
    with server(arguments.url) as url:
        for name, race in races(url, messages):
            print(f"{name:55}{asyncio.run(race()) * 1e6:8.1f}")
    return 0


Race = Callable[[], Coroutine[Any, Any, float]]


def races(url: str, messages: int) -> Iterator[tuple[str, Race]]:
    """What is measured: seconds for each message."""
    yield "heard by redis-py's PubSub.listen()", partial(bare, url, messages)
    for members in (1, 10):
        yield f"heard by RedisLayer, for {members} in the group", partial(heard, url, messages, members)
    yield "published by redis-py, one after the other", partial(bare_published, url, messages)
    for tasks in (1, 100):
        yield f"published by RedisLayer, {tasks} at once", partial(published, url, messages, tasks)


def publication() -> Publication:
    """What is published."""
    return Publication(BODY, groups=(GROUP,))


async def bare(url: str, messages: int) -> float:
    """The limit: redis-py alone, which hands each message over as a dictionary."""
    import redis.asyncio

    client = redis.asyncio.Redis.from_url(url)
    channel = wire.Names(PREFIX).group(GROUP)
    came, began = 0, 0.0
    async with client, client.pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe(channel)
        await listening.get_message(timeout=5)
        publisher = publish(url, messages)
        async for _ in listening.listen():
            came += 1
            if came == 1:
                began = time.process_time()
            if came == messages:
                break
        took = time.process_time() - began
    await asyncio.to_thread(publisher.wait)
    return took / messages


async def heard(url: str, messages: int, members: int) -> float:
    """The layer: validated, and queued for each member."""
    layer = RedisLayer(url, prefix=PREFIX)
    everyone = [Member(str(number), messages) for number in range(members)]
    for one in everyone:
        layer.members.join(GROUP, one)
    await layer.subscribe(GROUP)
    publisher = publish(url, messages)
    await asyncio.to_thread(publisher.wait)
    while not everyone[-1].ended:
        await layer.echo()
    await layer.aclose()
    return (everyone[-1].ended - everyone[0].began) / messages


async def bare_published(url: str, messages: int) -> float:
    """redis-py's own `publish`, each with its answer."""
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(url) as client:
        await client.publish(PREFIX, BODY)
        began = time.process_time()
        for _ in range(messages):
            await client.publish(PREFIX, BODY)
        return (time.process_time() - began) / messages


async def published(url: str, messages: int, tasks: int) -> float:
    """The layer's, by so many tasks at once, each of which waits for its answer."""
    layer = RedisLayer(url, prefix=PREFIX)

    async def some() -> None:
        for _ in range(messages // tasks):
            await layer.publish(publication())

    await layer.echo()
    began = time.process_time()
    await asyncio.gather(*(some() for _ in range(tasks)))
    took = time.process_time() - began
    await layer.aclose()
    return took / (messages // tasks * tasks)


def publish(url: str, messages: int) -> "subprocess.Popen[bytes]":
    """Another process publishes so many."""
    return subprocess.Popen([sys.executable, "-c", PUBLISHER, url, PREFIX, str(messages)])


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The server that was named, or one of our own."""
    if url is not None:
        yield url
        return
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not installed; name a server with --url")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        words = f"{program} --port {port} --bind 127.0.0.1 --appendonly no --dir {folder} --save"
        with subprocess.Popen([*words.split(), ""], stdout=subprocess.DEVNULL) as process:
            try:
                while not answers(port):
                    if process.poll() is not None:
                        raise SystemExit(f"redis-server ended with {process.returncode}")
                    time.sleep(0.02)
                yield f"redis://127.0.0.1:{port}"
            finally:
                process.terminate()


def answers(port: int) -> bool:
    """Is a server there?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            client.sendall(b"PING\r\n")
            return client.recv(1) == b"+"
    except OSError:
        return False
