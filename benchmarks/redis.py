"""Groups across processes: two servers, a publisher and clients, beside redis-py used bare and beside peers.

What is measured is the CPU time of the servers for each message that a member gets, the time from its publication until
its member has it, and the commands that Redis was given. Contestants take turns.
"""

import asyncio
import os
import resource
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks import link
from benchmarks.across.contestants import AGAIN, CHANX, KEPT, LIMIT, OURS, PEERS, ROOT, Contestant, install, interpreter
from benchmarks.across.heat import OPTIONS, FailedError, Load, Result, race
from benchmarks.dispatch import environment

DELIVERIES = 10_000  # a second, for every number of members: a part of what the limit can do on one core
HEADINGS = ("contestant", "µs", "ratio", "spread", "p50 ms", "p99 ms", "ratio", "spread", "delivered", "Redis commands")
TARGET, TARGET_P99, TARGET_KEPT = 1.7, 1.5, 1.5


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--url", help="of a Redis server, which is emptied; one is started where it is left out")
    parser.add_argument("--members", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long is published in each round")
    parser.add_argument("--rate", type=float, help=f"broadcasts a second; {DELIVERIES} / members where it is left out")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds to wait for what has not come by then")
    parser.add_argument("--only", nargs="+", default=[""], help="the limit, and who has one of these in his name")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers", help="the folder of their environments")
    parser.add_argument("--install", action="store_true", help="make the environments of the peers, with pip")
    parser.add_argument("--link", action="store_true", help="measure the link to Redis alone, in one process")
    parser.add_argument("--messages", type=int, default=20_000, help="of --link")
    parser.add_argument("--quick", action="store_true", help="too few messages to mean anything, and no peers")


def run(arguments: Namespace) -> int:
    if arguments.link:
        return link.run(arguments)
    if arguments.install:
        install(arguments.peers)
    with link.server(arguments.url) as url:
        return asyncio.run(races(arguments, url))


async def races(arguments: Namespace, url: str) -> int:
    raise_file_limit()
    rounds, sizes = (1, [6]) if arguments.quick else (arguments.rounds, arguments.members)
    print(environment("asyncio"))
    versions = ", ".join(f"{name} {version(name)}" for name in ("redis", "hiredis", "uvicorn", "websockets"))
    print(f"{versions}; {len(os.sched_getaffinity(0))} cores; uvicorn {OPTIONS}")
    chosen = [one for one in contestants(arguments) if one is LIMIT or any(part in one.name for part in arguments.only)]
    for members in sizes:
        rate = arguments.rate or DELIVERIES / members
        load = Load(members, round(rate * arguments.seconds), rate, arguments.patience)
        if arguments.quick:
            load = Load(members, 20, 100, arguments.patience)
        print(f"\n{members} members, {load.broadcasts} broadcasts, {load.rate:g} a second, {rounds} rounds", flush=True)
        results = await rounds_of(chosen, load, rounds, url, arguments.peers)
        print("\n".join(lines([one for one in chosen if results[one]], results)))
        print("\n".join(verdicts(results)), flush=True)
    return 0


def contestants(arguments: Namespace) -> Iterable[Contestant]:
    """Ours, and the peers whose environments are there."""
    yield from OURS
    if arguments.quick:
        return
    for one in PEERS:
        if interpreter(one, arguments.peers).exists():
            yield one
        else:
            print(f"{one.name}: not there; --install makes its environment, with pip", file=sys.stderr)


async def rounds_of(
    chosen: Sequence[Contestant], load: Load, rounds: int, url: str, environments: Path
) -> dict[Contestant, list[Result]]:
    """The results of each round. Every second round goes backwards; who fails is told, and is out."""
    results: dict[Contestant, list[Result]] = {one: [] for one in chosen}
    out: set[Contestant] = set()
    for number in range(rounds):
        for one in chosen if number % 2 == 0 else chosen[::-1]:
            if one in out:
                continue
            try:
                results[one].append(await race(one, load, url, environments))
            except FailedError as error:
                out.add(one)
                results[one] = []
                print(f"{one.name} failed: {error}", file=sys.stderr, flush=True)
    return results


def ratios(mine: Sequence[Result], limit: Sequence[Result], what: str) -> list[float]:
    """Round by round."""
    return [getattr(one, what) / getattr(least, what) for one, least in zip(mine, limit, strict=True)]


def lines(chosen: Sequence[Contestant], results: dict[Contestant, list[Result]]) -> list[str]:
    """The table."""
    limit = results[LIMIT]
    if not limit:
        raise SystemExit("without the limit there is nothing to compare with")
    cells: list[Sequence[str]] = [HEADINGS]
    for one in chosen:
        mine = results[one]
        cost, p99 = ratios(mine, limit, "cost"), ratios(mine, limit, "p99")
        cells.append(
            (
                one.name,
                f"{median(result.cost for result in mine) * 1e6:.1f}",
                f"{median(cost):.2f}",
                spread(cost) if one is not LIMIT else "",
                f"{median(result.p50 for result in mine) * 1e3:.1f}",
                f"{median(result.p99 for result in mine) * 1e3:.1f}",
                f"{median(p99):.2f}",
                spread(p99) if one is not LIMIT else "",
                delivered(mine),
                commands(mine[-1]),
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    last = len(HEADINGS) - 1
    text = [
        "  ".join(
            cell.rjust(width) if 0 < place < last else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return [text[0], "-" * max(map(len, text)), *text[1:]]


def spread(values: Sequence[float]) -> str:
    """Half of the distance between the least and the greatest; there are few rounds."""
    return f"±{(max(values) - min(values)) / 2:.2f}"


def delivered(results: Sequence[Result]) -> str:
    """The least of the rounds; rounded down, so that 100 % is all."""
    least = min(result.delivered for result in results)
    again = sum(result.duplicates for result in results)
    return f"{int(least * 1000) / 10:g} %" + (f", {again} twice" if again else "")


def commands(result: Result) -> str:
    """What Redis was given for each broadcast, the most frequent first; what a script calls is counted, too."""
    counted = sorted(((count, name) for name, count in result.commands.items() if count >= 0.05), reverse=True)
    return ", ".join(f"{count:.2f} {name}" for count, name in counted)


def verdicts(results: dict[Contestant, list[Result]]) -> Iterable[str]:
    """What the project holds itself to."""
    yield ""
    for one, what, limit, target in (
        (CHANX, "cost", LIMIT, TARGET),
        (CHANX, "p99", LIMIT, TARGET_P99),
        (KEPT, "cost", CHANX, TARGET_KEPT),
    ):
        if results.get(one) and results.get(limit):
            got = median(ratios(results[one], results[limit], what))
            verdict = "ok" if got <= target else "over"
            yield f"target: {what} of {one.name} : that of {limit.name} = {got:.2f}, at most {target:.2f}: {verdict}"
    if results.get(AGAIN):
        noise = median(ratios(results[AGAIN], results[LIMIT], "cost"))
        yield f"noise: the limit once more is {noise:.2f} of itself"


def raise_file_limit() -> None:
    """Each connection is an open file, of the clients' process and of a server's; who is started gets this limit."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
