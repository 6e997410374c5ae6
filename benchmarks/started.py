"""CPU time of a process that starts an application: the interpreter, imports, message classes, what is made of them.

In each round every contestant is started once, one after another, the order turning as in `dispatch`.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from benchmarks.dispatch import order
from benchmarks.table import lines, rows

TYPES = 20
LIMIT = "Starlette and pydantic"
TARGET = 1.15

IMPORTS = """
from typing import Annotated, Literal
from pydantic import BaseModel, Field, TypeAdapter
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str
"""
CLASS = """
class Say{n}(BaseModel):
    action: Literal["say{n}"] = "say{n}"
    text: str
    count: int
"""
UNION = """
adapter = TypeAdapter(Annotated[{union}, Field(discriminator="action")])
"""
HANDLER = """
@channel.on(Say{n})
async def say{n}(message: Say{n}) -> Said:
    return Said(text=message.text)
"""
ROUTE = """
async def talk(socket: WebSocket) -> None:
    await socket.accept()

app = Starlette(routes=[WebSocketRoute("/", talk)])
"""
FASTAPI = """
from fastapi import FastAPI
from fastapi import WebSocket as Socket

app = FastAPI()

@app.websocket("/")
async def talk(socket: Socket) -> None:
    await socket.accept()
"""


@dataclass(frozen=True, slots=True)
class Start:
    """The source text of an application."""

    name: str
    source: str
    limit: str | None = LIMIT
    target: float | None = None
    added_to: str | None = None


def starts() -> tuple[Start, ...]:
    """The same message classes and a route for all; a union of the classes, or a channel with a handler for each."""
    classes = IMPORTS + "".join(CLASS.format(n=n) for n in range(TYPES))
    union = classes + UNION.format(union=" | ".join(f"Say{n}" for n in range(TYPES)))
    made = "".join(HANDLER.format(n=n) for n in range(TYPES))
    channel = f'\nfrom chanx import Channel\n\nchannel = Channel("chat")\n{made}\nchannel.compile()\n'
    routed = '\napp = Starlette(routes=[WebSocketRoute("/", channel)])\n'
    return (
        Start(LIMIT, union + ROUTE, limit=None),
        Start(f"{LIMIT}, once more", union + ROUTE),
        Start("chanx", classes + channel + routed, target=TARGET),
        Start("FastAPI and pydantic", union + FASTAPI),
    )


def table(rounds: int, *, warm_up: bool = True) -> list[str]:
    """The lines of the table; without a round to warm up, the first one pays for compiling what is imported."""
    known = {start.name: start for start in starts()}
    costs: dict[str, list[float]] = {name: [] for name in known}
    with TemporaryDirectory() as folder:
        # bytecode for all alike, whatever was written before and whatever the environment says about writing it
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(-1 if warm_up else 0, rounds):  # the first one writes the bytecode of what is imported
            for name in order(tuple(known), number):
                cost = cpu(known[name].source, environment)
                if number >= 0:
                    costs[name].append(cost * 1e3)
    return lines(rows(known.values(), {name: tuple(found) for name, found in costs.items()}), "ms", 1)


def cpu(source: str, environment: Mapping[str, str]) -> float:
    """CPU seconds of a process that runs this, user and system.

    Raises:
        SystemExit: it failed.
    """
    child = subprocess.Popen([sys.executable, "-c", source], env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"an application that should only start ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime
