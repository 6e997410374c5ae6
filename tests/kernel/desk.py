"""Handlers that work until the test lets them go, and a record of what they did."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from chanx import Channel, Limits
from tests.kernel import clock
from tests.kernel.messages import Done, Job, Said, Say, Wait
from tests.kernel.wire import Wire, serve


class Desk:
    """What handlers do.

    Attributes:
        log: `+a` when the work on a began, `-a` when it was finished, `!a` when it was cancelled.
        running: what is being worked on.
        most: so many were worked on at once, at most.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.running: list[str] = []
        self.most = 0
        self._free = False
        self._gates: dict[str, anyio.Event] = {}

    def gate(self, name: str) -> anyio.Event:
        return self._gates.setdefault(name, anyio.Event())

    def let(self, *names: str) -> None:
        """Let work finish, also such that has not begun yet."""
        for name in names:
            self.gate(name).set()

    def let_all(self) -> None:
        """Let all work finish, from now on."""
        self._free = True
        self.let(*self.running)

    async def work(self, name: str) -> None:
        """Work until the test lets it finish."""
        self.log.append(f"+{name}")
        self.running.append(name)
        self.most = max(self.most, len(self.running))
        try:
            if not self._free:
                await self.gate(name).wait()
        except BaseException:
            self.log.append(f"!{name}")
            raise
        else:
            self.log.append(f"-{name}")
        finally:
            self.running.remove(name)


def jobs(desk: Desk, limits: Limits | None = None, **options: Any) -> Channel:
    """A channel of jobs, with `say` as a serial message and `wait` as one that takes its time."""
    channel = Channel(limits=limits)

    @channel.on(Job, **options)
    async def work(message: Job) -> Done:
        await desk.work(message.name)
        return Done(name=message.name)

    @channel.on(Say)
    async def say(message: Say) -> Said:
        desk.log.append(message.text)
        return Said(text=message.text)

    @channel.on(Wait)
    async def wait(message: Wait) -> None:
        await desk.work(message.name)

    return channel


def job(name: str, key: str = "", **more: Any) -> dict[str, Any]:
    """The frame of a job whose `ref` is its name."""
    return {"action": "job", "name": name, "key": key, "ref": name, **more}


def say(text: str = "x", ref: Any = None) -> dict[str, Any]:
    return {"action": "say", "text": text, "ref": text if ref is None else ref}


def wait(name: str = "w") -> dict[str, Any]:
    return {"action": "wait", "name": name, "ref": name}


def streaming(desk: Desk, limits: Limits | None = None, **options: Any) -> Channel:
    """Like `jobs`, with a stream in place of the job."""
    channel = Channel(limits=limits)

    @channel.on(Job, **options)
    async def work(message: Job) -> AsyncIterator[Done]:
        yield Done(name=message.name)
        await desk.work(message.name)

    @channel.on(Say)
    async def answer(message: Say) -> Said:
        return Said(text=message.text)

    @channel.on(Wait)
    async def waits(message: Wait) -> None:
        await desk.work(message.name)

    return channel


def cancel(ref: Any) -> dict[str, Any]:
    return {"action": "cancel", "ref": ref}


def brief(frame: dict[str, Any]) -> str:
    """An answer in a word: `a done`, `a cancelled`."""
    what = frame["payload"]["code"] if frame["action"] == "error" else frame["action"]
    return f"{frame['ref']} {what}" if "ref" in frame else str(what)


def told(wire: Wire) -> list[str]:
    """All frames that were sent, in a word each."""
    return [brief(frame) for frame in wire.frames]


async def settled(wire: Wire) -> None:
    """Until the application has read all frames and nothing goes on; what reads ahead begins after a while."""
    await wire.until(lambda: wire.ended or wire.listening)
    for _ in range(3):  # on asyncio, a task group whose last task has just ended looks blocked for a turn
        await anyio.wait_all_tasks_blocked()
        await anyio.lowlevel.checkpoint()


@contextlib.asynccontextmanager
async def opened(app: Any, **options: Any) -> AsyncGenerator[Wire, None]:
    """A connection that was accepted."""
    async with serve(app, **{"patience": 1000, **options}) as wire:
        await wire.accepted()
        yield wire


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both loops in virtual time; a test file imports it to narrow the common fixture."""
    return clock.backend(request.param)


def run(backend: str, function: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run a coroutine function in virtual time, for tests that Hypothesis calls many times."""
    name, options = clock.backend(backend)
    anyio.run(function, *args, backend=name, backend_options=options)
