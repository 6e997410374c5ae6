"""`on_disconnect`: exactly once, whatever ended the connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

import anyio
import pytest

from chanx import Channel, Context, Depends
from tests.kernel.messages import Boom, Hired, Said, Say, Wait
from tests.kernel.wire import Wire, serve


class Ends:
    """A channel that notes its end: code, reason and groups."""

    def __init__(self) -> None:
        self.channel = channel = Channel()
        self.seen: list[tuple[int | None, str, frozenset[str]]] = []
        self.waiting = anyio.Event()

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("a", "b")
            await ctx.leave("b")

        @channel.on_disconnect
        async def leave(ctx: Context) -> None:
            assert ctx.groups == frozenset()
            self.seen.append((ctx.close_code, ctx.close_reason, ctx.left_groups))

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> Said | None:
            if message.text == "close":
                await ctx.close(4321, "enough")
            return Said(text=message.text)

        @channel.on(Boom)
        async def boom(message: Boom) -> None:
            raise ValueError("boom")

        @channel.on(Wait)
        async def wait(message: Wait) -> None:
            self.waiting.set()
            await anyio.sleep_forever()

        @channel.event(Hired)
        async def hired(event: Hired) -> None:
            self.waiting.set()
            await anyio.sleep_forever()


async def client_closes(wire: Wire, ends: Ends) -> None:
    wire.leave(1001, "bye")


async def reset(wire: Wire, ends: Ends) -> None:
    wire.leave(1006)


async def handler_raises(wire: Wire, ends: Ends) -> None:
    wire.say({"action": "boom"})
    await wire.until(lambda: wire.frames)
    assert ends.seen == []  # the connection stays up
    wire.leave(1001)


async def direct_send_fails(wire: Wire, ends: Ends) -> None:
    wire.fails = OSError("broken pipe")
    wire.say({"action": "say", "text": "x"})
    await wire.until(lambda: ends.channel.layers()[0].members.count("a") == 0)
    wire.leave(1001)


async def queued_send_fails(wire: Wire, ends: Ends) -> None:
    wire.fails = RuntimeError("a server's own exception")
    await ends.channel.broadcast(Said(text="x"), group="a")
    await wire.until(lambda: ends.channel.layers()[0].members.count("a") == 0)
    wire.leave(1001)


async def server_closes(wire: Wire, ends: Ends) -> None:
    wire.say({"action": "say", "text": "close"})


async def cancelled(wire: Wire, ends: Ends) -> None:
    wire.cancel()


async def cancelled_in_a_handler(wire: Wire, ends: Ends) -> None:
    wire.say({"action": "wait"})
    await ends.waiting.wait()
    wire.cancel()


async def cancelled_in_an_event_handler(wire: Wire, ends: Ends) -> None:
    await ends.channel.emit(Hired(name="Ada"), group="a")
    await ends.waiting.wait()
    wire.cancel()


async def cancelled_as_an_event_arrives(wire: Wire, ends: Ends) -> None:
    wire.cancel()
    await ends.channel.emit(Hired(name="Ada"), group="a")


async def cancelled_as_a_broadcast_arrives(wire: Wire, ends: Ends) -> None:
    wire.cancel()
    await ends.channel.broadcast(Said(text="x"), group="a")


async def too_large(wire: Wire, ends: Ends) -> None:
    wire.say("x" * (1024 * 1024 + 1))


WAYS: list[tuple[Callable[[Wire, Ends], object], int, str]] = [
    (client_closes, 1001, "bye"),
    (reset, 1006, ""),
    (handler_raises, 1001, ""),
    (direct_send_fails, 1006, ""),
    (queued_send_fails, 1006, ""),
    (server_closes, 4321, "enough"),
    (cancelled, 1006, ""),
    (cancelled_in_a_handler, 1006, ""),
    (cancelled_in_an_event_handler, 1006, ""),
    (cancelled_as_an_event_arrives, 1006, ""),
    (cancelled_as_a_broadcast_arrives, 1006, ""),
    (too_large, 1009, "a frame may have at most 1048576 bytes"),
]


@pytest.mark.parametrize(("way", "code", "reason"), [pytest.param(*way, id=way[0].__name__) for way in WAYS])
async def test_exactly_once(way: Callable[[Wire, Ends], object], code: int, reason: str) -> None:
    ends = Ends()
    async with serve(ends.channel, patience=2) as wire:
        await wire.accepted()
        await wire.until(lambda: wire.listening)
        await way(wire, ends)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
        await wire.end()
        assert ends.seen == [(code, reason, frozenset({"a"}))]
    assert ends.seen == [(code, reason, frozenset({"a"}))]
    assert ends.channel.layers()[0].members.groups() == []
    assert ends.channel.stats().connections == 0


async def test_not_where_on_connect_did_not_finish() -> None:
    channel = Channel()
    seen: list[str] = []

    @channel.on_connect
    async def enter() -> None:
        raise ValueError("no")

    @channel.on_disconnect
    async def leave() -> None:
        seen.append("left")

    async with serve(channel) as wire:
        await wire.end()
    assert seen == []


async def test_also_without_an_on_connect() -> None:
    channel = Channel()
    seen: list[str] = []

    @channel.on_disconnect
    async def leave() -> None:
        seen.append("left")

    async with serve(channel) as wire:
        await wire.accepted()
        wire.leave()
        await wire.end()
    assert seen == ["left"]


async def test_after_the_handlers() -> None:
    ends = Ends()
    order: list[str] = []
    released = anyio.Event()

    @ends.channel.event(Boom)
    async def slow(event: Boom) -> None:
        ends.waiting.set()
        await released.wait()
        order.append("event")

    @ends.channel.on_disconnect
    async def leave() -> None:
        order.append("left")

    async with serve(ends.channel) as wire:
        await wire.accepted()
        await ends.channel.emit(Boom(), group="a")
        await ends.waiting.wait()
        wire.leave()
        await wire.until(lambda: wire.taken == 2)
        await anyio.wait_all_tasks_blocked()
        assert order == []
        released.set()
        await wire.end()
    assert order == ["event", "left"]


async def test_one_hook_that_raises_keeps_no_other_from_running(caplog: pytest.LogCaptureFixture) -> None:
    channel = Channel()
    seen: list[str] = []

    async def resource() -> AsyncGenerator[str, None]:
        yield "r"
        seen.append("closed")
        raise ValueError("closing failed")

    @channel.on_connect
    async def both(value: Annotated[str, Depends(resource, scope="connection")]) -> AsyncGenerator[None, None]:
        yield
        seen.append("generator")
        raise ValueError("generator failed")

    @channel.on_disconnect
    async def first() -> None:
        seen.append("first")
        raise ValueError("first failed")

    @channel.on_disconnect
    async def second() -> None:
        seen.append("second")

    async with serve(channel) as wire:
        await wire.accepted()
        wire.leave()
        await wire.end()
    assert seen == ["first", "second", "generator", "closed"]
    assert channel.stats().handler_errors == 3
    told = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert told == ["first failed", "generator failed", "closing failed"]


async def test_it_can_still_publish_but_neither_send_nor_join() -> None:
    from chanx import ConnectionClosed

    channel = Channel()
    raised: list[str] = []

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.on_disconnect
    async def leave(ctx: Context) -> None:
        for attempt in (ctx.send(Said(text="x")), ctx.join("room")):
            try:
                await attempt
            except ConnectionClosed:
                raised.append("closed")
        for group in ctx.left_groups:
            await ctx.broadcast(Said(text="somebody left"), group=group)

    async with serve(channel) as stays:
        await stays.accepted()
        async with serve(channel) as leaves:
            await leaves.accepted()
        await stays.until(lambda: stays.frames)
        assert stays.frames == [{"action": "said", "text": "somebody left"}]
        assert leaves.frames == []
        assert raised == ["closed", "closed"]


async def test_a_server_that_cannot_be_read_from_has_lost_the_client() -> None:
    channel = Channel()
    codes: list[int | None] = []

    @channel.on_disconnect
    async def leave(ctx: Context) -> None:
        codes.append(ctx.close_code)

    calls = iter(({"type": "websocket.connect"},))
    sent: list[Any] = []

    async def receive() -> Any:
        for event in calls:
            return event
        raise LookupError("the server's own trouble")

    async def send(event: Any) -> None:
        sent.append(event["type"])

    await channel({"type": "websocket", "headers": []}, receive, send)
    assert codes == [1006]
    assert sent == ["websocket.accept"]
