"""How a connection is refused: as HTTP, as a plain close, and as a close that a browser's code can read."""

from __future__ import annotations

import json
import logging
from typing import Any, Literal

import anyio
import pytest
from starlette.exceptions import HTTPException

from chanx import Channel, Context, Limits, Reject
from chanx.testing import Refused, connect
from tests.kernel import clock
from tests.kernel.messages import Said, Say
from tests.kernel.wire import serve


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


def refusing(error: Exception, refuse: Literal["http", "close"] = "http") -> Channel:
    channel = Channel(refuse=refuse)

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")
        await ctx.send(Said(text="never seen"))
        raise error

    return channel


async def test_http_form_carries_status_headers_and_a_json_detail() -> None:
    channel = refusing(Reject(401, "a name is needed", {"WWW-Authenticate": "Basic"}))
    async with serve(channel) as wire:
        await wire.end()
    start, body = wire.sent
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 401
    assert (b"www-authenticate", b"Basic") in start["headers"]
    assert (b"content-type", b"application/json") in start["headers"]
    assert (b"content-length", str(len(body["body"])).encode()) in start["headers"]
    assert json.loads(body["body"]) == {"detail": "a name is needed"}
    assert body["type"] == "websocket.http.response.body"


async def test_the_client_sees_the_status_detail_and_headers() -> None:
    with pytest.raises(Refused) as refused:
        async with connect(refusing(Reject(429, "too often", {"Retry-After": "7"}))):
            pass
    assert (refused.value.status, refused.value.detail) == (429, "too often")
    assert refused.value.headers["retry-after"] == "7"


async def test_without_a_detail_the_status_has_its_own_phrase() -> None:
    with pytest.raises(Refused) as refused:
        async with connect(refusing(Reject(404))):
            pass
    assert (refused.value.status, refused.value.detail) == (404, "Not Found")


async def test_any_http_exception_is_a_refusal() -> None:
    with pytest.raises(Refused) as refused:
        async with connect(refusing(HTTPException(402, "pay first"))):
            pass
    assert (refused.value.status, refused.value.detail) == (402, "pay first")


async def test_a_server_without_the_denial_extension_gets_a_close_before_accept() -> None:
    async with serve(refusing(Reject(401, "a name is needed")), denial=False) as wire:
        await wire.end()
    assert wire.sent == [{"type": "websocket.close", "code": 4401, "reason": "a name is needed"}]


@pytest.mark.parametrize(("status", "code"), [(401, 4401), (403, 4403), (404, 4404), (503, 4503)])
async def test_close_form_accepts_and_closes_with_4000_and_the_status(status: int, code: int) -> None:
    async with serve(refusing(Reject(status, "no"), "close")) as wire:
        wire.say({"action": "say", "text": "nobody handles this"})
        await wire.end()
    assert wire.kinds == ["accept", "close"]  # and no frame, though one was sent before the refusal
    assert wire.closed == (code, "no")


async def test_a_reason_is_cut_to_123_bytes_on_a_character_boundary() -> None:
    async with serve(refusing(Reject(403, "€" * 50), "close")) as wire:
        await wire.end()
    assert wire.closed == (4403, "€" * 41)  # three bytes each


@pytest.mark.parametrize("refuse", ["http", "close"])
async def test_nothing_of_the_connection_stays(refuse: Literal["http", "close"]) -> None:
    channel = refusing(Reject(403), refuse)
    async with serve(channel) as wire:
        await wire.end()
    members = channel.layers()[0].members
    assert members.groups() == []
    assert channel.stats().refused == 1
    assert channel.stats().accepted == 0
    assert channel.stats().connections == 0


async def test_an_exception_in_on_connect_is_500_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    channel = refusing(ValueError("the password is swordfish"))
    with caplog.at_level(logging.ERROR, "chanx"):
        async with serve(channel) as wire:
            await wire.end()
    assert wire.sent[0]["status"] == 500
    assert b"swordfish" not in wire.sent[1]["body"]
    record = next(record for record in caplog.records if record.exc_info)
    assert "swordfish" in str(record.exc_info and record.exc_info[1])
    assert channel.stats().handler_errors == 1


async def test_a_state_that_cannot_be_made_is_500(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("no state")

    channel = Channel(state=broken)
    async with serve(channel) as wire:
        await wire.end()
    assert wire.sent[0]["status"] == 500


@pytest.mark.parametrize("form", ["http", "close"])
async def test_the_handshake_is_bounded(form: Literal["http", "close"]) -> None:
    channel = Channel(refuse=form)  # with the default of ten seconds

    @channel.on_connect
    async def enter() -> None:
        await anyio.sleep_forever()

    async with serve(channel, patience=1000) as wire:
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds == pytest.approx(Limits().connect_timeout, abs=0.1)
    if form == "http":
        assert wire.sent[0]["status"] == 503
    else:
        assert wire.kinds == ["accept", "close"]
        assert wire.closed is not None
        assert wire.closed[0] == 4503
    assert channel.stats().refused == 1


async def test_the_bound_ends_with_the_handshake() -> None:
    channel = Channel(limits=Limits(connect_timeout=1.0))
    released = anyio.Event()

    @channel.on_connect
    async def enter() -> None: ...

    @channel.on(Say)
    async def say(message: Say) -> Said:
        await released.wait()
        return Said(text=message.text)

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "say", "text": "late"})
        await anyio.sleep(60)  # of virtual time: far past the bound
        released.set()
        await wire.until(lambda: wire.frames)
        assert wire.frames == [{"action": "said", "text": "late"}]


async def test_hooks_that_finished_before_a_timeout_are_undone() -> None:
    done: list[str] = []
    first, second = Channel("first"), Channel("second")

    @first.on_connect
    async def enter() -> None:
        done.append("first in")

    @first.on_disconnect
    async def leave() -> None:
        done.append("first out")

    @second.on_connect
    async def stall() -> None:
        done.append("second in")
        await anyio.sleep_forever()

    @second.on_disconnect
    async def never() -> None:
        done.append("second out")

    parent = Channel()
    parent.include(first)
    parent.include(second)
    async with serve(parent, patience=1000) as wire:
        await wire.end()
    assert done == ["first in", "second in", "first out"]


async def test_hooks_that_finished_before_a_refusal_are_undone_and_see_its_code() -> None:
    seen: list[tuple[int | None, str, frozenset[str]]] = []
    first, second = Channel("first"), Channel("second")

    @first.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @first.on_disconnect
    async def leave(ctx: Context) -> None:
        seen.append((ctx.close_code, ctx.close_reason, ctx.left_groups))

    @second.on_connect
    async def refuse() -> None:
        raise Reject(403, "not you")

    parent = Channel()
    parent.include(first)
    parent.include(second)
    async with serve(parent) as wire:
        await wire.end()
    assert seen == [(4403, "not you", frozenset({"room"}))]


class TestSubprotocol:
    async def agreed(self, ours: list[str], offered: list[str]) -> tuple[str | None, str | None]:
        channel = Channel(subprotocols=ours)
        seen: list[str | None] = []

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            seen.append(ctx.subprotocol)

        async with connect(channel, subprotocols=offered) as client:
            return client.subprotocol, seen[0]

    async def test_the_first_of_ours_that_is_offered(self) -> None:
        assert await self.agreed(["v2.chat", "v1.chat"], ["v1.chat", "v2.chat"]) == ("v2.chat", "v2.chat")

    async def test_none_where_none_agrees(self) -> None:
        assert await self.agreed(["v2.chat"], ["v1.chat"]) == (None, None)

    async def test_none_where_none_is_offered(self) -> None:
        assert await self.agreed(["v2.chat"], []) == (None, None)


async def test_a_client_that_left_before_the_accept_is_no_error() -> None:
    channel = Channel()
    ended: list[int | None] = []

    @channel.on_connect
    async def enter() -> None: ...

    @channel.on_disconnect
    async def leave(ctx: Context) -> None:
        ended.append(ctx.close_code)

    async with serve(channel) as wire:
        wire.fails = OSError("gone")
        await wire.end()
    assert ended == [1006]
    assert channel.stats().accepted == 0


async def test_a_client_that_left_before_its_refusal_is_no_error() -> None:
    async with serve(refusing(Reject(403))) as wire:
        wire.fails = OSError("gone")
        await wire.end()
    assert wire.error is None
