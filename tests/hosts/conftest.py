"""One server process for all tests of a server and an application."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.hosts.host import PAIRS, Host, Running


@pytest.fixture(scope="session", params=PAIRS, ids="-".join)
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    it = Running(*request.param)
    yield it
    it.stop()


@pytest.fixture
def host(running: Running) -> Host:
    return Host(running)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what its server has printed."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and isinstance(host, Host):
        report.sections.append((f"the log of {host.server.name}", host.log[-5000:]))
    return report
