"""The files that the page about Redis shows."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest
from pydantic import BaseModel

from chanx import Channel, Context, History, LayerUnavailable
from chanx.channels.testing import WebsocketCommunicator
from chanx.compat.layers import channel_layers
from chanx.groups.redis import RedisLayer
from chanx.testing import Closed, connect
from tests.brokers import Broker
from tests.servers import HOST, ROOT

pytestmark = [pytest.mark.anyio, pytest.mark.redis]

FILES = Path(__file__).parents[2] / "docs" / "snippets" / "howto"


@pytest.fixture
async def snippet(
    request: pytest.FixtureRequest, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    monkeypatch.setenv("REDIS_URL", broker.url)
    module = importlib.import_module(f"docs.snippets.howto.{request.param}")
    yield module
    channel = {"redis_groups": "news", "redis_layer": "prices", "deploy": "chat"}[request.param]
    for layer in getattr(module, channel).layers():
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


@pytest.mark.parametrize("snippet", ["deploy"], indirect=True)
async def test_deploy(snippet: Any) -> None:
    transport = httpx.ASGITransport(app=snippet.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        assert (await http.get("/ready")).status_code == 503
        assert (await http.get("/live")).status_code == 200
        await until_ready(http)
        async with connect(snippet.app, "/chat") as client:
            assert (await client.receive())["action"] == "joined"
            await client.request(snippet.Say(text="hello"))
            assert (await client.receive())["seq"] > 0


class News(BaseModel):
    action: Literal["news"] = "news"
    text: str


class Configured(Broker):
    """With the settings and the users that the page shows."""

    def __init__(self, program: str, folder: str) -> None:
        super().__init__(program, folder, "--aclfile", str(FILES / "deploy_users.acl"))
        program, *options = self._words
        self._words = [program, str(FILES / "deploy_redis.conf"), *options]


@pytest.fixture
async def configured(redis_server: str, tmp_path: Path) -> AsyncIterator[Configured]:
    made = Configured(redis_server, str(tmp_path))
    try:
        await anyio.to_thread.run_sync(made.start)
        yield made
    finally:
        made.stop()


@asynccontextmanager
async def layer_of(user: str, broker: Broker, prefix: str = "chanx") -> AsyncGenerator[RedisLayer]:
    layer = RedisLayer(f"redis://{user}:change-me@{HOST}:{broker.port}", prefix=prefix, unavailable="raise")
    try:
        yield layer
    finally:
        await layer.aclose()


@pytest.mark.parametrize("user", ["groups", "histories"])
async def test_the_users_that_the_page_shows_may_do_all_that_is_needed(configured: Configured, user: str) -> None:
    async with layer_of(user, configured) as layer:
        await exercise(layer, kept=user == "histories")


async def exercise(layer: RedisLayer, *, kept: bool) -> None:
    """Everything that a layer asks of Redis."""
    rooms = Channel("rooms", groups=layer, history={"room": History(size=10)} if kept else None)

    @rooms.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("lobby")
        await ctx.join("room", stream="room" if kept else None, last=5 if kept else 0)

    with anyio.fail_after(30):
        while not layer.healthy():  # noqa: ASYNC110 - as whoever asks it does
            await anyio.sleep(0.01)
    key = "once" if kept else None
    for _ in range(2):
        await rooms.broadcast(News(text="first"), group="room", idempotency_key=key)
    async with connect(rooms) as client:
        await rooms.broadcast(News(text="second"), group="room")
        await anyio.to_thread.run_sync(lambda: rooms.broadcast_sync(News(text="third"), group="lobby"))
        frames = [await client.receive() for _ in range(4 if kept else 2)]
        assert {frame["text"] for frame in frames if frame["action"] == "news"} >= {"second", "third"}
        if kept:
            place = {"seq": 0, "epoch": next(frame["epoch"] for frame in frames if frame["action"] == "joined")}
            await client.send({"action": "recover", "streams": {"room": place}, "ref": 1})
            while (frame := await client.receive())["action"] != "recovered":
                pass
            assert frame["streams"]["room"]["recovered"] is True
            assert frame["streams"]["room"]["seq"] == 2  # the first was published once


async def test_and_nothing_else(configured: Configured) -> None:
    async with layer_of("groups", configured, prefix="other") as layer:
        with pytest.raises(LayerUnavailable):
            await layer.echo()


async def test_the_unit_that_the_page_shows_starts_a_server(broker: Broker, tmp_path: Path) -> None:
    unit = (FILES / "deploy_chat@.service").read_text()
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    line = line.replace("chat:app", "docs.snippets.howto.deploy:app").replace("/run/chat/%i.sock", f"{tmp_path}/1")
    command = [sys.executable, "-m", "uvicorn", *line.split()[1:]]
    async with await anyio.open_process(
        command, cwd=ROOT, env={**os.environ, "REDIS_URL": broker.url}, stdout=None, stderr=None
    ) as server:
        transport = httpx.AsyncHTTPTransport(uds=f"{tmp_path}/1", retries=0)
        async with httpx.AsyncClient(transport=transport, base_url="http://chat") as http:
            with anyio.fail_after(30):
                while not (tmp_path / "1").exists():  # noqa: ASYNC110 - nobody tells
                    await anyio.sleep(0.02)
            with anyio.fail_after(30):
                await until_answered(http)
            await until_ready(http)
        server.terminate()
        with anyio.fail_after(30):
            await server.wait()


async def until_answered(http: httpx.AsyncClient) -> None:
    """A socket file may be there before somebody listens."""
    while True:
        try:
            assert (await http.get("/live")).status_code == 200
        except httpx.ConnectError:
            await anyio.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_migrate_redis(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", broker.url)
    monkeypatch.setattr(channel_layers, "_registered", {})
    module: Any = importlib.import_module("docs.snippets.howto.migrate_redis")
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=module.app), base_url="http://testserver"
        ) as http:
            await until_ready(http)
            readers = [WebsocketCommunicator(module.app, "/news") for _ in range(2)]
            for reader in readers:
                assert (await reader.connect(timeout=30))[0]
            await readers[0].send_json_to({"text": "hello"})
            for reader in readers:
                assert await reader.receive_json_from(timeout=30) == {"text": "hello"}
                await reader.disconnect()
    finally:
        await module.layer.close()
