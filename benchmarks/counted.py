"""The process that `python -m benchmarks instructions` starts under valgrind; see there.

Prints a line for each contestant: the process ids of its child with few and of its child with more messages, and its
name.
"""

import gc
import sys
from collections.abc import Awaitable
from functools import partial

from benchmarks.backend import BACKENDS, BackendName, run
from benchmarks.contestants import Contestant, heats
from benchmarks.forked import fork
from benchmarks.wire import App, timed

FEW = 50


def run_messages(backend: BackendName, contestant: Contestant, app: App, messages: int) -> None:
    def connection() -> Awaitable[float]:
        return timed(app, contestant.frames, FEW, messages, contestant.pause)

    run(backend, connection)


def compare(backend: BackendName, contestant: Contestant, messages: int) -> None:
    app = contestant.build()
    run_messages(backend, contestant, app, 10 * len(contestant.frames))  # specialises the code of each handler
    gc.collect()
    gc.freeze()
    few = fork(lambda: run_messages(backend, contestant, app, FEW))
    many = fork(lambda: run_messages(backend, contestant, app, FEW + messages))
    print(few, many, contestant.name)


def main(backend: BackendName, heat: str, messages: int) -> None:
    for chosen in heats(BACKENDS[backend]):
        if heat in chosen.name:
            for contestant in chosen.contestants:
                fork(partial(compare, backend, contestant, messages))


if __name__ == "__main__":
    main("trio" if sys.argv[1] == "trio" else "asyncio", sys.argv[2], int(sys.argv[3]))
