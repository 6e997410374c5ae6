"""Machine instructions per message, counted by `valgrind --tool=cachegrind`.

Where times differ from run to run, instructions repeat to a few. They are not time: they know nothing of caches,
branch prediction or waiting.

One interpreter is started under valgrind (`benchmarks.counted`). It forks for each contestant, warms it up, and forks
twice more: one child runs a few messages, the other more. valgrind prints how many instructions a process had run when
it ends, those before the fork included, so the difference of the two children is what the further messages cost, and
the slow start is paid once.
"""

import os
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.backend import BACKENDS, BackendName
from benchmarks.contestants import heats
from benchmarks.dispatch import environment
from benchmarks.table import Row, lines, rows

COUNTED = re.compile(r"==(\d+)== I\s+refs:\s+([\d,]+)")
MISSING = (
    "valgrind is not installed, and this command counts instructions with it: install it "
    "(Debian, Ubuntu: apt-get install valgrind), or use `python -m benchmarks dispatch`."
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--backend", choices=tuple(BACKENDS), default="asyncio")
    parser.add_argument("--messages", type=int, default=1000, help="messages of each contestant that are counted")
    parser.add_argument("--heat", default="", help="run only heats whose name contains this")
    parser.add_argument("--quick", action="store_true", help="one type and few messages, to see that it runs")


def run(arguments: Namespace) -> int:
    if shutil.which("valgrind") is None:
        print(MISSING, file=sys.stderr)
        return 2
    backend: BackendName = arguments.backend
    messages, heat = (20, arguments.heat or "1 type") if arguments.quick else (arguments.messages, arguments.heat)
    print(environment(backend))
    print(f"Instructions per message, from {messages} messages", flush=True)
    costs = count(backend, heat, messages)
    table: list[Row] = []
    for chosen in heats(BACKENDS[backend]):
        if heat in chosen.name:
            table += rows(chosen.contestants, costs)
    print("\n".join(lines(table, "instructions", 0)))
    return 0


def count(backend: BackendName, heat: str, messages: int) -> dict[str, tuple[float, ...]]:
    """Instructions per message by contestant. What the child prints on its way is shown if it fails.

    Raises:
        SystemExit: valgrind or a contestant failed.
    """
    with TemporaryDirectory() as folder:
        log = Path(folder, "valgrind.log")
        # A fixed environment: its size alone moves the stack, and hashing decides how long a look-up takes.
        fixed = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        fixed |= {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
        command = [
            "valgrind",
            "--tool=cachegrind",
            "--cache-sim=no",
            f"--cachegrind-out-file={os.devnull}",
            f"--log-file={log}",
            *(sys.executable, "-m", "benchmarks.counted", backend, heat, str(messages)),
        ]
        child = subprocess.run(command, env=fixed, capture_output=True, text=True, check=False)
        if child.returncode:
            raise SystemExit(f"{child.stdout}{child.stderr}valgrind ended with {child.returncode}")
        counted = {int(pid): int(number.replace(",", "")) for pid, number in COUNTED.findall(log.read_text())}
    costs: dict[str, tuple[float, ...]] = {}
    for line in child.stdout.splitlines():
        few, many, name = line.split(maxsplit=2)
        costs[name] = ((counted[int(many)] - counted[int(few)]) / messages,)
    return costs
