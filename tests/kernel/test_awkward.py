"""What a review found by trying: each of these once took a connection down, or kept it up in silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel, field_validator

from chanx import Channel, ConfigurationError, Context, Limits, Reject
from chanx.testing import Refused, connect
from tests.kernel import clock
from tests.kernel.messages import Boom, Hired, Said, Say, Wait
from tests.kernel.wire import serve

only_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])
in_virtual_time = pytest.mark.parametrize(
    "anyio_backend", [clock.backend("asyncio"), clock.backend("trio")], ids=["asyncio", "trio"]
)


@only_asyncio
async def test_a_handler_that_awaits_something_cancelled_is_answered_as_any_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    channel = Channel()

    @channel.on(Boom)
    async def boom(message: Boom) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    with caplog.at_level(logging.ERROR, "chanx"):
        async with connect(channel, raise_app_exceptions=False) as client:
            await client.send(Boom())
            assert (await client.receive())["payload"]["code"] == "internal_error"
            assert (await client.request(Boom()))["payload"]["code"] == "internal_error"
            assert (await client.request(Say(text="still here"), Said)).text == "still here"
    assert channel.stats().handler_errors == 2
    assert "was cancelled" in caplog.text


@only_asyncio
async def test_events_behind_one_whose_handler_awaits_something_cancelled_are_handled() -> None:
    channel = Channel()
    seen: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("staff")

    @channel.event(Hired)
    async def hired(event: Hired) -> None:
        seen.append(event.name)
        if event.name == "first":
            raise asyncio.CancelledError

    async with connect(channel, raise_app_exceptions=False) as client:
        for name in ("first", "second", "third"):
            await channel.emit(Hired(name=name), group="staff")
        await client.settled()
    assert seen == ["first", "second", "third"]
    assert channel.stats().handler_errors == 1


@only_asyncio
async def test_a_hook_that_awaits_something_cancelled_refuses_its_connection() -> None:
    channel = Channel()

    @channel.on_connect
    async def enter() -> None:
        raise asyncio.CancelledError

    async with serve(channel) as wire:
        await wire.end()
    assert wire.sent[0]["status"] == 500
    assert wire.error is None


@in_virtual_time
async def test_a_connection_that_cannot_be_written_to_ends_also_while_its_client_stays() -> None:
    """As where a middleware bounds `send`, and `receive` knows nothing of it."""
    channel = Channel()
    left = anyio.Event()

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @channel.on_disconnect
    async def leave() -> None:
        left.set()

    async def bounded(scope: Any, receive: Any, send: Any) -> None:
        async def broken(event: Any) -> None:
            if event["type"] == "websocket.send":
                raise TimeoutError
            await send(event)

        await channel(scope, receive, broken)

    async with serve(bounded, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "say", "text": "into the void"})
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds == pytest.approx(Limits().linger, abs=0.3)
    assert left.is_set()
    assert wire.error is None


async def test_a_frame_that_arrives_after_the_server_has_closed_is_not_handled() -> None:
    channel = Channel()
    handled: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("staff")

    @channel.event(Hired)
    async def hired(event: Hired, ctx: Context) -> None:
        await ctx.close(4000, "enough")

    @channel.on(Say)
    async def say(message: Say) -> None:
        handled.append(message.text)

    async with serve(channel) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        await channel.emit(Hired(name="Ada"), group="staff")
        await wire.until(lambda: wire.closed)
        wire.say({"action": "say", "text": "too late"})
        await wire.end()
    assert handled == []


@in_virtual_time
async def test_a_send_that_sticks_after_a_slow_one_is_noticed() -> None:
    channel = Channel(limits=Limits(send_timeout=1))

    @channel.on(Wait)
    async def wait(message: Wait, ctx: Context) -> None:
        await ctx.broadcast(Said(text="one"), connection=ctx.id)
        await ctx.broadcast(Said(text="two"), connection=ctx.id)

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        wire.say({"action": "wait"})
        await wire.until(lambda: wire.taken == 2)
        watch = clock.Stopwatch()
        await anyio.sleep(0.5)  # virtual: the first is slow, the second sticks
        wire.release()
        wire.hold()
        await wire.end()
        assert watch.seconds < 10
    assert channel.stats().slow_closed == 1


@pytest.mark.parametrize("form", ["http", "close"])
async def test_a_refusal_that_the_server_cannot_send_goes_no_further(form: Any) -> None:
    channel = Channel(refuse=form)

    @channel.on_connect
    async def enter() -> None:
        raise Reject(401, "no", headers={"x-reason": "Ж"})

    async def vanished(scope: Any, receive: Any, send: Any) -> None:
        async def broken(event: Any) -> None:
            raise AttributeError("as some servers do when the client has vanished")

        await channel(scope, receive, broken)

    async with serve(vanished) as wire:
        await wire.end()
    assert wire.error is None
    assert channel.stats().connections == 0
    async with serve(channel) as wire:
        await wire.end()
    assert wire.error is None
    assert len(wire.sent) == 2


async def test_a_close_in_on_connect_is_what_the_client_sees() -> None:
    child, channel = Channel("child"), Channel()
    ran: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.close(4001, "not today")
        await ctx.join("room")  # raises ConnectionClosed

    @child.on_connect
    async def never() -> None:
        ran.append("child")

    channel.include(child)
    async with serve(channel) as wire:
        await wire.end()
    assert wire.closed == (4001, "not today")
    assert ran == []
    assert channel.stats().handler_errors == 0


@in_virtual_time
async def test_a_hook_that_hangs_leaves_some_time_to_those_after_it() -> None:
    child, channel = Channel("child"), Channel()
    log: list[str] = []

    @channel.on_disconnect
    async def leave() -> None:
        await anyio.sleep(0.2)
        log.append("left")

    @child.on_disconnect
    async def hang() -> None:
        await anyio.sleep_forever()

    channel.include(child)
    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.leave()
        await wire.end()
    assert log == ["left"]


@pytest.mark.parametrize("text", ['{"action":"say","text":{"%s":[]}}', '{"action":"say","text":"x","%s":1}'])
async def test_an_answer_does_not_outgrow_its_question(text: str) -> None:
    class Strict(BaseModel, extra="forbid"):
        action: Literal["say"] = "say"
        text: dict[str, int] | str

    channel = Channel()

    @channel.on(Strict)
    async def say(message: Strict) -> None: ...

    async with serve(channel) as wire:
        await wire.accepted()
        wire.say(text % ("k" * 100_000))
        await wire.until(lambda: wire.frames)
    assert wire.frames[0]["payload"]["code"] == "invalid_message"
    assert len(str(wire.frames[0])) < 2000


async def test_an_included_channel_that_uses_its_parents_state_can_publish() -> None:
    class Seat:
        number = 7

    child, channel = Channel("child"), Channel("parent", state=Seat)

    @child.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @child.on(Say)
    async def say(message: Say, ctx: Context[Seat]) -> Said:
        return Said(text=str(ctx.state.number))

    channel.include(child)
    async with connect(channel) as client:
        await child.broadcast(Said(text="from the child"), group="room")
        assert (await client.receive(Said)).text == "from the child"
        assert (await client.request(Say(text="x"), Said)).text == "7"


async def test_a_validator_that_is_broken_is_no_strike() -> None:
    class Fragile(BaseModel):
        action: Literal["say"] = "say"
        text: str

        @field_validator("text")
        @classmethod
        def check(cls, value: str) -> str:
            raise LookupError("a mistake of the application")

    channel = Channel(limits=Limits(strikes=0))

    @channel.on(Fragile)
    async def say(message: Fragile) -> None: ...

    async with connect(channel, raise_app_exceptions=False) as client:
        for frame in ({"action": "say", "text": "x"}, {"action": "say", "text": "x", "ref": 1}):
            await client.send(frame)
            assert (await client.receive())["payload"]["code"] == "internal_error"
        assert [str(error) for error in client.errors] == ["a mistake of the application"] * 2
    assert channel.stats().bad_frames == 0


async def test_a_hook_that_goes_on_sending_makes_no_noise_when_the_client_leaves() -> None:
    channel = Channel()

    @channel.on_connect
    async def pump(ctx: Context) -> AsyncGenerator[None, None]:
        async def tell() -> None:
            while True:
                await ctx.send(Said(text="tick"))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell)
            yield
            tasks.cancel_scope.cancel()

    async with serve(channel) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.frames)
        wire.leave()
        await wire.end()
    assert wire.error is None
    assert channel.stats().handler_errors == 0


async def test_a_refusal_inside_a_task_group_is_a_refusal() -> None:
    channel = Channel()

    @channel.on_connect
    async def enter() -> None:
        async def check() -> None:
            raise Reject(403, "not you")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(check)

    with pytest.raises(Refused) as refused:
        async with connect(channel):
            pass
    assert (refused.value.status, refused.value.detail) == (403, "not you")


@pytest.mark.parametrize("status", [200, 99, 1500])
def test_a_rejection_has_the_status_of_a_refusal(status: int) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        Reject(status)


@pytest.mark.parametrize("origin", ["https://example.com/", "*", "https://Example.com", "example.com"])
def test_an_origin_that_can_never_match_is_a_mistake(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="can never match"):
        Channel(allowed_origins=[origin])


async def test_lists_may_be_iterators() -> None:
    channel = Channel(subprotocols=(one for one in ["v1"]), allowed_origins=(one for one in ["https://example.com"]))
    async with connect(channel, headers={"origin": "https://example.com"}, subprotocols=["v1"]) as client:
        assert client.subprotocol == "v1"


@in_virtual_time
async def test_an_error_frame_that_cannot_be_written_is_noticed() -> None:
    channel = Channel()

    @channel.on(Say)
    async def say(message: Say) -> None: ...

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.hold()
        wire.say("not json")
        watch = clock.Stopwatch()
        await wire.end()
        limits = Limits()
        assert watch.seconds == pytest.approx(limits.send_timeout + limits.cleanup, abs=0.5)
    assert channel.stats().slow_closed == 1
