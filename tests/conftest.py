"""What every test may use: both event loops, and programs that pip does not bring."""

from __future__ import annotations

import gc
import inspect
import secrets
from collections.abc import Iterator
from typing import Any

import hypothesis  # noqa: F401 - before `gc.freeze`: it asks the collector who refers to trio's random numbers
import pytest

from chanx.testing import connect
from tests import brokers, programs
from tests.brokers import Broker

#: Files, or folders whose files share what starts slowly (a browser, servers, Node): one process of pytest-xdist has
#: all of one. What a name begins with counts, and the first that fits.
SHARING = ("tests/browser/test_django.py", "tests/browser/", "tests/hosts/", "tests/asyncapi/")
#: What takes longest begins first, so that all processes end at about the same time.
LONG = (
    *SHARING,
    "tests/examples/test_django.py",
    "tests/clients/test_generated.py",
    "tests/kernel/test_typing.py",
    "tests/test_benchmarks.py",
    "tests/test_benchmarks_lifecycle.py",
    "tests/compat/test_django.py",
    "tests/compat/test_servers.py",
    "tests/compat/test_document_000.py",
    "tests/examples/test_fastapi_rooms.py",
    "tests/compat/test_drf.py",
    "tests/kernel/test_topics_leaks.py",
    "tests/kernel/test_leaks.py",
    "tests/groups/test_redis.py",
    "tests/faults/test_redis_link.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As `--dist loadfile` has it, but for `SHARING` and `LONG`."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Sharing(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            own: str = super()._split_scope(nodeid)
            return next((folder for folder in SHARING if own.startswith(folder)), own)

        def _assign_work_unit(self, node: Any) -> None:
            if longest := next((scope for scope in LONG if scope in self.workqueue), None):
                self.workqueue.move_to_end(longest, last=False)
            super()._assign_work_unit(node)

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

# Thousands of collected tests stay: the garbage collector need not look through them every few moments, and not at all
# once they are there, nor do the tests that call it.
gc.set_threshold(20_000, 20, 20)


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


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
