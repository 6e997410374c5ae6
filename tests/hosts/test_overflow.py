"""A client that does not read for a while, on a channel that lets it stay: what it did not get is counted."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.servers import Server, serve

pytestmark = pytest.mark.hosts

TIMEOUT = 15.0  # seconds
FRAME = 256 * 1024
# More than the sockets' buffers (a few MiB on loopback), the server's and the outbox hold together.
FRAMES = 100
GROWTH = 14 * 1024 * 1024
KEYS = 5


def client(server: Server, name: str) -> ClientConnection:
    """It reads no more than what it is asked for, and a frame or two ahead."""
    url = server.ws(f"/?name={name}&topic=all")
    return connect(url, open_timeout=TIMEOUT, max_size=None, max_queue=1, compression=None, proxy=None)


def receive(client: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(client.recv(timeout=TIMEOUT))
    return frame


def shout(client: ClientConnection, **message: object) -> None:
    """Broadcast, and take it back."""
    client.send(json.dumps({"action": "shout", "size": FRAME, **message}))
    assert receive(client)["action"] == "text"


@pytest.mark.parametrize("policy", ["dropping", "latest"])
def test_a_client_that_reads_again_has_missed_what_was_counted(policy: str) -> None:
    with serve("uvicorn", f"tests.hosts.slow:{policy}") as server, client(server, "ada") as ada:
        with client(server, "bob") as bob:
            shout(ada)
            before = server.memory() if sys.platform == "linux" else 0
            for number in range(1, FRAMES):
                shout(ada, key=str(number % KEYS))
            if sys.platform == "linux":
                assert server.memory() - before < GROWTH

            bob.send(json.dumps({"action": "count"}))
            got = 0
            while (frame := receive(bob))["action"] == "text":
                got += 1
            missed = frame["dropped"] + frame["coalesced"]
            assert missed > 0
            assert got + missed == FRAMES
            assert (frame["dropped"] == 0) is (policy == "latest")
            assert frame["slow_closed"] == 0

            shout(ada)  # and all is as before
            assert receive(bob)["action"] == "text"
        assert receive(ada) == {"action": "left", "who": "bob", "code": 1000}
        assert ("outbox is full" in server.log) is (policy == "dropping")
