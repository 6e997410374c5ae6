"""Dependencies that end at awkward moments, or hold something open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio
import pytest

from chanx import Channel, ConfigurationError, Depends
from chanx.testing import connect
from tests.kernel import clock
from tests.kernel.messages import Boom, Said, Say, Wait
from tests.kernel.wire import serve

only_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])
in_virtual_time = pytest.mark.parametrize(
    "anyio_backend", [clock.backend("asyncio"), clock.backend("trio")], ids=["asyncio", "trio"]
)


async def test_an_included_channels_dependency_may_hold_a_task_group() -> None:
    log: list[str] = []

    async def background() -> AsyncGenerator[str, None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            with anyio.CancelScope():
                yield "value"
            tasks.cancel_scope.cancel()
        log.append("closed")

    child = Channel("child")

    @child.on(Say)
    async def say(message: Say, value: Annotated[str, Depends(background, scope="connection")]) -> Said:
        return Said(text=value)

    @child.on_disconnect
    async def leave() -> None:
        log.append("left")

    parent = Channel("parent")
    parent.include(child)
    async with connect(parent) as client:
        assert (await client.request(Say(text="x"), Said)).text == "value"
        assert (await client.request(Say(text="x"), Said)).text == "value"
    assert log == ["left", "closed"]
    assert parent.stats().handler_errors == 0


async def test_an_included_channels_dependency_that_fails_at_either_end() -> None:
    fail = ["enter", "leave"]

    async def fragile() -> AsyncGenerator[str, None]:
        if fail.pop(0) == "enter":
            raise LookupError("at the beginning")
        yield "value"
        raise LookupError("at the end")

    child = Channel("child")

    @child.on(Say)
    async def say(message: Say, value: Annotated[str, Depends(fragile, scope="connection")]) -> Said:
        return Said(text=value)

    parent = Channel("parent")
    parent.include(child)
    async with connect(parent, raise_app_exceptions=False) as client:
        assert (await client.request(Say(text="x")))["payload"]["code"] == "internal_error"
        assert (await client.request(Say(text="x"), Said)).text == "value"
        await client.close()
        assert [str(error) for error in client.errors] == ["at the beginning", "at the end"]


async def test_a_dependency_that_catches_does_not_hide_what_the_handler_raised() -> None:
    log: list[str] = []

    async def transaction() -> AsyncGenerator[str, None]:
        try:
            yield "open"
            log.append("committed")
        except ValueError:
            log.append("rolled back")

    channel = Channel()

    @channel.on(Boom)
    async def boom(message: Boom, opened: Annotated[str, Depends(transaction)]) -> None:
        raise ValueError("the handler's own")

    async with connect(channel, raise_app_exceptions=False) as client:
        assert (await client.request(Boom()))["payload"]["code"] == "internal_error"
        assert [str(error) for error in client.errors] == ["the handler's own"]
    assert log == ["rolled back"]


async def test_a_dependency_may_bound_the_time_of_a_handler() -> None:
    async def bounded() -> AsyncGenerator[None, None]:
        with anyio.move_on_after(0.01):
            yield

    channel = Channel()

    @channel.on(Wait)
    async def wait(message: Wait, _: Annotated[None, Depends(bounded)]) -> None:
        await anyio.sleep_forever()

    async with connect(channel, raise_app_exceptions=False) as client:
        assert (await client.request(Wait()))["payload"]["code"] == "internal_error"
        assert isinstance(client.errors[0], TimeoutError)
        assert (await client.request(Wait()))["payload"]["code"] == "internal_error"


@only_asyncio
async def test_a_late_dependency_that_is_cancelled_gives_no_value() -> None:
    async def broken() -> AsyncGenerator[str, None]:
        raise asyncio.CancelledError
        yield "never"

    child, channel = Channel("child"), Channel()
    values: list[Any] = []

    @child.on(Say)
    async def say(message: Say, value: Annotated[str, Depends(broken, scope="connection")]) -> None:
        values.append(value)

    channel.include(child)
    async with connect(channel, raise_app_exceptions=False) as client:
        assert (await client.request(Say(text="x")))["payload"]["code"] == "internal_error"
    assert values == []


async def test_a_late_dependency_that_dies_in_use_is_reported_and_made_anew() -> None:
    fail = anyio.Event()
    made: list[int] = []

    async def fragile() -> AsyncGenerator[int, None]:
        async def pump() -> None:
            await fail.wait()
            raise LookupError("the pump died")

        made.append(len(made))
        async with anyio.create_task_group() as tasks:
            if len(made) == 1:
                tasks.start_soon(pump)
            yield made[-1]

    child, channel = Channel("child"), Channel()

    @child.on(Say)
    async def say(message: Say, value: Annotated[int, Depends(fragile, scope="connection")]) -> Said:
        return Said(text=str(value))

    channel.include(child)
    async with connect(channel, raise_app_exceptions=False) as client:
        assert (await client.request(Say(text="x"), Said)).text == "0"
        fail.set()
        with anyio.fail_after(2):
            while not client.errors:
                await anyio.wait_all_tasks_blocked()
        assert (await client.request(Say(text="x"), Said)).text == "1"


@in_virtual_time
async def test_one_late_dependency_that_hangs_at_the_end_does_not_keep_another_alive() -> None:
    log: list[str] = []

    async def first() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            log.append("first ended")

    async def second() -> AsyncGenerator[int, None]:
        yield 2
        await anyio.sleep_forever()

    child, channel = Channel("child"), Channel()

    @child.on(Say)
    async def say(
        message: Say,
        one: Annotated[int, Depends(first, scope="connection")],
        two: Annotated[int, Depends(second, scope="connection")],
    ) -> Said:
        return Said(text=f"{one}{two}")

    channel.include(child)
    async with serve(channel, patience=1000) as wire:
        await wire.accepted()
        wire.say({"action": "say", "text": "x"})
        await wire.until(lambda: wire.frames)
        wire.leave()
        await wire.end()
        await anyio.wait_all_tasks_blocked()
    assert log == ["first ended"]


def test_a_channel_without_hooks_included_twice_with_different_guards() -> None:
    def guard() -> None: ...

    child, channel = Channel("child"), Channel("parent")

    @child.on(Say)
    async def say(message: Say) -> None: ...

    channel.include(child, prefix="a.")
    channel.include(child, prefix="b.", dependencies=[Depends(guard)])
    channel.compile()  # its messages may have guards of their own


def test_a_channel_with_hooks_included_twice_with_different_guards() -> None:
    def guard() -> None: ...

    child, channel = Channel("child"), Channel("parent")

    @child.on_connect
    async def enter() -> None: ...

    channel.include(child, prefix="a.")
    channel.include(child, prefix="b.", dependencies=[Depends(guard)])
    with pytest.raises(ConfigurationError, match="different dependencies"):
        channel.compile()
