"""A Redis server of a test's own, on a free loopback port, with its files in a folder of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from tests.servers import HOST, free_port

START_TIMEOUT = 20.0


class Broker:
    """A server that can be stopped, killed, halted and started again, on the same port.

    Args:
        program: the path of redis-server.
        folder: for its files.
        options: more words of its command line.
    """

    def __init__(self, program: str, folder: str, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}"
        words = [program, "--port", str(self.port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", folder]
        self._words = [*words, *options]
        self._folder = Path(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it.

        Raises:
            AssertionError: it does not answer in time.
        """
        assert self._process is None
        self._process = process = subprocess.Popen(
            self._words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            assert process.poll() is None, f"redis-server ended with code {process.returncode}"
            assert time.monotonic() < deadline, f"redis-server did not answer within {START_TIMEOUT} s"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order, or else by force."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self.kill()

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Remove its files, while it does not run."""
        assert self._process is None
        for path in self._folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def halt(self) -> None:
        """Let it answer nothing, with all connections as they are."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `halt`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: Any, **options: Any) -> Any:
        """One command, on a connection of its own."""
        with redis.Redis(host=HOST, port=self.port, decode_responses=True, **options) as client:
            return client.execute_command(*words)

    def subscriptions(self, prefix: str) -> dict[str, int]:
        """How many subscriptions each channel has whose name begins so."""
        channels: list[str] = self.command("PUBSUB", "CHANNELS", f"{prefix}*")
        if not channels:
            return {}
        with redis.Redis(host=HOST, port=self.port, decode_responses=True) as client:
            told: Any = client.pubsub_numsub(*channels)
        return {name: count for name, count in (told.items() if isinstance(told, dict) else told) if count}

    def keys(self) -> set[str]:
        """The names of all that is stored there. Other tests' histories may be among them, until they expire."""
        return set(self.command("KEYS", "*"))

    def calls(self, name: str) -> int:
        """How often a command has been called so far."""
        stats: Any = self.command("INFO", "commandstats")
        found = stats.get(f"cmdstat_{name}")
        return int(found["calls"]) if found else 0

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as client:
            client.sendall(b"PING\r\n")
            return client.recv(1) in (b"+", b"-")  # -NOAUTH is an answer, too
        return False


@contextmanager
def broker(program: str, *options: str) -> Iterator[Broker]:
    """Run a Redis server.

    Raises:
        AssertionError: it does not answer in time.
    """
    with tempfile.TemporaryDirectory(prefix="chanx-redis-") as folder:
        made = Broker(program, folder, *options)
        try:
            made.start()
            yield made
        finally:
            made.stop()


@contextmanager
def serve(program: str) -> Iterator[str]:
    """Run a Redis server; its URL."""
    with broker(program) as made:
        yield made.url
