"""The helper that starts real servers tells what went wrong."""

from __future__ import annotations

import signal
import socket
import sys

import httpx
import pytest

from tests.servers import HOST, SERVERS, ServerFailed, serve


def start(name: str, app: str, port: int | None = None) -> None:
    with serve(name, app, port=port):
        pytest.fail("it cannot have started")


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn-trio"])
def test_a_server_that_does_not_start_is_reported_with_its_log(name: str) -> None:
    with pytest.raises(ServerFailed, match=r"(?s)ended with code .* before it listened.*no_such_module"):
        start(name, "tests.no_such_module:app")


def test_a_port_that_is_taken_is_reported() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerFailed, match=f"port {port} is taken"):
            start("uvicorn", "tests.hello:hello", port)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_serves_until_the_block_ends(name: str) -> None:
    with serve(name, "tests.hello:hello") as server:
        assert httpx.get(server.http(), trust_env=False, verify=False).text == "hello"
    assert server.stopped
    assert server.processes() == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.http(), trust_env=False, verify=False)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the workers in /proc")
@pytest.mark.parametrize(("name", "options"), [("granian", ()), ("hypercorn-asyncio", ("--workers", "1"))])
def test_no_worker_is_left_behind(name: str, options: tuple[str, ...]) -> None:
    """Also where a test has killed the process that would have ended them."""
    with serve(name, "tests.hello:hello", *options) as server:
        assert len(server.processes()) > 1
        server.signal(signal.SIGKILL)
        server.process.wait()
        assert server.processes()
    assert server.processes() == []
