"""Real ASGI servers, each in a process of its own on a free loopback port.

    with serve("uvicorn", "tests.hosts.apps:chat") as server:
        connect(server.ws("/rooms/7"))

One more server is one more line in `SERVERS`.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent

# What is run with this Python as `python -m ...`. All but Granian, which always has a worker, stay in one process.
# Those that can be told to give open connections a few seconds when they are to stop.
SERVERS = {
    "uvicorn": "uvicorn {app} --host {host} --port {port} --ws websockets-sansio --timeout-graceful-shutdown 3",
    "uvicorn-websockets": "uvicorn {app} --host {host} --port {port} --ws websockets --timeout-graceful-shutdown 3",
    "uvicorn-wsproto": "uvicorn {app} --host {host} --port {port} --ws wsproto --timeout-graceful-shutdown 3",
    "hypercorn-asyncio": "hypercorn {app} --bind {host}:{port} --workers 0 -k asyncio --graceful-timeout 3",
    "hypercorn-trio": "hypercorn {app} --bind {host}:{port} --workers 0 -k trio --graceful-timeout 3",
    "granian": "granian {app} --host {host} --port {port} --interface asgi --workers 1 --workers-kill-timeout 5",
    "daphne": "daphne {app} --bind {host} --port {port} --application-close-timeout 3",
}

START_TIMEOUT = 30.0  # seconds; a loaded machine imports slowly
STOP_TIMEOUT = 10.0
PAUSE = 0.02  # between two attempts to connect
TRIES = 3  # another program may take the free port before the server does


class ServerFailed(AssertionError):
    """A server did not start or did not stop; the message ends with its log."""


@dataclass
class Server:
    """A running server."""

    name: str
    app: str
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    stopped: bool = field(default=False, init=False)

    def ws(self, path: str = "/") -> str:
        """The WebSocket address of a path."""
        return f"ws://{HOST}:{self.port}{path}"

    def http(self, path: str = "/") -> str:
        """The HTTP address of a path."""
        return f"http://{HOST}:{self.port}{path}"

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return self.log_path.read_text("utf-8", "replace")

    def wait_until_listening(self) -> None:
        """Ask until it answers; a server may listen before it has loaded its application, and end then.

        Raises:
            ServerFailed: the process ended, or nobody listens after `START_TIMEOUT` seconds.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            if self._ended_within(PAUSE):
                raise self._failure(f"ended with code {self.process.returncode} before it listened")
            if _answers_http(self.port):
                return
            if time.monotonic() > deadline:
                raise self._failure(f"did not listen within {START_TIMEOUT} s")

    def wait_for_log(self, text: str, timeout: float = 5.0) -> str:
        """Wait until the server has printed `text`; the whole log."""
        deadline = time.monotonic() + timeout
        while text not in (log := self.log):
            if self._ended_within(PAUSE) and text not in self.log:
                raise self._failure(f"ended without printing {text!r}")
            if time.monotonic() > deadline:
                raise self._failure(f"did not print {text!r} within {timeout} s")
        return log

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's process."""
        self.process.send_signal(number)

    def kill_all(self) -> None:
        """Kill the process and the workers that it may have started."""
        with suppress(ProcessLookupError):  # all have ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + STOP_TIMEOUT
        while self.processes() and time.monotonic() < deadline:  # workers are not our children
            time.sleep(PAUSE)

    def processes(self) -> list[Path]:
        """The folders in /proc of the process and its workers."""
        found: list[Path] = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                state, _, group = (path / "stat").read_text().rsplit(")", 1)[1].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    found.append(path)
        return found

    def memory(self) -> int:
        """Bytes of memory that the process and its workers have in use (Linux)."""
        total = 0
        for path in self.processes():
            with suppress(OSError):
                lines = (path / "status").read_text().splitlines()
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
        return total

    def stop(self, timeout: float = STOP_TIMEOUT) -> int:
        """End the server: SIGTERM, and SIGKILL to the whole process group where that does not help in time.

        Raises:
            ServerFailed: it had to be killed.
        """
        self.stopped = True
        if self.process.poll() is not None:
            return self.process.returncode
        self.process.terminate()
        if not self._ended_within(timeout):
            self.kill_all()
            raise self._failure(f"did not end within {timeout} s of SIGTERM and was killed")
        return self.process.returncode

    def _ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _failure(self, what: str) -> ServerFailed:
        return ServerFailed(f"{self.name} of {self.app} {what}. Its log:\n{self.log}")


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _answers_http(port: int) -> bool:
    """Does a server answer a request there, with whatever status?"""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as client:
            client.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
            return client.recv(1) != b""
    except OSError:
        return False


@contextmanager
def serve(
    name: str,
    app: str,
    *options: str,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Iterator[Server]:
    """Run the import string `app` (`"package.module:attribute"`, from the project's root) under a server.

    Args:
        name: a key of `SERVERS`.
        app: what to serve.
        options: further options of that server's command line.
        env: variables added to the environment.
        port: a port to listen on, where a test needs the same one twice; else a free one.

    Raises:
        ServerFailed: it did not start, or it had to be killed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="chanx-server-") as folder:
        log_path = Path(folder, "log")
        server = _start_and_wait(name, app, options, env or {}, port, log_path)
        try:
            yield server
        except BaseException as error:
            error.add_note(f"The log of {server.name}:\n{server.log}")
            _end(server)
            raise
        else:
            if not server.stopped:
                server.stop()
        finally:
            _end(server)


def _start_and_wait(
    name: str, app: str, options: tuple[str, ...], env: Mapping[str, str], port: int | None, log_path: Path
) -> Server:
    for _ in range(TRIES - 1):
        try:
            return _start(name, app, options, env, port or free_port(), log_path)
        except ServerFailed as error:
            if port is not None or "address already in use" not in str(error).lower():
                raise
    return _start(name, app, options, env, port or free_port(), log_path)


def _start(name: str, app: str, options: tuple[str, ...], env: Mapping[str, str], port: int, log_path: Path) -> Server:
    if _answers(port):  # or the wait below would take a stranger for the server
        raise ServerFailed(f"port {port} is taken (address already in use): somebody answers there")
    words = shlex.split(SERVERS[name].format(app=app, host=HOST, port=port))
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words, *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that a kill reaches what the server itself may have started
        )
    server = Server(name, app, port, process, log_path)
    try:
        server.wait_until_listening()
    except BaseException:
        _end(server)
        raise
    return server


def _end(server: Server) -> None:
    """End the process without another word, and workers that it may have left behind."""
    server.kill_all()
