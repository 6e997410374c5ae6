"""SIGTERM: the channels are drained first, then it goes where it would have gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from typing import Any

import anyio
import anyio.to_thread
import pytest

from chanx import Channel, ConfigurationError, Drained, _sigterm, drain_on_sigterm
from tests.kernel.wire import Wire, serve


@pytest.fixture(autouse=True)
def _as_before() -> Generator[None, None, None]:
    """No test may leave a handler behind."""
    before = signal.getsignal(signal.SIGTERM)
    _sigterm._told.clear()
    yield
    assert signal.getsignal(signal.SIGTERM) == before


class Server:
    """Installs its handler with `signal.signal`, as Uvicorn and Daphne do."""

    def __init__(self) -> None:
        self.told = 0
        self.stopping = anyio.Event()

    def handle(self, number: int, frame: object) -> None:
        assert number == signal.SIGTERM
        self.stop()

    def stop(self) -> None:
        self.told += 1
        self.stopping.set()

    @contextlib.contextmanager
    def run(self) -> Generator[None, None, None]:
        before = signal.signal(signal.SIGTERM, self.handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


class LoopServer(Server):
    """Uses `loop.add_signal_handler`, as Hypercorn and Granian do."""

    @contextlib.contextmanager
    def run(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)


KINDS = [("asyncio", Server), ("asyncio", LoopServer), ("trio", Server)]


@pytest.fixture(params=KINDS, ids=[f"{backend}-{kind.__name__}" for backend, kind in KINDS])
def kind(request: pytest.FixtureRequest) -> tuple[str, type[Server]]:
    chosen: tuple[str, type[Server]] = request.param
    return chosen


@pytest.fixture
def anyio_backend(kind: tuple[str, type[Server]]) -> str:
    return kind[0]


@pytest.fixture
def server(kind: tuple[str, type[Server]]) -> Server:
    return kind[1]()


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def closed_and_left(wire: Wire) -> None:
    await wire.until(lambda: wire.closed)
    wire.leave()


async def test_the_server_is_told_when_the_channels_are_drained(server: Server) -> None:
    one, other = Channel("one"), Channel("other")
    left: list[str] = []

    @one.on_disconnect
    async def leave() -> None:
        await anyio.sleep(0.05)
        assert server.told == 0
        left.append("one")

    with server.run():
        async with drain_on_sigterm(one, other), serve(one) as first, serve(other) as second:
            await first.accepted()
            await second.accepted()
            terminate()
            await closed_and_left(first)
            await closed_and_left(second)
            await server.stopping.wait()
            assert left == ["one"]
            assert first.closed == second.closed == (1012, "restarting")
            assert server.told == 1


async def test_a_second_signal_goes_to_the_server_at_once(server: Server) -> None:
    channel = Channel()
    go = anyio.Event()

    @channel.on_disconnect
    async def leave() -> None:
        await go.wait()

    with server.run():
        async with drain_on_sigterm(channel), serve(channel) as wire:
            await wire.accepted()
            terminate()
            await closed_and_left(wire)
            assert server.told == 0
            terminate()
            await server.stopping.wait()
            go.set()
            assert await channel.drain() == Drained(closed=1)
            await anyio.wait_all_tasks_blocked()
            assert server.told == 1


async def test_options_reach_the_drain(server: Server) -> None:
    channel = Channel()
    with server.run():
        async with drain_on_sigterm(channel, code=4000, reason="moved", batch=1, interval=0), serve(channel) as wire:
            await wire.accepted()
            terminate()
            await closed_and_left(wire)
            assert wire.closed == (4000, "moved")
            await server.stopping.wait()


async def test_the_server_is_told_though_the_drain_fails(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Channel()

    async def broken(self: Channel, **options: Any) -> None:
        raise LookupError("broken")

    monkeypatch.setattr(Channel, "drain", broken)
    with server.run():
        async with drain_on_sigterm(channel):
            terminate()
            await server.stopping.wait()
    assert "draining at SIGTERM failed" in caplog.text


async def test_after_the_block_the_server_has_its_signal_back(server: Server) -> None:
    channel = Channel()
    with server.run():
        async with drain_on_sigterm(channel):
            pass
        async with serve(channel) as wire:
            await wire.accepted()
            terminate()
            await server.stopping.wait()
            assert (server.told, wire.closed) == (1, None)


async def test_blocks_may_be_nested(server: Server) -> None:
    one, other = Channel("one"), Channel("other")
    with server.run():
        async with drain_on_sigterm(one), drain_on_sigterm(other), serve(one) as first, serve(other) as second:
            await first.accepted()
            await second.accepted()
            terminate()
            await closed_and_left(second)
            await closed_and_left(first)
            await server.stopping.wait()
            assert server.told == 1
        assert server.told == 1


@pytest.mark.parametrize("kind", KINDS[1:2], ids=["LoopServer"])
async def test_other_signals_of_the_loop_pass() -> None:
    loop, seen = asyncio.get_running_loop(), anyio.Event()
    loop.add_signal_handler(signal.SIGUSR1, seen.set)
    try:
        async with drain_on_sigterm(Channel()):
            os.kill(os.getpid(), signal.SIGUSR1)
            await seen.wait()
        seen = anyio.Event()
        loop.add_signal_handler(signal.SIGUSR1, seen.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await seen.wait()
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def test_whoever_comes_later_keeps_the_signal(server: Server) -> None:
    later = Server()
    with server.run():
        async with drain_on_sigterm(Channel()):
            signal.signal(signal.SIGTERM, later.handle)
        assert signal.getsignal(signal.SIGTERM) == later.handle


async def test_a_server_that_ignores_the_signal_goes_on() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel = Channel()
    try:
        async with drain_on_sigterm(channel), serve(channel) as wire:
            await wire.accepted()
            terminate()
            await closed_and_left(wire)
            assert await channel.drain() == Drained(closed=1)
    finally:
        signal.signal(signal.SIGTERM, before)


PROGRAM = """
import anyio, os, signal
from chanx import Channel, drain_on_sigterm
from tests.kernel.wire import serve

channel = Channel()

@channel.on_disconnect
async def leave() -> None:
    print("left", flush=True)

async def main() -> None:
    async with drain_on_sigterm(channel), serve(channel) as wire:
        await wire.accepted()
        os.kill(os.getpid(), signal.SIGTERM)
        await wire.until(lambda: wire.closed)
        wire.leave()
        await anyio.sleep(60)

anyio.run(main, backend="{backend}")
"""


def test_where_nobody_minds_it_the_process_ends_by_it(anyio_backend: str) -> None:
    program = PROGRAM.replace("{backend}", anyio_backend)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == ("left\n", -signal.SIGTERM), done.stderr


ENDED = """
import asyncio, os, signal
from chanx import Channel, drain_on_sigterm

async def main() -> None:
    await block.__aenter__()

block = drain_on_sigterm(Channel())
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
os.kill(os.getpid(), signal.SIGTERM)
print("ignored", flush=True)
os._exit(0)
"""


def test_no_signal_is_lost_where_the_loop_has_ended_before_the_block() -> None:
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == ("", -signal.SIGTERM), done.stderr


async def test_in_another_thread_it_says_what_to_do_once(anyio_backend: str, caplog: pytest.LogCaptureFixture) -> None:
    async def enter() -> None:
        async with drain_on_sigterm(Channel()):
            assert threading.current_thread() is not threading.main_thread()

    for _ in range(2):
        await anyio.to_thread.run_sync(lambda: anyio.run(enter, backend=anyio_backend))
    assert caplog.text.count("this event loop is not in the main thread") == 1
    assert "pre-stop route await channel.drain()" in caplog.text


async def test_in_a_worker_whose_parent_minds_the_signal_it_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("multiprocessing.parent_process", lambda: object())
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for _ in range(2):
            async with drain_on_sigterm(Channel()):
                pass
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caplog.text.count("the server's parent process does") == 1


async def test_wrong_arguments() -> None:
    with pytest.raises(ConfigurationError, match="give the channels that are served"):
        await drain_on_sigterm(Channel(), "chat").__aenter__()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="batch=0"):
        await drain_on_sigterm(Channel(), batch=0).__aenter__()
