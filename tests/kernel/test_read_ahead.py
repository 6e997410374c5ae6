"""Reading ahead while a handler is suspended: how far, and that nothing is lost or reordered by it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from chanx import Channel, Limits
from tests.kernel import clock
from tests.kernel.messages import Say, Wait
from tests.kernel.wire import serve

WAIT = {"action": "wait"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


class Held:
    """A channel with a handler that waits for the test."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.channel = channel = Channel(limits=limits)
        self.gate = anyio.Event()
        self.handled: list[str] = []

        @channel.on(Wait)
        async def wait(message: Wait) -> None:
            await self.gate.wait()

        @channel.on(Say)
        async def say(message: Say) -> None:
            self.handled.append(message.text)


def numbered(count: int, size: int = 0) -> list[dict[str, str]]:
    return [{"action": "say", "text": f"{number:04}".ljust(size, ".")} for number in range(count)]


async def test_it_stops_at_the_bound_and_the_client_feels_it() -> None:
    held = Held()
    async with serve(held.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say(WAIT, *numbered(200))
        await anyio.sleep(5)
        bound = Limits().read_ahead
        assert wire.taken == 2 + bound  # the connect, the frame being handled, and what was read ahead
        assert wire.waiting == 200 - bound
        held.gate.set()
        await wire.until(lambda: wire.waiting == 0)
        await wire.until(lambda: wire.listening)
        assert held.handled == [frame["text"] for frame in numbered(200)]


async def test_the_bound_in_bytes() -> None:
    held = Held(Limits(read_ahead_bytes=1000))
    async with serve(held.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say(WAIT, *numbered(20, size=380))  # some 400 bytes each
        await anyio.sleep(5)
        assert wire.taken == 2 + 3
        held.gate.set()
        await wire.until(lambda: wire.waiting == 0)
        await wire.until(lambda: wire.listening)
        assert len(held.handled) == 20


async def test_past_the_bound_a_leaving_client_is_noticed_when_there_is_room_again() -> None:
    held = Held(Limits(read_ahead=2))
    async with serve(held.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say(WAIT, *numbered(3))
        wire.leave()
        await anyio.sleep(5)
        assert wire.waiting == 2  # one frame and the disconnect
        held.gate.set()
        await wire.end()
        assert held.handled == ["0000", "0001", "0002"]


async def test_a_quick_handler_is_not_read_ahead_of() -> None:
    held = Held()
    async with serve(held.channel, patience=1000) as wire:
        await wire.accepted()
        wire.say(*numbered(50))
        await wire.until(lambda: len(held.handled) == 50)
        wire.say(WAIT, *numbered(1))
        await wire.until(lambda: wire.taken == 52)
        await anyio.wait_all_tasks_blocked()
        assert wire.taken == 52  # the handler is suspended, but not for long enough yet
        held.gate.set()


async def test_handlers_take_turns_with_the_reader_and_keep_the_order() -> None:
    """Suspended for longer and shorter than the reader's patience, in turn."""
    channel = Channel(limits=Limits(read_ahead=3))
    handled: list[int] = []

    @channel.on(Say)
    async def say(message: Say) -> None:
        number = int(message.text)
        await anyio.sleep((0, 0.001, 0.2, 0.04, 0.07)[number % 5])
        handled.append(number)

    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        for number in range(100):
            wire.say({"action": "say", "text": str(number)})
            await anyio.sleep((0.01, 0.2, 0)[number % 3])
        await wire.until(lambda: wire.waiting == 0)
        wire.leave()
        await wire.end()
    assert handled == list(range(100))


async def test_a_reader_that_fails_is_a_client_that_is_gone() -> None:
    """A server that raises from `receive` has lost its client."""
    channel = Channel()
    seen: list[int | None] = []
    gate = anyio.Event()

    @channel.on(Wait)
    async def wait(message: Wait) -> None:
        await gate.wait()

    from chanx import Context

    @channel.on_disconnect
    async def leave(ctx: Context) -> None:
        seen.append(ctx.close_code)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls = 0

        async def failing() -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                gate.set()
                raise ConnectionResetError
            return await receive()

        await channel(scope, failing, send)

    async with serve(app, patience=1000) as wire:
        await wire.accepted()
        wire.say(WAIT)
        await wire.end()
    assert wire.error is None
    assert seen == [1006]
