"""A server that is told to end, or is killed, with clients connected. In the way it does that servers differ most."""

from __future__ import annotations

import signal
import time

import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.full import FULL
from tests.hosts import apps
from tests.hosts.facts import ENDINGS
from tests.hosts.host import PAIRS, SHORT, TIMEOUT, Host, Running, echo, receive, send
from tests.servers import STOP_TIMEOUT

pytestmark = [pytest.mark.hosts, pytest.mark.faults]

GRACE = 1.0  # seconds; what facts.py gives those that wait


def end_of(client: ClientConnection) -> int | None:
    """The close code that a client sees, None where the connection just ends."""
    try:
        while True:
            client.recv(timeout=TIMEOUT)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else int(closed.rcvd.code)


def terminated(host: Host, *, hooks: bool, codes: tuple[int | None, ...]) -> None:
    """Send SIGTERM with a client that waits, and one whose handler runs."""
    facts = host.facts
    with host.client("idle") as idle, host.client("slow-to-leave") as busy:
        with host.client("gone"):
            pass
        assert receive(idle) == {"action": "left", "who": "gone", "cancelled": 0}
        send(busy, action="wait")
        assert receive(idle) == {"action": "waiting", "who": "slow-to-leave"}
        began = time.monotonic()
        code = host.server.stop(STOP_TIMEOUT)  # raises where it has to be killed; those without grace have got much
        took = time.monotonic() - began
        assert code == facts.exit_code
        assert {end_of(idle), end_of(busy)} <= set(codes)
    assert took >= GRACE or not facts.grace
    log = host.server.log
    assert log.count("left: slow-to-leave\n") == int(hooks)
    if hooks:
        assert log.count("left: idle\n") == 1
        if apps.ENDED in log:
            assert log.index(apps.ENDED) > max(log.index("left: idle"), log.index("left: slow-to-leave"))
    host.no_traceback_of_ours()


def test_sigterm(host: Host) -> None:
    terminated(host, hooks=host.facts.hooks, codes=(host.facts.shutdown,))


@pytest.mark.parametrize("name", [name for name in ENDINGS if name not in SHORT])
def test_sigterm_where_it_is_run_otherwise(name: str) -> None:
    running = Running(name, "route")
    try:
        terminated(Host(running), hooks=running.facts.hooks, codes=(running.facts.shutdown,))
    finally:
        running.stop()


def test_sigterm_where_the_lifespan_drains() -> None:
    """Hypercorn does not wait for the hooks, but for the lifespan, and that waits for them.

    Clients see the close of the drain where the server has not closed their connections before.
    """
    running = Running("hypercorn-asyncio", "route_drained")
    try:
        terminated(Host(running), hooks=True, codes=(1012, running.facts.shutdown))
    finally:
        running.stop()


@pytest.mark.parametrize(("name", "app"), PAIRS if FULL else [("hypercorn-asyncio", "route"), ("uvicorn", "route")])
def test_sigkill(name: str, app: str) -> None:
    """Nothing can be done then; what the page says about workers is all there is to know."""
    running = Running(name, app)
    try:
        host = Host(running)
        with host.client("ada") as ada:
            echo(ada, "ada is in")
            host.server.signal(signal.SIGKILL)
            host.server.process.wait()
            if host.facts.orphans:
                echo(ada, "still served")
                host.server.kill_all()
            assert end_of(ada) is None
        with pytest.raises((OSError, WebSocketException)):  # refused, or reset while the last of it ends
            connect(host.url("bob"), proxy=None)
    finally:
        running.stop()
