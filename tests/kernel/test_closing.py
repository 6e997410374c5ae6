"""A server that, as Granian does, sends no close frame while somebody waits for a frame of the client."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from chanx import Channel, Context
from tests.kernel import clock
from tests.kernel.messages import Hired, Said, Say, Wait
from tests.kernel.wire import Wire, serve


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


class OneAtATime:
    """The application behind a lock that `receive` holds and `send` of a close waits for."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        lock = anyio.Lock()

        async def locked_receive() -> Any:
            async with lock:
                return await receive()

        async def locked_send(event: Any) -> None:
            if event["type"] == "websocket.close":
                async with lock:
                    await send(event)
            else:
                await send(event)

        await self.app(scope, locked_receive, locked_send)


def channel(codes: list[int | None], *, serial: bool = False) -> Channel:
    made = Channel()

    @made.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @made.on_disconnect
    async def leave(ctx: Context) -> None:
        codes.append(ctx.close_code)

    @made.on(Wait)
    async def wait(message: Wait) -> Said:
        await anyio.sleep(3)
        return Said(text="waited")

    @made.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @made.event(Hired, serial=serial)
    async def hired(event: Hired, ctx: Context) -> None:
        await ctx.close(4000, event.name)

    return made


async def closes(wire: Wire, made: Channel, codes: list[int | None], after: float) -> None:
    watch = clock.Stopwatch()
    await made.emit(Hired(name="over"), group="room")
    await wire.end()
    assert wire.closed == (4000, "over")
    assert codes == [4000]
    assert after <= watch.seconds < after + 0.1


@pytest.mark.parametrize("serial", [False, True])
async def test_an_idle_connection_can_be_closed(serial: bool) -> None:
    codes: list[int | None] = []
    made = channel(codes, serial=serial)
    async with serve(OneAtATime(made), patience=100) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        await closes(wire, made, codes, 0)


async def test_a_connection_whose_handler_is_suspended_can_be_closed_and_the_handler_finishes() -> None:
    codes: list[int | None] = []
    made = channel(codes)
    async with serve(OneAtATime(made), patience=100) as wire:
        await wire.accepted()
        wire.say({"action": "wait"})
        await anyio.sleep(1)
        assert wire.listening
        await closes(wire, made, codes, 2)
    assert wire.frames == []  # its answer comes after the close


async def test_a_client_that_does_not_answer_the_close_is_not_waited_for() -> None:
    codes: list[int | None] = []
    made = channel(codes)
    async with serve(made, patience=100) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        await closes(wire, made, codes, 0)


async def test_what_waits_goes_out_before_the_close() -> None:
    codes: list[int | None] = []
    made = channel(codes)
    async with serve(OneAtATime(made), patience=100) as wire:
        await wire.accepted()
        wire.hold()
        for number in range(3):
            await made.broadcast(Said(text=str(number)), group="room")
        await made.emit(Hired(name="over"), group="room")
        await anyio.sleep(1)
        assert wire.closed is None
        wire.release()
        await wire.end()
    assert [frame["text"] for frame in wire.frames] == ["0", "1", "2"]
    assert wire.closed == (4000, "over")
    assert codes == [4000]


async def test_a_close_in_on_connect_that_the_server_can_no_longer_accept() -> None:
    """It waits for the accept, and must not wait for an accept that has failed."""
    left: list[int | None] = []
    closes = Channel()

    @closes.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.close(4000, "bye")

    @closes.on_disconnect
    async def leave(ctx: Context) -> None:
        left.append(ctx.close_code)

    async with serve(closes, patience=1000) as wire:
        wire.fails = OSError("the client is gone")
        watch = clock.Stopwatch()
        await wire.end()
        assert watch.seconds < 1
    assert left == [4000]
