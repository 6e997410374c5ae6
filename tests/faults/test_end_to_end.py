"""Real clients on real servers over a real Redis, and everything breaks: no message is lost silently, and none comes
twice.

Each case is counted, and the rows of all are printed as a table when the tests have run.
"""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import pytest

from tests.faults.account import Row, account
from tests.faults.app import FEW
from tests.faults.client import Client, Kind
from tests.faults.farm import Crowd, Farm, Node, running, until
from tests.faults.publisher import Sent
from tests.full import FULL

pytestmark = [pytest.mark.faults, pytest.mark.redis]

#: The last one runs on trio, where Redis is spoken to in a thread of its own.
SERVERS = ["uvicorn", "uvicorn", "hypercorn-trio"] if FULL else ["uvicorn", "uvicorn"]
TIMES = 3 if FULL else 1  # clients of each sort at each server
ROUNDS = 3 if FULL else 1
PAUSE = 0.02 if FULL else 0.005  # seconds between two messages
MIB = 1024 * 1024
GROWTH = 24 * MIB  # of a server process, whatever happens
KINDS: tuple[Kind, ...] = ("stream", "member", "plain")
SLOW: tuple[Kind, ...] = ("stream", "plain")


@pytest.fixture(scope="module")
def processes(redis_server: str) -> Iterator[Farm]:
    with running(redis_server, SERVERS, {"CHANX_TEST_HEARTBEAT_TIMEOUT": "3" if FULL else "1"}) as farm:
        yield farm


@pytest.fixture
def farm(processes: Farm) -> Farm:
    processes.start()
    return processes


#: How many keys would stay for ever.
LASTING = """
local found = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('PTTL', key) < 0 then found = found + 1 end
end
return found
"""


class Case:
    """One thing that breaks, its clients, and their account.

    Args:
        farm: the processes.
        name: what breaks.
        record: for the table.
        history: what the names of rooms with history begin with.
    """

    def __init__(self, farm: Farm, name: str, record: Callable[[str, object], None], history: str) -> None:
        self.farm, self.name = farm, name
        self.crowd = Crowd(farm, name, history)
        self._record = record
        self._processes: list[Any] = []
        self._memory: list[int] = []

    def begin(self, *, most: int = 1_000_000, **options: Any) -> None:
        """All clients are in: let the publisher begin."""
        self.crowd.wait_joined()
        self._processes = [node.server for node in self.farm.nodes]
        self._memory = self.farm.memory()
        self.crowd.begin(most=most, **options)
        if most:
            self.crowd.more(20)

    def end(self, *, sent: dict[str, Sent] | None = None, size: int = 0) -> dict[Kind, Row]:
        """Everything is accounted for, and memory is bounded; `sent`: publishing has ended before."""
        sent = self.crowd.end(sent)
        if self._processes == [node.server for node in self.farm.nodes]:
            redis = self.memory_bounded()
            assert redis < 8 * MIB + sum(len(one.at) * (size + 200) for one in sent.values()) * 1.5
        self.crowd.leave()
        return {kind: self.account(self.name, kind, some, sent) for kind in KINDS if (some := self.crowd.of(kind))}

    def memory_bounded(self) -> int:
        """No process has grown by more than it may; by how much Redis has."""
        *grown, redis = [now - before for now, before in zip(self.farm.memory(), self._memory, strict=True)]
        assert max(grown) < GROWTH, grown
        return redis

    def account(
        self, name: str, kind: Kind, clients: list[Client], sent: dict[str, Sent], *, dropping: bool = False
    ) -> Row:
        """One row: nothing was lost silently, nothing came twice, and nothing is missing in the account.

        Who counts no positions, and comes back to another process, may hear again what is just on its way there.
        """
        row, wrong = account(name, kind, clients, sent[self.crowd.rooms[kind]], dropping=dropping)
        self._record("faults", asdict(row))
        assert not wrong, "\n".join(wrong)
        assert row.silent == 0
        assert row.duplicated == 0 or kind != "stream"
        assert row.live + row.recovered + row.announced + row.dropped == row.expected > 0
        return row


Begin = Callable[..., Case]


@pytest.fixture
def begin(processes: Farm, record_property: Callable[[str, object], None]) -> Iterator[Begin]:
    """Begin a case."""
    with ExitStack() as stack:

        def made(name: str, history: str = "kept") -> Case:
            case = Case(processes, name, record_property, history)
            stack.enter_context(case.crowd)
            return case

        yield made


@pytest.mark.parametrize("durable", [True, False], ids=["that keeps its data", "that forgets all"])
def test_redis_is_restarted(farm: Farm, begin: Begin, durable: bool) -> None:
    case = begin(f"Redis is restarted, and {'keeps its data' if durable else 'forgets all'}")
    crowd, broker = case.crowd, farm.broker
    crowd.mixed(TIMES)
    case.begin(every=PAUSE, once=durable)
    for _ in range(ROUNDS):
        with crowd.breaking(crowd.of("plain")):
            broker.kill()
            until(lambda: not any(node.healthy() for node in farm.nodes))
            if not durable:
                broker.forget()
            broker.start()
    rows = case.end()
    if durable:
        assert rows["stream"].announced == rows["member"].announced == 0


@pytest.mark.parametrize("sync", [False, True], ids=["", "broadcast_sync"])
def test_subscribers_are_killed(farm: Farm, begin: Begin, sync: bool) -> None:
    case = begin("CLIENT KILL TYPE pubsub" + (", with broadcast_sync" if sync else ""))
    crowd = case.crowd
    crowd.mixed(TIMES)
    case.begin(every=PAUSE, once=True, sync=sync)
    for _ in range(ROUNDS):
        with crowd.breaking(crowd.of("plain")):
            assert farm.broker.command("CLIENT", "KILL", "TYPE", "pubsub") >= len(farm.nodes)
    rows = case.end()
    assert rows["stream"].announced == rows["member"].announced == 0


def test_the_link_of_one_process_is_a_black_hole(farm: Farm, begin: Begin) -> None:
    case = begin("the link of one process is a black hole")
    crowd = case.crowd
    crowd.mixed(TIMES)
    case.begin(every=PAUSE, once=True)
    for number in range(ROUNDS):
        node = farm.nodes[number % len(farm.nodes)]
        with crowd.breaking(crowd.at(number % len(farm.nodes), "plain")):
            node.proxy.halt()
            crowd.more(round(10 / PAUSE) if FULL else 20)
            until(lambda node=node: not node.healthy())  # type: ignore[misc]
            node.proxy.go_on()
    rows = case.end()
    assert rows["stream"].announced == 0
    if not FULL:  # else it may be more than a process asks for at once
        assert rows["member"].announced == 0


def test_more_is_missed_than_is_kept(farm: Farm, begin: Begin) -> None:
    case = begin("more is missed than is kept", "few")
    crowd = case.crowd
    crowd.mixed(TIMES)
    case.begin(every=0.004, once=True)
    for number in range(ROUNDS):
        home = number % len(farm.nodes)
        with crowd.breaking([*crowd.at(home, "member"), *crowd.at(home, "plain")]):
            farm.nodes[home].proxy.halt()
            crowd.more(FEW + 100)
            until(lambda home=home: not farm.nodes[home].healthy())  # type: ignore[misc]
            farm.nodes[home].proxy.go_on()
    rows = case.end()
    for kind in KINDS:
        assert rows[kind].announced >= 100


def test_nothing_comes_after_the_break(farm: Farm, begin: Begin) -> None:
    """Where a later message would show that one is missing, none is sent."""
    case = begin("nothing more is sent after a black hole")
    crowd, node = case.crowd, farm.nodes[0]
    for home in range(len(farm.nodes)):
        crowd.add("stream", home)
        crowd.add("member", home)
    case.begin(every=PAUSE, once=True)
    crowd.check()
    node.proxy.halt()
    crowd.more(20)
    sent = farm.publisher.end()
    until(lambda: not node.healthy())
    node.proxy.go_on()
    rows = case.end(sent=sent)
    assert rows["stream"].announced == rows["member"].announced == 0


def test_redis_throws_out_a_process_that_does_not_read(farm: Farm, begin: Begin) -> None:
    size = 16 * 1024
    case = begin("output-buffer kill of a process that is halted")
    crowd, broker = case.crowd, farm.broker
    broker.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 262144 0 0")
    crowd.mixed(TIMES)
    case.begin(every=PAUSE if FULL else 0.001, size=size, once=True)

    def hears(node: Node) -> bool:
        subscribers: str = broker.command("CLIENT", "LIST", "TYPE", "pubsub")
        ports = map(int, re.findall(r" addr=\S+:(\d+) ", subscribers))
        return any(port in node.proxy.beyond for port in ports)

    for number in range(ROUNDS):
        node = farm.nodes[number % len(farm.nodes)]
        with crowd.breaking(crowd.at(number % len(farm.nodes), "plain")):
            node.running.signal(signal.SIGSTOP)
            node.proxy.halt(forth=False)
            until(lambda node=node: not hears(node), "Redis throws it out")  # type: ignore[misc]
            node.proxy.go_on()
            node.running.signal(signal.SIGCONT)
    rows = case.end(size=size)
    assert rows["stream"].announced == 0


def test_clients_come_and_go(farm: Farm, begin: Begin) -> None:
    seed = int(os.environ.get("CHANX_SEED") or random.randrange(10**6))
    print(f"CHANX_SEED={seed}")  # noqa: T201 - shown when it fails
    case = begin("clients leave and return at random")
    crowd = case.crowd
    crowd.mixed(TIMES)
    case.begin(every=PAUSE if FULL else 0.002, once=True)
    crowd.roam(random.Random(seed))
    crowd.more(2000 if FULL else 300)
    crowd.stay()
    rows = case.end()
    assert rows["stream"].announced == 0
    assert rows["stream"].recovered > 0


def test_a_client_stops_reading(farm: Farm, begin: Begin) -> None:
    size, count, readers, chunk = (1024, 10_000, 99, 200) if FULL else (10 * 1024, 700, 10, 100)
    case = begin("clients stop reading")
    crowd = case.crowd
    for number in range(readers):
        crowd.add(KINDS[number % 3], number)
    slow = {
        (kind, path): crowd.add(kind, 0, path, receive_buffer=4096)
        for kind in ("stream", "plain")
        for path in ("/strict", "/dropping")
    }
    reading = [one for one in crowd.clients if one not in slow.values()]
    node = farm.nodes[0]
    case.begin(most=0, size=size)
    logged, before = len(node.running.log), node.stats()
    crowd.call(*(one.pause for one in slow.values()))
    for most in range(chunk, count + 1, chunk):
        farm.publisher.allow(most)
        crowd.wait_heard(reading, most)
    case.memory_bounded()
    counted = node.stats()
    log = node.running.log[logged:]
    since = {one: len(one.log) for (_, path), one in slow.items() if path == "/strict"}
    crowd.call(*(one.go_on for one in slow.values()))
    for one, at in since.items():
        until(lambda one=one, at=at: one.told_since(at) and one.joined, f"{one.name} is back")  # type: ignore[misc]
    farm.publisher.allow(count + 20)
    sent = crowd.end(farm.publisher.end(at_once=False))
    crowd.leave()
    for kind in KINDS:
        row = case.account("others stop reading", kind, [one for one in reading if one.kind == kind], sent)
        assert row.live == row.expected
    strict = {kind: case.account("stops reading, and is closed", kind, [slow[kind, "/strict"]], sent) for kind in SLOW}
    drops = {
        kind: case.account("stops reading, drop_oldest", kind, [slow[kind, "/dropping"]], sent, dropping=True)
        for kind in SLOW
    }
    told = re.findall(r"closed with 1013, (\d+) frames dropped", log)
    assert len(told) == counted["strict"]["slow_closed"] - before["strict"]["slow_closed"] == 2
    assert sum(map(int, told)) == counted["strict"]["frames_dropped"] - before["strict"]["frames_dropped"]
    assert sum(map(int, told)) <= sum(row.announced + row.recovered for row in strict.values())
    # A stream finds that it does not get what comes next, and asks for it; or it is told where it stands.
    jumped = sum(seq - last - 1 for last, seq in slow["stream", "/dropping"].jumps)
    assert drops["stream"].recovered + drops["stream"].announced >= jumped
    missed = drops["plain"].dropped + (jumped or drops["stream"].announced)
    assert missed == counted["dropping"]["frames_dropped"] - before["dropping"]["frames_dropped"] > 0
    assert log.count("what is oldest is dropped") == 2
    assert all(counted["chat"][name] == before["chat"][name] for name in ("frames_dropped", "slow_closed"))
    if not FULL:  # else it has missed more than one recovery brings
        assert strict["stream"].announced == 0


def test_a_process_is_killed(farm: Farm, begin: Begin) -> None:
    case = begin("kill -9 of one process")
    crowd = case.crowd
    crowd.mixed(TIMES)
    case.begin(every=PAUSE, once=True)
    for number in range(ROUNDS):
        farm.start()
        node = farm.nodes[number % len(farm.nodes)]
        with crowd.breaking(crowd.at(number % len(farm.nodes))):
            node.kill()
    rows = case.end()
    assert rows["stream"].announced == 0


def test_all_are_killed_and_leave_nothing(processes: Farm, begin: Begin) -> None:
    farm = processes
    if not farm.ports():
        farm.start()
    case = begin("kill -9 of all")
    case.crowd.mixed(1)
    case.begin(every=PAUSE, once=True)
    assert set(farm.broker.subscriptions("chanx:group:").values()) == {len(farm.ports())}
    for node in farm.nodes:
        node.kill()
    until(lambda: not farm.broker.subscriptions("chanx:group:"), "all subscriptions are gone")
    farm.publisher.end()
    until(lambda: not farm.broker.subscriptions(""), "and those of the publisher")
    keys: list[str] = farm.broker.command("KEYS", "*")
    assert {":".join(key.split(":")[:2]) for key in keys} == {"chanx:count", "chanx:history", "chanx:once"}
    assert farm.broker.command("EVAL", LASTING, 0) == 0
    case.crowd.leave()
