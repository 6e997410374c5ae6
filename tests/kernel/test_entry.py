"""The ASGI entry: what a channel says to scopes other than a WebSocket, and its lifespan."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, ConfigurationError, Context, MemoryLayer
from chanx.testing import connect
from tests.kernel.messages import Boom, Said, Say


class Closing(MemoryLayer):
    """Notes when it is let go of."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def events(app: Any, scope: dict[str, Any], *received: dict[str, Any]) -> list[dict[str, Any]]:
    """What an application sends when it receives these events."""
    sent: list[dict[str, Any]] = []
    waiting = list(received)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    with anyio.fail_after(5):
        await app(scope, receive, send)
    return sent


async def test_plain_http_is_told_to_upgrade() -> None:
    start, body = await events(Channel(), {"type": "http", "method": "GET", "headers": []})
    headers = dict(start["headers"])
    assert start["status"] == 426
    assert headers[b"upgrade"] == b"websocket"
    assert headers[b"connection"].lower() == b"upgrade"
    assert int(headers[b"content-length"]) == len(body["body"])
    assert b"WebSocket" in body["body"]


async def test_another_scope_raises() -> None:
    with pytest.raises(ValueError, match="'carrier-pigeon'"):
        await events(Channel("chat"), {"type": "carrier-pigeon"})


LIFESPAN = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})


async def test_the_lifespan_protocol_is_answered_and_closes_the_layer() -> None:
    layer = Closing()
    sent = await events(Channel(groups=layer), {"type": "lifespan"}, *LIFESPAN)
    assert [event["type"] for event in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert layer.closed == 1


async def test_a_mistake_of_set_up_fails_the_start() -> None:
    channel = Channel()

    @channel.on(Say)
    async def one(message: Say) -> None: ...

    @channel.on(Say)
    async def two(message: Say) -> None: ...

    (failed,) = await events(channel, {"type": "lifespan"}, *LIFESPAN)
    assert failed["type"] == "lifespan.startup.failed"
    assert "'say'" in failed["message"]


async def test_the_lifespan_helper_compiles_and_closes() -> None:
    layer = Closing()
    channel = Channel(groups=layer)
    app = Starlette(routes=[WebSocketRoute("/", channel)], lifespan=channel.lifespan)

    sent = await events(app, {"type": "lifespan", "state": {}}, *LIFESPAN)
    assert [event["type"] for event in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert layer.closed == 1
    with pytest.raises(ConfigurationError, match="too late"):
        channel.on(Say)(_never)


async def _never(message: Say) -> None: ...


async def test_stats_count() -> None:
    channel = Channel()

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @channel.on(Boom)
    async def boom(message: Boom) -> None:
        raise ValueError("boom")

    assert channel.stats().connections == 0
    async with connect(channel, raise_app_exceptions=False) as client:
        async with connect(channel):
            assert channel.stats().connections == 2
        await client.send("not json")
        await client.send(Boom())
        await client.send(Say(text="hello"))
        await client.settled()
        assert [frame["action"] for frame in client.pending] == ["error", "error", "said"]
        stats = channel.stats()
        assert (stats.connections, stats.accepted, stats.refused) == (1, 2, 0)
        assert (stats.bad_frames, stats.handler_errors, stats.cancelled) == (1, 1, 0)
        assert (stats.frames_dropped, stats.slow_closed, stats.events_skipped) == (0, 0, 0)
    assert channel.stats().connections == 0
    assert channel.stats().accepted == 2


async def test_a_disconnect_in_place_of_a_connect_is_nothing() -> None:
    channel = Channel()
    touched: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        touched.append("in")

    sent = await events(
        channel, {"type": "websocket", "headers": [], "path": "/"}, {"type": "websocket.disconnect", "code": 1006}
    )
    assert sent == []
    assert touched == []
