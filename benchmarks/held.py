"""How much memory an open connection takes, as `tracemalloc` counts it: what Python allocates, and nothing else.

Started as `python -m benchmarks.held CONNECTIONS MESSAGES NAME...`, it forks for each contestant that is named and
prints the bytes for each of its connections that are open at once, the server's side of the benchmark included. What
the bare loop takes is subtracted.
"""

import asyncio
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from functools import partial

from benchmarks.forked import fork
from benchmarks.lives import BARE, LIVES, Life
from benchmarks.messages import frames
from benchmarks.wire import App, Event, scope

HEADINGS: tuple[str, ...] = ("contestant", "bytes", "above", "target", "")


def table(connections: int) -> list[str]:
    """The lines of the table."""
    cells: list[tuple[str, ...]] = [HEADINGS]
    for messages, when in ((0, ""), (1, ", after a message")):
        lives = [life for life in LIVES if life.limit == BARE and not life.name.startswith(BARE)]
        if messages:
            lives = [life for life in lives if life.memory_target is not None]
        least, *costs = measured([BARE, *(life.name for life in lives)], connections, messages)
        for life, cost in zip(lives, costs, strict=True):
            above, target = cost - least, None if messages else life.memory_target
            verdict = "" if target is None else "ok" if above <= target else "over"
            cells.append((life.name + when, f"{cost:.0f}", f"{above:.0f}", f"{target or ''}", verdict))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = [
        "  ".join(
            cell.rjust(width) if place in (1, 2, 3) else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return [text[0], "-" * max(map(len, text)), *text[1:]]


def measured(names: Sequence[str], connections: int, messages: int) -> list[float]:
    """Bytes for each connection of each contestant, in a process of its own.

    Raises:
        SystemExit: such a process failed.
    """
    command = [sys.executable, "-m", "benchmarks.held", str(connections), str(messages), *names]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise SystemExit(f"{child.stdout}{child.stderr}the memory of connections could not be measured")
    return [float(line) for line in child.stdout.splitlines()]


async def hold(app: App, connections: int, messages: int) -> float:
    """Bytes for each of so many connections that are open and wait for a frame."""
    loop = asyncio.get_running_loop()
    texts = frames(10)

    def connect(gate: asyncio.Future[None]) -> asyncio.Task[None]:
        taken = -1

        async def receive() -> Event:
            nonlocal taken
            taken += 1
            if taken == 0:
                return {"type": "websocket.connect"}
            if taken <= messages:
                return {"type": "websocket.receive", "text": texts[taken % len(texts)]}
            await gate
            return {"type": "websocket.disconnect", "code": 1000, "reason": ""}

        async def send(event: Event) -> None:
            """What is sent is thrown away."""

        return loop.create_task(app(scope(), receive, send))  # type: ignore[arg-type]

    async def crowd(amount: int) -> tuple[asyncio.Future[None], list[asyncio.Task[None]]]:
        gate = loop.create_future()
        tasks = [connect(gate) for _ in range(amount)]
        await asyncio.sleep(0.2)  # a connection is watched for a moment after it was busy
        return gate, tasks

    async def leave(gate: asyncio.Future[None], tasks: list[asyncio.Task[None]]) -> None:
        gate.set_result(None)
        await asyncio.gather(*tasks)

    await leave(*await crowd(10))  # what is made once
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    gate, tasks = await crowd(connections)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if any(task.done() for task in tasks):
        raise SystemExit("a connection has ended by itself")
    await leave(gate, tasks)
    return (after - before) / connections


def show(life: Life, connections: int, messages: int) -> None:
    print(asyncio.run(hold(life.build(), connections, messages)))


def main(connections: int, messages: int, names: Sequence[str]) -> None:
    known = {life.name: life for life in LIVES}
    for name in names:
        fork(partial(show, known[name], connections, messages))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
