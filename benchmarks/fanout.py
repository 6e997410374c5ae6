"""CPU time of a broadcast, for each member.

The contestants of a heat take turns, as those of `dispatch` do, and a row's ratio is the median of the rounds. A turn
is some broadcasts, each sent to the last member before the next begins, and then a short sleep within the clock:
whatever is left to do in the background is paid by who left it. Sleeping takes no CPU time.
"""

import gc
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from time import process_time

import anyio

from benchmarks import backend
from benchmarks.backend import BackendName
from benchmarks.consumers import CHANNELS
from benchmarks.crowds import (
    WRITERS,
    ChannelsConsumers,
    Consumers,
    Crowd,
    Loop,
    Members,
    OldConsumers,
    Sends,
    StructuredConsumers,
)
from benchmarks.dispatch import environment, order
from benchmarks.table import Row, lines, rows

SIZES = (10, 100, 1_000, 10_000)
WRITERS_TARGET = 1.3
LOOP_TARGET = 2.2
CONSUMERS_TARGET = 3.0
MOST_CHANNELS = 1_000  # members of its layer in memory: the cost of each grows with them
REST = 0.07  # seconds; longer than two of the looks that chanx takes at busy connections


@dataclass(frozen=True, slots=True)
class Contestant:
    """A row of the table; `name` also says whose costs these are."""

    name: str
    limit: str | None = None
    target: float | None = None
    added_to: str | None = None


@dataclass(frozen=True, slots=True)
class Heat:
    """So many members, whose `send`s only count, or also make the bytes of a WebSocket frame."""

    size: int
    framing: bool

    @property
    def name(self) -> str:
        return f"{self.size:,} members, {'framed' if self.framing else 'counted'}"

    @property
    def loop(self) -> str:
        return f"bare loop, {self.name}"

    @property
    def writers(self) -> str:
        return f"writers, {self.name}"

    @property
    def chanx(self) -> str:
        return f"chanx, {self.name}"

    @property
    def again(self) -> str:
        return f"{self.chanx}, beside the loop"

    @property
    def consumers(self) -> str:
        return f"JSON consumers, {self.name}"

    @property
    def structured(self) -> str:
        return f"chanx 2.x consumers, {self.name}"

    @property
    def old(self) -> str:
        return f"chanx 0.12 consumers, {self.name}"

    @property
    def channels(self) -> str:
        return f"Channels' JSON consumers, {self.name}"

    def contestants(self, name: BackendName) -> Iterator[Contestant]:
        yield Contestant(self.loop)
        yield Contestant(self.writers, self.loop)
        yield Contestant(self.chanx, self.writers, WRITERS_TARGET)
        # A task alone costs several sends that do nothing, and before Python 3.12 it cannot be started at once.
        judged = self.framing and name == "asyncio" and sys.version_info >= (3, 12)
        yield Contestant(self.again, self.loop, LOOP_TARGET if judged else None)
        yield Contestant(self.consumers, self.chanx, CONSUMERS_TARGET if name == "asyncio" else None)
        if name == "asyncio":
            yield Contestant(self.structured, self.chanx, CONSUMERS_TARGET)
            yield Contestant(self.old, self.chanx, CONSUMERS_TARGET)
        if self.has_channels(name):
            yield Contestant(self.channels, self.chanx)

    def has_channels(self, name: BackendName) -> bool:
        """Is Django Channels there, and are the members not so many that it would never end?"""
        return CHANNELS and name == "asyncio" and self.size <= MOST_CHANNELS


HEATS = tuple(Heat(size, framing) for framing in (False, True) for size in SIZES)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--backend", choices=tuple(backend.BACKENDS), default="asyncio")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each heat; the median of them is printed")
    parser.add_argument("--sends", type=int, default=10_000, help="sends of each contestant in each round, at least")
    parser.add_argument("--heat", default="", help="run only heats whose name contains this")
    parser.add_argument("--quick", action="store_true", help="few members and few sends, to see that it runs")


def run(arguments: Namespace) -> int:
    rounds, sends = (2, 20) if arguments.quick else (arguments.rounds, arguments.sends)
    name: BackendName = arguments.backend
    chosen = [heat for heat in HEATS if arguments.heat in heat.name and not (arguments.quick and heat.size > 100)]
    print(environment(name))
    print(f"CPU time for each member of a broadcast, median of {rounds} rounds of {sends} sends")
    table: list[Row] = []
    for heat in chosen:
        costs = backend.run(name, partial(race, heat, name, rounds, sends))
        table += rows(heat.contestants(name), costs)
    print("\n".join(lines(table, "µs", 2)))
    return 0


async def race(heat: Heat, name: BackendName, rounds: int, sends: int) -> dict[str, tuple[float, ...]]:
    """Microseconds per send by contestant, one value for each round."""
    crowds: dict[str, Crowd] = {
        heat.loop: Loop(Sends(framing=heat.framing)),
        heat.writers: WRITERS[name](Sends(framing=heat.framing)),
        heat.chanx: Members(Sends(framing=heat.framing)),
        heat.consumers: Consumers(Sends(framing=heat.framing)),
    }
    if name == "asyncio":
        crowds[heat.structured] = StructuredConsumers(Sends(framing=heat.framing))
        crowds[heat.old] = OldConsumers(Sends(framing=heat.framing))
    if heat.has_channels(name):
        crowds[heat.channels] = ChannelsConsumers(Sends(framing=heat.framing))
    costs: dict[str, list[float]] = {contestant: [] for contestant in crowds}
    async with anyio.create_task_group() as tasks:
        for crowd in crowds.values():
            await crowd.open(tasks, heat.size)
        gc.collect()
        gc.freeze()  # what was built is no garbage, and need not be looked at in each collection
        for number in range(-2, rounds):  # the first two warm up the interpreter's specialised code
            for contestant in order(tuple(crowds), number):
                gc.collect()
                amount = sends // 10 if contestant == heat.channels else sends  # so as not to wait for it for minutes
                cost = await timed(crowds[contestant], name, heat.size, max(1, amount // heat.size))
                if number >= 0:
                    costs[contestant].append(cost * 1e6)
        gc.unfreeze()
        for crowd in crowds.values():
            crowd.close()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    costs[heat.again] = costs[heat.chanx]
    return {contestant: tuple(values) for contestant, values in costs.items()}


async def timed(crowd: Crowd, name: BackendName, members: int, broadcasts: int) -> float:
    """CPU seconds for each send."""
    turn, sends = backend.BACKENDS[name], crowd.sends
    start = process_time()
    for _ in range(broadcasts):
        expected = sends.sent + members
        await crowd.publish()
        while sends.sent < expected:
            await turn()
    await anyio.sleep(REST)
    return (process_time() - start) / (broadcasts * members)
