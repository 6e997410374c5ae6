"""Clients that take more than they read: the server's memory stays bounded and nobody else waits for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.hosts.raw import RawClient
from tests.servers import Server, serve

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the server's process from /proc"),
]

TIMEOUT = 15.0  # seconds
FRAME = 64 * 1024
# More than the sockets' buffers (a few MiB on loopback) and the outbox hold together.
FRAMES = 400
# Bytes; the outbox, what the server itself buffers, and what an interpreter takes for work as such. All that is
# broadcast in a test would be 25 MiB.
GROWTH = 14 * 1024 * 1024


SERVERS = ["uvicorn", "hypercorn-trio"]


@pytest.fixture(params=SERVERS)
def patient(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve(request.param, "tests.hosts.slow:patient") as server:
        yield server


@pytest.fixture(params=SERVERS)
def strict(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve(request.param, "tests.hosts.slow:strict") as server:
        yield server


def client(server: Server, name: str) -> ClientConnection:
    return connect(server.ws(f"/?name={name}"), open_timeout=TIMEOUT, close_timeout=TIMEOUT, max_size=None, proxy=None)


def memory(server: Server) -> int:
    """Bytes of memory that the server's process has in use."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def receive(client: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(client.recv(timeout=TIMEOUT))
    return frame


def shout(client: ClientConnection, times: int) -> list[dict[str, Any]]:
    """Broadcast one by one, and take each back before the next; what else came in between."""
    others: list[dict[str, Any]] = []
    for _ in range(times):
        client.send(json.dumps({"action": "shout", "size": FRAME}))
        while (frame := receive(client))["action"] != "text":
            others.append(frame)
    return others


def test_a_client_that_stops_reading_is_closed_and_can_read_why(patient: Server) -> None:
    with client(patient, "ada") as ada, RawClient(patient.ws("/?name=bob"), receive_buffer=4096) as bob:
        shout(ada, 1)
        before = memory(patient)
        others = shout(ada, FRAMES)
        assert memory(patient) - before < GROWTH
        frames, code = bob.read_to_the_end()
        assert code == 1013
        assert 0 < frames < FRAMES
        assert (others or [receive(ada)]) == [{"action": "left", "who": "bob", "code": 1013}]


def test_a_client_that_stops_reading_and_breaks_is_noticed(patient: Server) -> None:
    with client(patient, "ada") as ada, RawClient(patient.ws("/?name=bob"), receive_buffer=4096) as bob:
        others = shout(ada, FRAMES)
        assert others == []  # bob has some seconds to read what waits for him
        bob.reset()
        left = receive(ada)
        assert (left["action"], left["who"]) == ("left", "bob")
        shout(ada, 1)
    assert "Traceback" not in patient.log


def test_a_client_that_never_reads_again_is_let_go(strict: Server) -> None:
    with client(strict, "ada") as ada, RawClient(strict.ws("/?name=bob"), receive_buffer=4096):
        others = shout(ada, FRAMES)
        assert (others or [receive(ada)]) == [{"action": "left", "who": "bob", "code": 1013}]
        shout(ada, 1)


def test_a_client_that_asks_and_never_reads_is_let_go(strict: Server) -> None:
    with client(strict, "ada") as ada, RawClient(strict.ws("/?name=bob"), receive_buffer=4096) as bob:
        shout(ada, 1)
        before = memory(strict)
        bob.write_until_blocked(action="give", size=FRAME)
        assert memory(strict) - before < GROWTH
        assert receive(ada) == {"action": "left", "who": "bob", "code": 1013}
        shout(ada, 1)


def test_a_frame_beyond_the_limit_of_the_server_itself_closes(patient: Server) -> None:
    """Both servers take 16 MiB unless told otherwise, and close by themselves: `Limits.max_size` is never asked."""
    with client(patient, "ada") as ada:
        with client(patient, "bob") as bob:
            shout(bob, 1)
            receive(ada)
            with suppress(ConnectionClosed):  # the answer may come before all is sent
                bob.send("x" * (16 * 1024 * 1024 + 1))
            with pytest.raises(ConnectionClosed) as caught:
                bob.recv(timeout=TIMEOUT)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009
        left = receive(ada)
        assert (left["action"], left["who"]) == ("left", "bob")
