"""The command of examples/scale, as it is: real processes, and clients that come through the balancer."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from chanx.testing import connect as in_process
from examples.scale import app
from examples.scale.messages import Answered, Said, Say, Welcome
from tests.brokers import Broker
from tests.full import FULL
from tests.servers import HOST, ROOT

PATIENCE = 30.0


class Command:
    """The command, running; what it prints is read as it comes."""

    def __init__(self, *options: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.scale", *options],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: Queue[str | None] = Queue()
        self.log: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self.process.stdout.close()
        self._lines.put(None)

    def line(self, text: str) -> str:
        """The next line that has this in it."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            assert line is not None, f"it ended without {text!r}; its log: {self.log}"
            self.log.append(line)
            if text in line:
                return line

    def descendants(self) -> dict[int, str]:
        """What it has started, and what that has started, by number."""
        parents: dict[int, int] = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        found: dict[int, str] = {}
        todo = [self.process.pid]
        while todo:
            pid = todo.pop()
            for child in [one for one, parent in parents.items() if parent == pid]:
                with suppress(OSError):
                    found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
                    todo.append(child)
        return found


@contextmanager
def scale(*options: str) -> Iterator[tuple[Command, str]]:
    """The command with both processes serving, and the address of its channel."""
    command = Command("--port", "0", *options)
    try:
        address = command.line("http://").split("//")[1].split("/")[0]
        started = {command.line("serves").split()[0] for _ in range(2)}
        assert started == {"one", "two"}
        yield command, f"ws://{address}/clients"
    finally:
        command.process.terminate()
        try:
            command.process.wait(PATIENCE)
        finally:
            command.process.kill()


class Client:
    """A client with one connection after the other, which keeps what it has heard."""

    def __init__(self, stack: ExitStack, url: str) -> None:
        self._stack = stack.enter_context(ExitStack())
        self._url = url
        self.ticks: list[int] = []
        self.said: list[tuple[str, str]] = []
        self.place: dict[str, Any] = {}
        self.process = ""
        self.come()

    def come(self) -> None:
        """Connect; and get what was missed, where there was a connection before."""
        self._stack.close()
        self.socket: ClientConnection = self._stack.enter_context(connect(self._url, open_timeout=PATIENCE))
        self.process = self.until("welcome")["process"]
        joined = self.until("joined")
        if not self.place:
            self.place = {"seq": joined["seq"], "epoch": joined["epoch"]}
            return
        self.send(action="recover", streams={"room": self.place}, ref="again")
        recovered = self.until("recovered")
        assert recovered["streams"]["room"] == {"recovered": True, **self.place}

    def send(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def until(self, tag: str) -> dict[str, Any]:
        """The next frame of a kind. What has a position has the next one."""
        while True:
            frame: dict[str, Any] = json.loads(self.socket.recv(PATIENCE))
            if "seq" in frame and "epoch" not in frame:
                assert frame["seq"] == self.place["seq"] + 1
                self.place["seq"] = frame["seq"]
            if frame["action"] == "tick":
                self.ticks.append(frame["number"])
            if frame["action"] == "said":
                self.said.append((frame["text"], frame["process"]))
            if frame["action"] == tag:
                return frame

    def until_cut(self) -> None:
        """Read until the connection is gone."""
        with pytest.raises(ConnectionClosed):
            self.until("never")

    def hear(self, count: int) -> None:
        for _ in range(count):
            self.until("tick")

    def has_all(self) -> bool:
        """Has it heard each tick once, in order?"""
        return self.ticks == list(range(self.ticks[0], self.ticks[0] + len(self.ticks)))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def gone(pids: dict[int, str]) -> None:
    """Wait until none of these processes is there any more, but as what nobody has asked for."""
    deadline = time.monotonic() + PATIENCE
    while left := [text for pid, text in pids.items() if _lives(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.mark.redis
def test_clients_of_a_killed_process_come_back_at_the_other(broker: Broker, stack: ExitStack) -> None:
    with scale("--redis", broker.url, "--back-after", "1000") as (command, url):
        stays, comes = Client(stack, url), Client(stack, url)
        assert {stays.process, comes.process} == {"one", "two"}
        killed = comes.process
        comes.hear(3)
        stays.send(action="kill", process=killed)
        command.line(f"{killed} (process")
        comes.until_cut()
        stays.hear(5)  # so the other one has missed something
        before = len(comes.ticks)
        comes.come()
        assert comes.process == stays.process
        assert len(comes.ticks) > before
        comes.hear(3)
        assert comes.has_all()

        stays.send(action="start", process=killed)
        command.line(f"{killed} serves")
        assert {Client(stack, url).process, Client(stack, url).process} == {"one", "two"}

        # The other way round.
        stays.send(action="kill", process=stays.process)
        for client in (stays, comes):
            client.until_cut()
            client.come()
            client.hear(2)
            assert client.process == killed
            assert client.has_all()


@pytest.mark.redis
def test_what_is_said_again_is_heard_once_and_who_is_killed_comes_back_by_itself(
    broker: Broker, stack: ExitStack
) -> None:
    with scale("--redis", broker.url, "--back-after", "0.1") as (command, url):
        clients = Client(stack, url), Client(stack, url)
        for client in clients:
            client.send(action="say", id="a", text="hello", ref=1)
            assert client.until("answered")["process"] == client.process
        clients[1].send(action="say", id="b", text="bye")
        for client in clients:
            while len(client.said) < 2:
                client.until("said")
            assert client.said == [("hello", clients[0].process), ("bye", clients[1].process)]

        client = clients[0]
        other = "two" if client.process == "one" else "one"
        client.send(action="kill", process=other)
        assert "back in 0.1 seconds" in command.line(f"{other} (process")
        command.line(f"{other} serves")
        while {one["state"] for one in client.until("processes")["processes"]} != {"running"}:
            pass


@pytest.mark.redis
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL] if FULL else [signal.SIGINT, signal.SIGKILL]
)
def test_nothing_is_left_behind(redis_server: str, stack: ExitStack, number: signal.Signals) -> None:
    with scale() as (command, url):
        client = Client(stack, url)
        started = command.descendants()
        assert sum("examples.scale.process" in text for text in started.values()) == 2
        assert any("redis" in text for text in started.values()), redis_server
        command.process.send_signal(number)
        code = command.process.wait(PATIENCE)
        assert code == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        gone(started)
        client.until_cut()


def test_without_redis_it_says_what_to_do() -> None:
    command = Command(env={"PATH": str(Path(sys.executable).parent)})
    assert command.process.wait(PATIENCE) == 2
    command.line("There is no redis-server here")
    command.line("--redis redis://localhost:6379")


def test_a_redis_that_is_not_there_is_named() -> None:
    command = Command("--redis", f"redis://{HOST}:1/")
    assert command.process.wait(PATIENCE) == 1
    command.line("cannot be reached")


def test_what_cannot_be_is_told_in_one_line(redis_server: str) -> None:
    command = Command("--redis", "localhost")
    assert command.process.wait(PATIENCE) == 1
    assert "no URL of a broker" in command.line("")
    with scale() as (_, url):
        port = url.split(":")[2].split("/")[0]
        for one in (port, "99999"):
            command = Command("--port", one)
            assert command.process.wait(PATIENCE) == 1, redis_server
            assert "name others with --host and --port" in command.line("")


@pytest.mark.anyio
async def test_the_channel_alone() -> None:
    async with in_process(app, "/clients") as client:
        assert (await client.receive(Welcome)).process == "alone"
        assert (await client.receive())["action"] == "joined"
        assert await client.request(Say(id=secrets.token_hex(), text=" hello "), Answered) == Answered(process="alone")
        assert (await client.receive(Said)).text == "hello"
