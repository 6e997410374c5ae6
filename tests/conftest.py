"""What every test may use: both event loops, and programs that pip does not bring."""

from __future__ import annotations

import gc
import inspect
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from chanx.testing import connect
from tests import brokers, programs
from tests.brokers import Broker

#: Folders whose files share what starts slowly (a browser, servers, Node): one process of pytest-xdist has all of one.
SHARING = ("tests/asyncapi/", "tests/browser/", "tests/hosts/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As `--dist loadfile` has it, but for the folders of `SHARING`."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Sharing(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            own: str = super()._split_scope(nodeid)
            return next((folder for folder in SHARING if own.startswith(folder)), own)

    return Sharing(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests of faults have counted, whichever process has run them."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind)]
    rows = [value for report in reports for name, value in report.user_properties if name == "faults"]
    if rows:
        from tests.faults.account import table

        terminalreporter.section("messages, while things break")
        terminalreporter.write_line(table(rows))


# Machines that do other work as well take longer than a second or two now and then; what is there is not waited for.
inspect.unwrap(connect).__kwdefaults__["timeout"] = 20.0

# Thousands of collected tests stay: the collector need not look through them every few moments.
gc.set_threshold(20_000, 20, 20)


@pytest.fixture(params=[pytest.param("asyncio", id="asyncio"), pytest.param("trio", id="trio")])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Async tests run once on each backend unless their module narrows this fixture."""
    backend: str = request.param
    return backend


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that can be driven headless."""
    return programs.need("chromium")


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The path of the redis-server program."""
    return programs.need("redis-server")


@pytest.fixture(scope="session")
def broker(redis_server: str) -> Iterator[Broker]:
    """A Redis server, shared by the tests of this process; each takes a prefix of its own."""
    with brokers.broker(redis_server) as made:
        yield made


@pytest.fixture
def prefix() -> str:
    """What names at the server begin with, that nobody else uses."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node."""
    return programs.need("node")
