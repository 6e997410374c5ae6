"""Frames in: their size, how many bad ones are borne, their order; and `ctx.send` and `ctx.close`."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from chanx import Channel, ConnectionClosed, Context, Limits
from chanx.testing import Closed, connect
from tests.kernel import clock
from tests.kernel.messages import Boom, Said, Say
from tests.kernel.wire import serve


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return clock.backend(request.param)


def echo(limits: Limits | None = None) -> Channel:
    channel = Channel(limits=limits)

    @channel.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    return channel


def sized(size: int, character: str = "x") -> str:
    """A good frame of so many bytes."""
    frame = '{"action":"say","text":"%s"}'
    room = size - len(frame % "")
    width = len(character.encode())
    text = character * (room // width) + "x" * (room % width)
    made = frame % text
    assert len(made.encode()) == size
    return made


class TestSize:
    @pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
    async def test_counts_bytes_not_characters(self, character: str) -> None:
        channel = echo(Limits(max_size=1000))
        async with connect(channel, timeout=100) as client:
            await client.send(sized(1000, character))
            assert (await client.receive())["action"] == "said"
            await client.send(sized(1001, character))
            closed = await client.wait_closed()
        assert closed.code == 1009
        assert "1000" in closed.reason

    async def test_the_default_is_a_mebibyte(self) -> None:
        async with connect(echo(), timeout=100) as client:
            await client.send(sized(1024 * 1024))
            assert (await client.receive())["action"] == "said"
            await client.send(sized(1024 * 1024 + 1))
            assert (await client.wait_closed()).code == 1009

    async def test_binary_frames_are_counted_too(self) -> None:
        async with connect(echo(Limits(max_size=1000)), timeout=100) as client:
            await client.send(b"x" * 1000)
            assert (await client.receive())["payload"]["code"] == "unsupported_frame"
            await client.send(b"x" * 1001)
            assert (await client.wait_closed()).code == 1009

    async def test_nothing_after_it_is_handled(self) -> None:
        channel = Channel(limits=Limits(max_size=100))
        handled: list[str] = []

        @channel.on(Say)
        async def say(message: Say) -> None:
            handled.append(message.text)

        async with serve(channel, patience=1000) as wire:
            wire.say({"action": "say", "text": "before"}, "x" * 101, {"action": "say", "text": "after"})
            await wire.end()
        assert handled == ["before"]
        assert wire.closed is not None
        assert wire.closed[0] == 1009


class TestStrikes:
    BAD = (
        "not json",
        "{}",
        '{"action": "nothing"}',
        '{"action": "say"}',
        "[]",
        b"\x00",
        '{"action": "say", "ref": []}',
    )

    async def test_each_is_answered_until_there_are_too_many(self) -> None:
        channel = echo()  # 20 within 60 seconds
        async with connect(channel, timeout=100) as client:
            for number in range(20):
                await client.send(self.BAD[number % len(self.BAD)])
                assert (await client.receive())["action"] == "error"
            await client.send(Say(text="still here"))
            assert (await client.receive())["action"] == "said"
            await client.send("not json")
            with pytest.raises(Closed) as closed:
                await client.receive()
        assert closed.value.code == 1008
        assert channel.stats().bad_frames == 21

    @pytest.mark.parametrize("bad", BAD)
    async def test_every_kind_counts(self, bad: str | bytes) -> None:
        async with connect(echo(Limits(strikes=0)), timeout=100) as client:
            await client.send(bad)
            assert (await client.wait_closed()).code == 1008
            assert client.pending == []

    async def test_they_count_for_as_long_as_the_window(self) -> None:
        async with connect(echo(Limits(strikes=2, strikes_window=60)), timeout=100) as client:
            for _ in range(10):
                for _ in range(2):
                    await client.send("not json")
                    assert (await client.receive())["action"] == "error"
                await anyio.sleep(61)
            for _ in range(2):
                await client.send("not json")
                await client.receive()
            await anyio.sleep(58)
            await client.send("not json")
            assert (await client.wait_closed()).code == 1008

    async def test_errors_of_handlers_are_no_strikes(self) -> None:
        channel = echo(Limits(strikes=0))

        @channel.on(Boom)
        async def boom(message: Boom) -> None:
            raise ValueError("boom")

        async with connect(channel, raise_app_exceptions=False, timeout=100) as client:
            for _ in range(30):
                await client.send(Boom())
                assert (await client.receive())["payload"]["code"] == "internal_error"

    async def test_a_client_that_does_not_read_its_errors_strikes_out_as_well(self) -> None:
        async with serve(echo(Limits(strikes=5)), patience=1000) as wire:
            await wire.accepted()
            wire.hold()
            wire.say(*["not json"] * 10)
            await anyio.sleep(5)
            wire.release()
            await wire.end()
        assert wire.closed == (1008, "too many bad frames")
        assert len(wire.frames) == 5


async def test_one_message_at_a_time_in_order() -> None:
    channel = Channel()
    log: list[str] = []

    @channel.on(Say)
    async def say(message: Say) -> Said:
        log.append(f"{message.text} begins")
        await anyio.sleep(0.001 * (10 - int(message.text)))
        log.append(f"{message.text} ends")
        return Said(text=message.text)

    async with connect(channel, timeout=100) as client:
        for number in range(10):
            await client.send(Say(text=str(number)))
        answers = [(await client.receive(Said)).text for _ in range(10)]
    assert answers == [str(number) for number in range(10)]
    assert log == [f"{number} {what}" for number in range(10) for what in ("begins", "ends")]


class TestSend:
    async def test_before_accept_it_waits_and_goes_out_first(self) -> None:
        channel = echo()

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.send(Said(text="one"))
            await ctx.send(Said(text="two"))
            await ctx.join("room")
            await ctx.broadcast(Said(text="three"), group="room")
            assert wire.sent == []

        async with serve(channel, patience=1000) as wire:
            wire.say({"action": "say", "text": "four"})
            await wire.until(lambda: len(wire.frames) == 4)
        assert wire.kinds[0] == "accept"
        assert [frame["text"] for frame in wire.frames] == ["one", "two", "three", "four"]

    async def test_what_a_handler_sends_comes_before_what_it_returns(self) -> None:
        channel = Channel()

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> Said:
            await ctx.send(Said(text="sent"))
            await ctx.join("room")
            await ctx.broadcast(Said(text="broadcast"), group="room")
            await ctx.send(Said(text="sent again"))
            return Said(text="returned")

        async with connect(channel, timeout=100) as client:
            await client.send(Say(text=""))
            texts = [(await client.receive(Said)).text for _ in range(4)]
        assert texts == ["sent", "broadcast", "sent again", "returned"]

    async def test_what_is_no_message_is_a_mistake(self) -> None:
        channel = Channel()

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> None:
            await ctx.send({"action": "said"})

        async with connect(channel, raise_app_exceptions=False, timeout=100) as client:
            await client.send(Say(text=""))
            assert (await client.receive())["payload"]["code"] == "internal_error"
            assert "no message" in str(client.errors[0])


class TestClose:
    async def test_what_waits_is_sent_first_and_nothing_later_is_handled(self) -> None:
        channel = Channel()
        log: list[str] = []

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> Said:
            log.append(message.text)
            await ctx.join("room")
            for number in range(3):
                await ctx.broadcast(Said(text=str(number)), group="room")
            await ctx.close(4000, "done")
            log.append("went on")
            try:
                await ctx.send(Said(text="too late"))
            except ConnectionClosed as closed:
                log.append(f"{closed.code} {closed.reason}")
            await ctx.close(4001, "the first one counts")
            return Said(text="too late")

        async with serve(channel, patience=1000) as wire:
            await wire.accepted()
            wire.say({"action": "say", "text": "one"}, {"action": "say", "text": "two"})
            await wire.end()
        assert [frame["text"] for frame in wire.frames] == ["0", "1", "2"]
        assert wire.kinds[-1] == "close"
        assert wire.kinds.count("close") == 1
        assert wire.closed == (4000, "done")
        assert log == ["one", "went on", "4000 done"]
        assert channel.stats().handler_errors == 0

    async def test_the_groups_are_left_at_once(self) -> None:
        channel = Channel()

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> None:
            await ctx.join("room")
            await ctx.close()
            assert ctx.groups == frozenset()
            assert channel.layers()[0].members.count("room") == 0
            with pytest.raises(ConnectionClosed):
                await ctx.join("room")

        async with connect(channel, timeout=100) as client:
            await client.send(Say(text=""))
            assert (await client.wait_closed()).code == 1000

    async def test_in_on_connect_it_accepts_sends_and_closes(self) -> None:
        channel = Channel()

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.send(Said(text="full"))
            await ctx.close(4000, "come back later")

        async with serve(channel, patience=1000) as wire:
            await wire.end()
        assert wire.kinds == ["accept", "send", "close"]
        assert wire.closed == (4000, "come back later")

    async def test_from_an_event_handler_while_the_client_is_silent(self) -> None:
        from tests.kernel.messages import Fired

        channel = Channel()

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("staff")

        @channel.event(Fired)
        async def fired(event: Fired, ctx: Context) -> None:
            await ctx.close(4000, "fired")

        async with serve(channel, patience=1000) as wire:
            await wire.accepted()
            await wire.until(lambda: wire.listening)
            await channel.emit(Fired(), group="staff")
            await wire.until(lambda: wire.closed)
            # a server answers the application's close with a disconnect
            wire.leave(4000)
            await wire.end()
        assert wire.closed == (4000, "fired")

    async def test_a_client_that_does_not_answer_the_close_is_not_waited_for_long(self) -> None:
        from tests.kernel.messages import Fired

        channel = Channel()

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("staff")

        @channel.event(Fired)
        async def fired(event: Fired, ctx: Context) -> None:
            await ctx.close(4000, "fired")

        async with serve(channel, patience=1000) as wire:
            await wire.accepted()
            await wire.until(lambda: wire.listening)
            await channel.emit(Fired(), group="staff")
            watch = clock.Stopwatch()
            await wire.end()
            assert watch.seconds <= Limits().linger + 0.1
        assert channel.stats().cancelled == 0

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
    async def test_a_code_that_may_not_be_sent(self, code: int) -> None:
        channel = Channel()

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> Said:
            with pytest.raises(ValueError, match=str(code)):
                await ctx.close(code)
            return Said(text="still here")

        async with connect(channel, timeout=100) as client:
            await client.send(Say(text=""))
            assert await client.receive(Said) == Said(text="still here")

    @pytest.mark.parametrize(
        ("reason", "sent"),
        [
            ("x" * 123, "x" * 123),
            ("x" * 124, "x" * 123),
            ("x" + "é" * 61, "x" + "é" * 61),  # 123 bytes
            ("é" * 62, "é" * 61),  # cut at 122: a character is whole or not there
            ("😀" * 31, "😀" * 30),
            ("xx" + "€" * 41, "xx" + "€" * 40),
        ],
    )
    async def test_a_reason_is_cut_to_123_bytes(self, reason: str, sent: str) -> None:
        channel = Channel()

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> None:
            await ctx.close(4000, reason)

        async with connect(channel, timeout=100) as client:
            await client.send(Say(text=""))
            assert (await client.wait_closed()).reason == sent
