"""A Redis server of a test's own, on a free loopback port, with its files in a folder of its own."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.servers import HOST, free_port

START_TIMEOUT = 20.0


@contextmanager
def serve(program: str) -> Iterator[str]:
    """Run a Redis server; its URL.

    Raises:
        AssertionError: it does not answer in time.
    """
    with tempfile.TemporaryDirectory(prefix="chanx-redis-") as folder:
        port = free_port()
        words = [program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while not _answers(port):
                assert process.poll() is None, f"redis-server ended with code {process.returncode}"
                assert time.monotonic() < deadline, f"redis-server did not answer within {START_TIMEOUT} s"
                time.sleep(0.02)
            yield f"redis://{HOST}:{port}"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1) as client:
        client.sendall(b"PING\r\n")
        return client.recv(7) == b"+PONG\r\n"
    return False
