"""CPU time per message.

Within a heat the contestants take turns: in each round every one runs one connection with some hundred messages, the
next round starts one further down the list, and every second round goes backwards. A row's ratio is the median over
the rounds of (its time : its limit's time in the same round), so that a machine that slows down for a while moves
both. Garbage is collected before each run and never switched off: what a contestant leaves behind it pays for.
"""

import gc
import platform
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import TypeVar

from benchmarks import backend
from benchmarks.contestants import Contestant, Heat, heats
from benchmarks.table import Row, lines, rows
from benchmarks.wire import App, Pause, timed

T = TypeVar("T")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--backend", choices=tuple(backend.BACKENDS), default="asyncio")
    parser.add_argument("--rounds", type=int, default=41, help="rounds of each heat; the median of them is printed")
    parser.add_argument("--messages", type=int, default=1000, help="messages of each contestant in each round")
    parser.add_argument("--heat", default="", help="run only heats whose name contains this")
    parser.add_argument("--quick", action="store_true", help="every row, from too few messages to mean anything")


def run(arguments: Namespace) -> int:
    rounds, messages = (2, 20) if arguments.quick else (arguments.rounds, arguments.messages)
    loop: backend.BackendName = arguments.backend
    turn = backend.BACKENDS[loop]
    known = heats(turn)
    chosen = [heat for heat in known if arguments.heat in heat.name]
    if not chosen:
        names = ", ".join(heat.name for heat in known)
        print(f"no heat has {arguments.heat!r} in its name; there are: {names}", file=sys.stderr)
        return 2
    print(environment(loop))
    print(f"CPU time per message, median of {rounds} rounds of {messages} messages")
    table = backend.run(loop, partial(race_all, chosen, rounds, messages, turn))
    print("\n".join(lines(table, "µs", 2)))
    return 0


def environment(loop: str) -> str:
    """What a number depends on besides the code."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("pydantic", "msgspec", "starlette", "fastapi"))
    return f"{platform.python_implementation()} {platform.python_version()}, {loop}, {packages}"


async def race_all(chosen: Sequence[Heat], rounds: int, messages: int, turn: Pause) -> list[Row]:
    """Every heat, one after another; the rows of all of them."""
    table: list[Row] = []
    for heat in chosen:
        costs = await race(heat, rounds, messages, turn)
        table += rows(heat.contestants, costs)
    return table


async def race(heat: Heat, rounds: int, messages: int, turn: Pause) -> dict[str, tuple[float, ...]]:
    """Microseconds per message by contestant, one value for each round."""
    apps = {contestant: contestant.build() for contestant in heat.contestants}
    costs: dict[str, list[float]] = {contestant.name: [] for contestant in apps}
    gc.collect()
    gc.freeze()  # what was built is no garbage, and need not be looked at in each collection
    for number in range(-2, rounds):  # the first two warm up the interpreter's specialised code
        for contestant in order(heat.contestants, number):
            cost = await race_one(contestant, apps[contestant], messages, turn)
            if number >= 0:
                costs[contestant.name].append(cost * 1e6)
    gc.unfreeze()
    return {name: tuple(values) for name, values in costs.items()}


async def race_one(contestant: Contestant, app: App, messages: int, turn: Pause) -> float:
    gc.collect()
    cost = await timed(app, contestant.frames, messages // 5, messages, contestant.pause)
    for _ in range(3):  # whatever a contestant left to do in the background is not for the next one to pay
        await turn()
    return cost


def order(contestants: Sequence[T], number: int) -> list[T]:
    """Whose turn it is in a round: each starts as often as any other, and follows different ones."""
    start = number // 2 % len(contestants)
    turned = [*contestants[start:], *contestants[:start]]
    return turned[::-1] if number % 2 else turned
