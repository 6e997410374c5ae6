"""Everything that the end-to-end tests break: a Redis server, server processes that reach it through a proxy each, and
crowds of clients.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, Self

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests import brokers
from tests.brokers import Broker
from tests.faults.client import Client, Kind, Mark
from tests.faults.proxy import Proxy
from tests.faults.publisher import Publisher, Sent
from tests.servers import Server, serve

PATIENCE = 60.0

#: A client that does not read answers no pings either, and is to be thrown out by nobody but chanx.
NO_PINGS = ("--ws-ping-interval", "3600", "--ws-ping-timeout", "3600")

SORTS: tuple[tuple[Kind, str], ...] = (
    ("stream", "/chat"),
    ("member", "/chat"),
    ("plain", "/chat"),
    ("plain", "/closing"),
)

#: What is appended to the file is with the kernel before anybody hears of it, so killing Redis loses nothing.
DURABLE = ("--appendonly", "yes", "--appendfsync", "no")


def until(condition: Callable[[], Any], what: str = "") -> None:
    """Wait for what happens in another process, or on another thread.

    Raises:
        AssertionError: it does not.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


class Node:
    """One server process, and its way to Redis.

    Args:
        name: of the server, a key of `tests.servers.SERVERS`.
        broker: the Redis server.
        env: of its environment.
    """

    def __init__(self, name: str, broker: Broker, env: Mapping[str, str]) -> None:
        self.name = name
        self.proxy = Proxy(broker.port)
        self._env = {**env, "CHANX_TEST_REDIS": self.proxy.url}
        self._stack = ExitStack()
        self.server: Server | None = None

    def start(self) -> None:
        """Run it, unless it runs."""
        if self.server is None:
            options = NO_PINGS if self.name == "uvicorn" else ()
            self.server = self._stack.enter_context(serve(self.name, "tests.faults.app:app", *options, env=self._env))
            until(self.healthy, "the link of a new process")

    def kill(self) -> None:
        """As `kill -9` does."""
        if self.server is not None:
            self.running.stopped = True
            self.running.kill_all()
            self._stack.close()
            self.server = None

    def close(self) -> None:
        self.kill()
        self.proxy.close()

    @property
    def running(self) -> Server:
        assert self.server is not None
        return self.server

    def stats(self) -> dict[str, Any]:
        """What its channels have counted."""
        told: dict[str, Any] = httpx.get(self.running.http("/stats"), trust_env=False, verify=False, timeout=30).json()
        return told

    def healthy(self) -> bool:
        """Is its link up?"""
        return bool(self.stats()["healthy"])


class Farm:
    """All processes; those that a test has killed are started again for the next one.

    Args:
        redis_server: the path of the program.
        names: of the servers, one for each process.
        env: of their environment.
    """

    def __init__(self, redis_server: str, names: Iterable[str], env: Mapping[str, str]) -> None:
        self._stack = ExitStack()
        self.broker: Broker = self._enter(brokers.broker(redis_server, *DURABLE))
        self.nodes = [Node(name, self.broker, env) for name in names]
        for node in self.nodes:
            self._stack.callback(node.close)
        self.portal: BlockingPortal = self._enter(start_blocking_portal("asyncio"))
        self.publisher: Publisher = self._enter(Publisher(self.broker.url))

    def _enter(self, manager: AbstractContextManager[Any]) -> Any:
        return self._stack.enter_context(manager)

    def start(self) -> None:
        """Let all run."""
        for node in self.nodes:
            node.start()

    def abandon(self) -> None:
        """A test has failed amid of what it broke: end all that it may have left, and begin anew."""
        self.publisher.close()
        for node in self.nodes:
            node.kill()
            node.proxy.go_on()
            node.proxy.cut()
        self.broker.kill()
        self.broker.start()
        self.publisher = self._enter(Publisher(self.broker.url))

    def close(self) -> None:
        self._stack.close()

    def ports(self) -> list[int]:
        """Of the processes that run."""
        return [node.server.port for node in self.nodes if node.server is not None]

    def healthy(self) -> bool:
        """Are all links up?"""
        return all(node.healthy() for node in self.nodes if node.server is not None)

    def memory(self) -> list[int]:
        """Bytes in use by each process that runs, and by Redis."""
        used: Any = self.broker.command("INFO", "memory")
        return [*(node.running.memory() for node in self.nodes if node.server), int(used["used_memory"])]


class Crowd:
    """The clients of one case, and what they are sent.

    Args:
        farm: where they connect.
        case: what the case is called.
        history: what the names of rooms with history begin with.
    """

    def __init__(self, farm: Farm, case: str, history: str) -> None:
        self.farm = farm
        self.case = case
        self.clients: list[Client] = []
        word = case.replace(" ", "-")
        self.rooms = {"stream": f"{history}:{word}", "member": f"{history}:{word}", "plain": f"plain:{word}"}
        self._runs: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._runs:  # it has not come to its end
            self.farm.abandon()
            self.leave()

    def add(self, kind: Kind, home: int, path: str = "/chat", **options: Any) -> Client:
        """One more client; `options` are those of `Client`."""
        name = f"{kind} {len(self.clients)} at {home} {path}"

        async def make() -> Client:
            return Client(name, kind, self.rooms[kind], path, self.farm.ports, home, **options)

        client = self.farm.portal.call(make)
        self.clients.append(client)
        self._runs.append(self.farm.portal.start_task_soon(client.run))
        return client

    def mixed(self, times: int) -> None:
        """So many of each sort at each process."""
        for home in range(len(self.farm.ports())):
            for kind, path in SORTS:
                for _ in range(times):
                    self.add(kind, home, path)
        self.wait_joined()

    def wait_joined(self) -> None:
        """Wait until all are in."""
        until(lambda: all(one.joined for one in self.clients), "all clients are in")

    def of(self, kind: Kind) -> list[Client]:
        """Those of one kind."""
        return [one for one in self.clients if one.kind == kind]

    def at(self, home: int, kind: Kind | None = None) -> list[Client]:
        """Those that are at one process."""
        port = self.farm.ports()[home]
        return [one for one in self.clients if one.port == port and kind in (None, one.kind)]

    def call(self, *functions: Callable[[], None]) -> None:
        """Call these on the loop of the clients."""
        for function in functions:
            self.farm.portal.call(function)

    def roam(self, chance: random.Random) -> None:
        """Everybody leaves and returns at random."""
        self.call(*(partial(one.roam, random.Random(chance.random())) for one in self.clients))

    def stay(self) -> None:
        """Nobody leaves any more."""
        self.call(*(one.stay for one in self.clients))

    @contextmanager
    def breaking(self, told: Iterable[Client]) -> Iterator[None]:
        """Everybody has had everything; then something breaks, is mended in the block, and these are told of a gap."""
        self.check()
        since = {one: len(one.log) for one in told}
        yield
        for one, at in since.items():
            until(lambda one=one, at=at: one.told_since(at), f"{one.name} is told")  # type: ignore[misc]
        until(self.farm.healthy, "all links are up")
        self.more(20)

    def begin(self, **options: Any) -> None:
        """Let the publisher publish; see `Publisher.begin`."""
        rooms = list(dict.fromkeys(self.rooms[one.kind] for one in self.clients))
        self.farm.publisher.begin(rooms, **options)

    def more(self, count: int) -> None:
        """Wait until so many more have been published."""
        mark = self.farm.publisher.reached() + count
        until(lambda: self.farm.publisher.reached() >= mark, "the publisher goes on")

    def check(self) -> None:
        """Wait until everybody has had what was published up to now, and mark the place: what breaks, breaks later."""
        number = self.farm.publisher.reached()
        self.wait_heard(self.clients, number)
        for one in self.clients:
            one.log.append(Mark(number))

    def end(self, sent: dict[str, Sent] | None = None) -> dict[str, Sent]:
        """Let the publisher end, unless that is what it has `sent`, and everybody hear it out."""
        self.wait_joined()  # who is in from here on, hears the last one
        if sent is None:
            self.more(1)
            sent = self.farm.publisher.end()
        for kind in ("stream", "member", "plain"):
            some = [one for one in self.clients if one.kind == kind]
            if some:
                self.wait_heard(some, max(sent[self.rooms[kind]].at))
        return sent

    def wait_heard(self, clients: Iterable[Client], number: int) -> None:
        """Wait until these have had a number."""
        for one in clients:
            until(lambda one=one: one.last >= number, f"{one.name} hears {number}")  # type: ignore[misc]

    def leave(self) -> None:
        """Let all leave."""
        for one in self.clients:
            self.farm.portal.start_task_soon(one.stop)
        for run in self._runs:
            run.result(PATIENCE)
        self._runs.clear()


@contextmanager
def running(redis_server: str, names: Iterable[str], env: Mapping[str, str]) -> Iterator[Farm]:
    """A farm, until the block ends."""
    farm = Farm(redis_server, names, env)
    try:
        yield farm
    finally:
        farm.close()
