"""The files that the page about Redis shows."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from chanx.testing import Closed, connect
from tests.brokers import Broker

pytestmark = [pytest.mark.anyio, pytest.mark.redis]


@pytest.fixture
async def snippet(
    request: pytest.FixtureRequest, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    monkeypatch.setenv("REDIS_URL", broker.url)
    module = importlib.import_module(f"docs.snippets.howto.{request.param}")
    yield module
    for layer in (module.news if request.param == "redis_groups" else module.prices).layers():
        await layer.aclose()


async def until_ready(http: httpx.AsyncClient) -> None:
    with anyio.fail_after(30):
        while (await http.get("/ready")).status_code != 200:  # noqa: ASYNC110 - as whoever asks it does
            await anyio.sleep(0.01)


@pytest.mark.parametrize("snippet", ["redis_groups"], indirect=True)
async def test_redis_groups(snippet: Any, broker: Broker) -> None:
    transport = httpx.ASGITransport(app=snippet.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        assert (await http.get("/ready")).status_code == 503  # nothing is connected yet
        await until_ready(http)
        async with connect(snippet.app, "/news") as client:
            assert (await http.post("/publish", params={"text": "hello"})).status_code == 204
            assert await client.receive(snippet.News) == snippet.News(text="hello")
            await anyio.to_thread.run_sync(broker.command, "CLIENT", "KILL", "TYPE", "pubsub")
            assert await client.receive(timeout=30) == {"action": "gap"}


@pytest.mark.parametrize("snippet", ["redis_layer"], indirect=True)
async def test_redis_layer(snippet: Any, broker: Broker) -> None:
    async with connect(snippet.prices) as client:
        assert "shop-staging:group:prices" in broker.subscriptions("shop-staging:group:")
        await snippet.layer.echo()
        await anyio.to_thread.run_sync(broker.command, "CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(Closed) as closed:
            await client.receive(timeout=30)
        assert closed.value.code == 1012
    assert snippet.prices.layers() == snippet.orders.layers()
