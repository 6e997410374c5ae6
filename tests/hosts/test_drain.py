"""Draining under real servers: what clients, hooks and the lifespan see of SIGTERM, and of a pre-stop route."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.hosts.draining import BATCH, INTERVAL
from tests.hosts.facts import SERVERS
from tests.servers import Server, serve

pytestmark = [pytest.mark.hosts, pytest.mark.faults]

TIMEOUT = 15.0  # seconds; how long an answer may take on a loaded machine
CLIENTS = 6
PARENT = ("--workers", "1", "--graceful-timeout", "1")


@contextlib.contextmanager
def clients(server: Server) -> Iterator[list[ClientConnection]]:
    with contextlib.ExitStack() as stack:
        made: list[ClientConnection] = []
        for number in range(CLIENTS):
            url = server.ws(f"/chat/?name=c{number}")
            made.append(stack.enter_context(connect(url, open_timeout=TIMEOUT, close_timeout=TIMEOUT, proxy=None)))
        for client in made:
            client.send('{"action": "echo", "text": "in"}')
            assert client.recv(timeout=TIMEOUT) == '{"action":"echoed","text":"in"}'
        yield made


def close_code(client: ClientConnection) -> Any:
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=TIMEOUT)
    return caught.value.rcvd and caught.value.rcvd.code


def all_close_codes(made: list[ClientConnection]) -> list[Any]:
    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(close_code, made))


def left(server: Server) -> list[float]:
    """When each client had been closed, by the clock of the server."""
    return sorted(float(seconds) for seconds in re.findall(r"^left: c\d (\S+)$", server.log, re.MULTILINE))


def spread(times: list[float]) -> bool:
    """No more than a batch at once: the next ones come an interval later, or more on a loaded machine."""
    return times[-1] - times[0] > (CLIENTS // BATCH - 1) * INTERVAL / 2


@pytest.mark.parametrize("name", SERVERS)
def test_at_sigterm(name: str) -> None:
    facts = SERVERS[name]
    app = "app" if facts.lifespan else "without_lifespan"
    with serve(facts.server, f"tests.hosts.draining:{app}", *facts.drained_options) as server, clients(server) as made:
        server.process.terminate()
        assert all_close_codes(made) == [1012 if facts.codes else 4012] * CLIENTS
        assert server.process.wait(TIMEOUT) == facts.drained_exit_code
        times = left(server)
        assert len(times) == CLIENTS
        assert spread(times)
        assert "Traceback" not in server.log
        lines = [line.split()[0] for line in server.log.splitlines() if line.startswith(("left", "resource"))]
        assert lines == ["left:"] * CLIENTS + ["resource"] * facts.drained_lifespan
        server.stop()


def test_each_worker_of_uvicorn_is_drained() -> None:
    with serve("uvicorn", "tests.hosts.draining:app", "--workers", "2") as server, clients(server) as made:
        server.process.terminate()
        assert all_close_codes(made) == [1012] * CLIENTS
        assert server.process.wait(TIMEOUT) == 0
        assert len(left(server)) == CLIENTS
        assert "resource closed" in server.log
        assert "Traceback" not in server.log
        server.stop()


@pytest.mark.parametrize("name", ["hypercorn-asyncio", "hypercorn-trio"])
def test_a_pre_stop_route_where_a_parent_process_minds_the_signal(name: str) -> None:
    with serve(name, "tests.hosts.draining:app", *PARENT) as server, clients(server) as made:
        assert "the server's parent process does" in server.log
        with ThreadPoolExecutor(1) as thread:
            codes = thread.submit(all_close_codes, made)
            answer = httpx.get(server.http("/stop"), timeout=TIMEOUT, trust_env=False, verify=False)
            assert answer.json() == {"closed": CLIENTS, "cut": 0}
            assert codes.result() == [1012] * CLIENTS
        assert len(left(server)) == CLIENTS
        assert spread(left(server))
        with pytest.raises(InvalidStatus) as caught:
            connect(server.ws("/chat/?name=late"), open_timeout=TIMEOUT, proxy=None)
        assert caught.value.response.status_code == 503
        assert caught.value.response.headers["Retry-After"] == "1"
        assert server.stop() == 0
        assert "resource closed" in server.log


def test_a_second_sigterm_is_for_the_server() -> None:
    """Half-way through a drain the server ends as it does without one."""
    with serve("uvicorn", "tests.hosts.draining:app") as server, clients(server) as made:
        server.process.terminate()
        server.wait_for_log("left:")
        server.process.terminate()
        assert all_close_codes(made) == [1012] * CLIENTS
        assert server.process.wait(TIMEOUT) == -15
        assert len(left(server)) == CLIENTS
        server.stop()
