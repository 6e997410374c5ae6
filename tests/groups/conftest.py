"""A Redis server for all tests of a process, and a prefix of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests import brokers
from tests.brokers import Broker


@pytest.fixture(scope="session")
def broker(redis_server: str) -> Iterator[Broker]:
    with brokers.broker(redis_server) as made:
        yield made


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(6)}"
