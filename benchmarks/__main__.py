"""`python -m benchmarks COMMAND`: one module of this folder for each command.

A command's module offers `add_arguments(parser)` and `run(arguments) -> int`. It is imported only when its command
is asked for, so that a benchmark of Redis, say, is no burden for one of dispatch.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "dispatch": "CPU time per message, as a ratio to hand-written limits",
    "instructions": "machine instructions per message under valgrind, as a ratio to the same limits",
    "capacity": "what one server process and one Redis server carry: connections, broadcasts, histories",
    "fanout": "CPU time of a broadcast for each member, as a ratio to hand-written ways to send it",
    "lifecycle": "what a connection costs without messages, in CPU time and memory, and what starting costs",
    "redis": "groups across processes: CPU time and latency, beside redis-py used bare and beside peers",
    "stream": "CPU time per item of a streamed answer, as a ratio to a hand-written loop",
}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of chanx.")
    described = "; ".join(f"{name}: {text}" for name, text in COMMANDS.items())
    parser.add_argument("command", choices=COMMANDS, help=described)
    if not argv or argv[0] not in COMMANDS:
        parser.parse_args(argv)  # prints the help or the error, and exits
        parser.error("a command is needed")
    name = argv[0]
    command = import_module(f"benchmarks.{name}")
    own = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=COMMANDS[name])
    command.add_arguments(own)
    status: int = command.run(own.parse_args(argv[1:]))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
