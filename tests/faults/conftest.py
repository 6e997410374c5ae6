"""A Redis server, and a proxy before it, of each test's own: they are broken."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from chanx.groups.redis import RedisLayer
from tests import brokers
from tests.brokers import Broker
from tests.faults.proxy import Proxy

#: `make faults` repeats each break so often.
ROUNDS = 5 if os.environ.get("CHANX_FULL") else 1
#: Of the random tests: one for each round, or the one that is asked for.
SEEDS = [int(os.environ["CHANX_SEED"])] if os.environ.get("CHANX_SEED") else list(range(ROUNDS))


@pytest.fixture
def broker(redis_server: str) -> Iterator[Broker]:
    with brokers.broker(redis_server) as made:
        yield made


@pytest.fixture
def proxy(broker: Broker) -> Iterator[Proxy]:
    made = Proxy(broker.port)
    yield made
    made.close()


@pytest.fixture
async def layer(proxy: Proxy) -> AsyncIterator[RedisLayer]:
    made = impatient(proxy.url)
    yield made
    await made.aclose()


def impatient(url: str, **options: object) -> RedisLayer:
    """A layer that notices soon."""
    settings = {"heartbeat": 0.1, "heartbeat_timeout": 2.0, "connect_timeout": 2.0, "max_pause": 0.2, "timeout": 20.0}
    return RedisLayer(url, **{**settings, **options})  # type: ignore[arg-type]
