"""What a connection costs beside its messages: to come and go, to stay, and to have the application there at all.

Three tables, each against a limit of its own. All of it is asyncio, in process or in a process for each contestant.
"""

import asyncio
import gc
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from time import process_time

from benchmarks import held, started
from benchmarks.dispatch import environment, order
from benchmarks.lives import LIVES, Life
from benchmarks.table import lines, rows
from benchmarks.wire import App, Event, UnansweredError, scope

PARTS = ("connect", "memory", "start")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=41, help="rounds of `connect` and `start`; the median is printed")
    parser.add_argument("--connections", type=int, default=300, help="connections of each contestant in each round")
    parser.add_argument("--held", type=int, default=5000, help="connections that are open at once")
    parser.add_argument("--part", choices=PARTS, help="only one of the three tables")
    parser.add_argument("--quick", action="store_true", help="every row, from too little to mean anything")


def run(arguments: Namespace) -> int:
    quick: bool = arguments.quick
    rounds, connections, amount = (2, 10, 20) if quick else (arguments.rounds, arguments.connections, arguments.held)
    print(environment("asyncio"))
    if arguments.part in (None, "connect"):
        print(f"\nCPU time to connect and to disconnect, median of {rounds} rounds of {connections} connections")
        costs = asyncio.run(race(LIVES, rounds, connections))
        print("\n".join(lines(rows(LIVES, costs), "µs", 2)))
    if arguments.part in (None, "memory"):
        print(f"\nMemory of an open connection (tracemalloc, {amount} open ones, a process for each contestant)")
        print("\n".join(held.table(amount)))
    if arguments.part in (None, "start"):
        rounds = 1 if quick else rounds
        print(f"\nCPU time of a process that starts an application, median of {rounds} rounds")
        print("\n".join(started.table(rounds, warm_up=not quick)))
    return 0


async def race(lives: Sequence[Life], rounds: int, connections: int) -> dict[str, tuple[float, ...]]:
    """Microseconds per connection by contestant, one value for each round."""
    apps = {life.name: life.build() for life in lives}
    costs: dict[str, list[float]] = {name: [] for name in apps}
    gc.collect()
    gc.freeze()
    for number in range(-2, rounds):  # the first two warm up the interpreter's specialised code
        for name in order(tuple(apps), number):
            gc.collect()
            cost = await timed(apps[name], connections)
            if number >= 0:
                costs[name].append(cost * 1e6)
    gc.unfreeze()
    return {name: tuple(values) for name, values in costs.items()}


async def timed(app: App, connections: int) -> float:
    """CPU seconds for each of so many connections, one after another: a scope, a task, connect, accept, disconnect.

    Raises:
        UnansweredError: one was not accepted.
    """
    loop = asyncio.get_running_loop()
    accepted = 0

    def connect() -> asyncio.Task[None]:
        events = iter(({"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000, "reason": ""}))

        async def receive() -> Event:
            return next(events)

        async def send(event: Event) -> None:
            nonlocal accepted
            accepted += event["type"] == "websocket.accept"

        return loop.create_task(app(scope(), receive, send))  # type: ignore[arg-type]

    start = process_time()
    tasks = [connect() for _ in range(connections)]
    await asyncio.sleep(0)  # each runs to its end in its first turn, unless it suspends
    if not all(task.done() for task in tasks):
        await asyncio.wait(tasks)
    stop = process_time()
    for task in tasks:
        task.result()
    if accepted != connections:
        raise UnansweredError(f"{accepted} of {connections} connections were accepted")
    for _ in range(3):  # what a contestant left to do in the background is not for the next one to pay
        await asyncio.sleep(0)
    return (stop - start) / connections
