"""What surrounds a subscription: hooks, refusals, dependencies, guards, middleware, error functions and states."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from chanx import Channel, Context, Depends, Limits, Path, Reject
from tests.kernel import clock
from tests.kernel.desk import anyio_backend, opened, settled
from tests.kernel.messages import Boom, Hired, Said, Say
from tests.kernel.topical import House, Number, part, sub, to, unsub, words

__all__ = ["anyio_backend"]

# -- refusals ---------------------------------------------------------------------------------------

CODES = [
    (400, "unauthorized"),
    (401, "unauthorized"),
    (403, "unauthorized"),
    (404, "unknown_topic"),
    (409, "unauthorized"),
    (410, "unauthorized"),
    (418, "unauthorized"),
    (422, "unknown_topic"),
    (429, "rate_limited"),
    (503, "overloaded"),
]


@pytest.mark.parametrize(("status", "code"), CODES)
@pytest.mark.parametrize("where", ["on_connect", "a guard", "a dependency"])
async def test_refusals(status: int, code: str, where: str) -> None:
    hub, room = Channel("hub"), Channel("room")
    log: list[str] = []

    async def refuses() -> None:
        raise Reject(status, "because")

    @hub.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @room.on(Say)
    async def say_room(message: Say) -> Said:
        return Said(text="never")

    if where == "a dependency":

        @room.on_connect
        async def enter(ctx: Context, it: Annotated[None, Depends(refuses, scope="connection")]) -> None:
            log.append("never")

    elif where == "on_connect":

        @room.on_connect
        async def enters(ctx: Context) -> None:
            await ctx.join("room")
            await refuses()

    @room.on_disconnect
    async def leave() -> None:
        log.append("never")

    guards = [Depends(refuses, scope="connection")] if where == "a guard" else []
    hub.include(room, topic="room", dependencies=guards)
    async with opened(hub) as wire:
        wire.say(sub("room", "1"))
        await settled(wire)
        wire.say(to("room", "say", "2", text="x"), unsub("room", "3"), to(None, "say", "4", text="up"))
        await settled(wire)
        assert wire.frames[0] == {
            "action": "error",
            "payload": {"reason": code, "detail": "because", "code": code},
            "version": 1,
            "topic": "room",
            "ref": "1",
        }
        assert sorted(words(wire, 1)) == ["room !not_subscribed #2", "room !not_subscribed #3", "said up #4"]
        assert hub.layers()[0].members.groups() == []
    assert log == []
    assert hub.stats().topics_refused == 1
    assert hub.stats().handler_errors == 0


async def test_an_http_exception_is_a_refusal_too() -> None:
    house = House()
    house.refusals[5] = HTTPException(403, "not you")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        assert wire.frames[0]["payload"] == {"reason": "unauthorized", "detail": "not you", "code": "unauthorized"}


async def test_an_on_connect_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.refusals[5] = ValueError("a secret")
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        wire.say(sub("room:6", "2"), to("room:5", "say", "3", text="x"))
        await settled(wire)
        assert words(wire)[0] == "room:5 !internal_error #1"
        assert "secret" not in str(wire.frames)
        assert sorted(words(wire, 1)) == ["room:5 !not_subscribed #3", "room:6 subscribed #2"]
    assert house.log == ["+hub", "+6", "-6", "-hub"]
    assert house.members == {}
    assert "a secret" in caplog.text
    assert house.hub.stats().handler_errors == 1


async def test_a_refused_topic_may_be_asked_for_again() -> None:
    house = House()
    house.refuse(5, 403)
    async with opened(house.hub) as wire:
        wire.say(sub("room:5", "1"))
        await settled(wire)
        del house.refusals[5]
        wire.say(sub("room:5", "2"))
        await settled(wire)
        assert words(wire) == ["room:5 !unauthorized #1", "room:5 subscribed #2"]


async def test_an_on_connect_that_hangs_is_refused_in_time() -> None:
    house = House(limits=Limits(connect_timeout=3))
    house.held.add("on 5")
    async with opened(house.hub) as wire:
        watch = clock.Stopwatch()
        wire.say(sub("room:5", "1"))
        await wire.reached(frames=1)
        assert words(wire) == ["room:5 !overloaded #1"]
        assert watch.seconds == pytest.approx(3, abs=0.1)
        assert house.members == {"hub": 1}


# -- hooks ------------------------------------------------------------------------------------------


async def test_a_generator_is_both_hooks() -> None:
    hub, room = Channel("hub"), Channel("room")
    log: list[str] = []

    @room.on_connect
    async def enter(ctx: Context, name: Annotated[str, Path("name")]) -> AsyncGenerator[None, None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await ctx.join(name)
            log.append(f"+{name}")
            yield
            tasks.cancel_scope.cancel()
            log.append(f"-{name} {sorted(ctx.left_groups)}")

    hub.include(room, topic="room:{name}")
    async with opened(hub) as wire:
        wire.say(sub("room:a"), sub("room:b"))
        await settled(wire)
        wire.say(unsub("room:a"))
        await settled(wire)
        assert log == ["+a", "+b", "-a ['a']"]
    assert log == ["+a", "+b", "-a ['a']", "-b ['b']"]
    assert hub.stats().handler_errors == 0


async def test_a_generator_that_refuses() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter() -> AsyncGenerator[None, None]:
        if True:
            raise Reject(401, "who?")
        yield

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        wire.say(sub("room", "1"))
        await settled(wire)
        assert words(wire) == ["room !unauthorized #1"]


async def test_hooks_of_what_a_topic_includes() -> None:
    log: list[str] = []
    hub, room, wing = Channel("hub"), Channel("room"), Channel("wing")
    for name, channel in (("room", room), ("wing", wing)):

        def hooks(name: str = name, channel: Channel = channel) -> None:
            @channel.on_connect
            async def enter() -> None:
                log.append(f"+{name}")

            @channel.on_disconnect
            async def leave() -> None:
                log.append(f"-{name}")

        hooks()

    @wing.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    room.include(wing, prefix="wing.")
    hub.include(room, topic="room")
    async with opened(hub) as wire:
        wire.say(sub("room"))
        await settled(wire)
        wire.say(to("room", "wing.say", "1", text="x"), to("room", "say", "2", text="x"))
        await settled(wire)
        assert words(wire, 1) == ["room said x #1", "room !unknown_action #2"]
    assert log == ["+room", "+wing", "-wing", "-room"]


async def test_what_a_hook_sends_comes_after_subscribed() -> None:
    """As what is sent before the accept of a connection comes after it."""
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")
        await ctx.send(Said(text="hello"))
        await ctx.broadcast(Said(text="somebody came"), group="room")

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        wire.say(sub("room", "1"))
        await settled(wire)
        assert words(wire) == ["room subscribed #1", "room said hello", "room said somebody came"]


async def test_what_a_refusing_hook_sent_is_dropped() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")
        await ctx.send(Said(text="hello"))
        raise Reject(403, "no")

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        wire.say(sub("room", "1"))
        await settled(wire)
        assert words(wire) == ["room !unauthorized #1"]


async def test_on_disconnect_can_send_nothing_more() -> None:
    hub, room = Channel("hub"), Channel("room")
    seen: list[Any] = []

    @room.on_disconnect
    async def leave(ctx: Context) -> None:
        seen.append((ctx.is_open, ctx.groups, ctx.topic))
        await ctx.send(Said(text="never"))

    hub.include(room, topic="room")
    async with opened(hub) as wire:
        wire.say(sub("room", "1"))
        await settled(wire)
        wire.say(unsub("room", "2"), to("room", "say", "3"))
        await settled(wire)
        assert words(wire) == ["room subscribed #1", "room unsubscribed #2", "room !not_subscribed #3"]
    assert seen == [(False, frozenset(), "room")]


# -- dependencies -----------------------------------------------------------------------------------


class Resources:
    """Generator dependencies that are counted."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.made: list[str] = []

    async def of_topic(self, pk: Number) -> AsyncGenerator[str, None]:
        name = f"topic {pk}"
        self.open.append(name)
        self.made.append(name)
        yield name
        await anyio.lowlevel.checkpoint()
        self.open.remove(name)

    async def of_message(self) -> AsyncGenerator[str, None]:
        self.open.append("message")
        self.made.append("message")
        yield "m"
        self.open.remove("message")

    async def of_hub(self, connection: HTTPConnection) -> AsyncGenerator[str, None]:
        self.open.append("hub")
        self.made.append("hub")
        yield "h"
        self.open.remove("hub")


async def test_the_connection_of_a_dependency_is_the_subscription() -> None:
    held = Resources()
    hub, room = Channel("hub"), Channel("room")
    gone: list[list[str]] = []

    @room.on_connect
    async def enter(value: Annotated[str, Depends(held.of_topic, scope="connection")]) -> None: ...

    @room.on_disconnect
    async def leave(value: Annotated[str, Depends(held.of_topic, scope="connection")]) -> None:
        gone.append(list(held.open))

    @room.on(Say)
    async def say(
        message: Say,
        value: Annotated[str, Depends(held.of_topic, scope="connection")],
        other: Annotated[str, Depends(held.of_message)],
    ) -> Said:
        return Said(text=value)

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        wire.say(sub("room:1"), sub("room:2"))
        await settled(wire)
        assert held.open == ["topic 1", "topic 2"]
        for topic in ("room:1", "room:2", "room:1"):
            wire.say(to(topic, "say", text=""))
            await settled(wire)
        assert words(wire, 2) == ["room:1 said topic 1", "room:2 said topic 2", "room:1 said topic 1"]
        assert held.made == ["topic 1", "topic 2", "message", "message", "message"]
        wire.say(unsub("room:1"))
        await settled(wire)
        assert held.open == ["topic 2"]
        assert gone == [["topic 1", "topic 2"]]  # what a hook uses outlives it
        wire.say(sub("room:1"))
        await settled(wire)
        assert sorted(held.open) == ["topic 1", "topic 2"]
    assert held.open == []
    assert len(held.made) == 6


async def test_dependencies_are_closed_where_a_later_step_refuses() -> None:
    held = Resources()
    hub, room = Channel("hub"), Channel("room")

    @room.on_connect
    async def enter(value: Annotated[str, Depends(held.of_topic, scope="connection")]) -> None:
        assert held.open == ["topic 1"]
        raise Reject(403, "no")

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        wire.say(sub("room:1", "1"))
        await settled(wire)
        assert words(wire) == ["room:1 !unauthorized #1"]
        assert held.open == []


async def test_what_is_made_late_is_closed_with_the_subscription() -> None:
    held = Resources()
    hub, room, wing = Channel("hub"), Channel("room"), Channel("wing")

    @wing.on(Say)
    async def say(message: Say, value: Annotated[str, Depends(held.of_topic, scope="connection")]) -> Said:
        return Said(text=value)

    room.include(wing)
    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        wire.say(sub("room:1"))
        await settled(wire)
        assert held.open == []
        wire.say(to("room:1", "say", text=""))
        await settled(wire)
        assert held.open == ["topic 1"]
        wire.say(unsub("room:1"))
        await settled(wire)
        assert held.open == []


async def test_an_override_reaches_topics() -> None:
    hub, room = Channel("hub"), Channel("room")

    async def name() -> str:
        return "real"

    @room.on(Say)
    async def say(message: Say, name: Annotated[str, Depends(name)]) -> Said:
        return Said(text=name)

    async def other() -> str:
        return "fake"

    hub.include(room, topic="room")
    with hub.override({name: other}):
        async with opened(hub) as wire:
            wire.say(sub("room"))
            await settled(wire)
            wire.say(to("room", "say", text=""))
            await settled(wire)
            assert words(wire, 1) == ["room said fake"]


# -- the hub's guards, middleware and error functions -----------------------------------------------


class HubState:
    def __init__(self) -> None:
        self.seen: list[str] = []


class RoomState:
    def __init__(self) -> None:
        self.count = 0


def guarded() -> tuple[Channel, list[str]]:
    """A hub whose guard, middleware and error function have its state, and a room with a state of its own."""
    seen: list[str] = []

    async def guard(ctx: Context[HubState]) -> None:
        assert isinstance(ctx.state, HubState)
        ctx.state.seen.append(f"guard {ctx.topic}")
        if "locked" in ctx.connection.path_params.values():
            raise Reject(403, "locked")

    async def of_inclusion(ctx: Context[HubState]) -> None:
        assert isinstance(ctx.state, HubState)
        ctx.state.seen.append("inclusion")

    async def of_room(ctx: Context[RoomState]) -> None:
        assert isinstance(ctx.state, RoomState)
        ctx.state.count += 100

    hub = Channel("hub", state=HubState, dependencies=[Depends(guard)])
    room = Channel("room", state=RoomState, dependencies=[Depends(of_room)])

    @hub.middleware
    async def around(call_next: Any, message: Any, ctx: Context[HubState]) -> Any:
        assert isinstance(ctx.state, HubState)
        seen.append(f"{message.action} in {ctx.topic}")
        return await call_next(message)

    @hub.on_error(ValueError)
    async def failed(error: ValueError, ctx: Context[HubState]) -> Said:
        assert isinstance(ctx.state, HubState)
        return Said(text=f"{error} {ctx.topic}")

    @hub.on(Boom)
    async def boom(message: Boom) -> None:
        raise ValueError("of hub")

    @hub.on(Say)
    async def guards(message: Say, ctx: Context[HubState]) -> Said:
        return Said(text=", ".join(ctx.state.seen))

    @room.middleware
    async def inner(call_next: Any, message: Any, ctx: Context[RoomState]) -> Any:
        seen.append(f"inner {ctx.state.count}")
        return await call_next(message)

    @room.on(Boom)
    async def boom_room(message: Boom) -> None:
        raise ValueError("of room")

    @room.on(Say)
    async def say(message: Say, ctx: Context[RoomState]) -> Said:
        ctx.state.count += 1
        return Said(text=str(ctx.state.count))

    hub.include(room, topic="room:{pk}", dependencies=[Depends(of_inclusion)])
    return hub, seen


async def test_the_hub_surrounds_its_topics_and_each_has_its_state() -> None:
    hub, seen = guarded()
    async with opened(hub) as wire:
        wire.say(sub("room:1"), sub("room:2"))
        await settled(wire)
        for topic in ("room:1", "room:1", "room:2"):
            wire.say(to(topic, "say", text=""))
            await settled(wire)
        assert part(wire, "room:1") == ["subscribed", "said 101", "said 202"]
        assert part(wire, "room:2") == ["subscribed", "said 101"]
        wire.say(to("room:2", "boom"))
        await settled(wire)
        wire.say(to(None, "boom"))
        await settled(wire)
        wire.say(to(None, "say", text=""))
        await settled(wire)
        *_, of_room, of_hub, guards = words(wire)
        assert (of_room, of_hub) == ("room:2 said of room room:2", "said of hub None")
        # one state of the hub for its connection and all its topics
        assert guards.count("guard room:1") >= 2
        assert guards.count("guard room:2") >= 2
        assert guards.count("guard None") >= 2
    assert seen == [
        *("say in room:1", "inner 0", "say in room:1", "inner 101", "say in room:2", "inner 0"),
        *("boom in room:2", "inner 101", "boom in None", "say in None"),
    ]


async def test_a_guard_of_the_hub_refuses_a_topic() -> None:
    hub, _ = guarded()
    async with opened(hub) as wire:
        wire.say(sub("room:locked", "1"))
        await settled(wire)
        # a guard in message scope runs before hooks and messages; this room has no hook
        wire.say(to("room:locked", "say", "2", text="x"))
        await settled(wire)
        assert words(wire)[-1] in ("room:locked !unauthorized #2", "room:locked !not_subscribed #2")
        assert not any("said" in one for one in words(wire))


async def test_a_guard_that_raises_in_front_of_a_hook_refuses_the_topic() -> None:
    async def guard(pk: Annotated[str, Path("pk")] = "") -> None:
        if pk == "locked":
            raise Reject(401, "locked")

    entered: list[str] = []
    hub, room = Channel("hub", dependencies=[Depends(hub_guard)]), Channel("room", dependencies=[Depends(guard)])

    @room.on_connect
    async def enter(ctx: Context) -> None:
        entered.append(str(ctx.topic))

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        wire.say(sub("room:locked", "1"), sub("room:open", "2"))
        await settled(wire)
        assert sorted(words(wire)) == ["room:locked !unauthorized #1", "room:open subscribed #2"]
    assert entered == ["room:open"]


async def hub_guard(connection: HTTPConnection) -> str:
    return str(connection.query_params.get("name"))


async def test_connection_scoped_guards_of_the_hub_run_once_per_subscription() -> None:
    ran: list[str | None] = []

    async def guard(ctx: Context) -> None:
        ran.append(ctx.topic)

    hub, room = Channel("hub", dependencies=[Depends(guard, scope="connection")]), Channel("room")

    @room.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        assert ran == [None]
        wire.say(sub("room:1"), sub("room:2"))
        await settled(wire)
        for number in range(3):
            wire.say(to("room:1", "say", text=str(number)))
            await settled(wire)
        assert sorted(ran, key=str) == [None, "room:1", "room:2"]


async def test_the_guards_of_a_plainly_included_channel_go_with_its_topics() -> None:
    ran: list[str] = []

    def guard(name: str) -> Any:
        async def guards(ctx: Context) -> None:
            ran.append(f"{name} {ctx.topic}")

        return Depends(guards, scope="connection")

    hub, wing, room = Channel("hub"), Channel("wing", dependencies=[guard("own")]), Channel("room")

    @room.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @wing.middleware
    async def around(call_next: Any, message: Any, ctx: Context) -> Any:
        ran.append("around")
        return await call_next(message)

    wing.include(room, topic="room", dependencies=[guard("inner")])
    hub.include(wing, dependencies=[guard("outer")])
    async with opened(hub) as wire:
        wire.say(sub("room", "1"))
        await settled(wire)
        wire.say(to("room", "say", "2", text="x"))
        await settled(wire)
        assert words(wire) == ["room subscribed #1", "room said x #2"]
    assert ran == ["outer room", "own room", "inner room", "around"]


async def test_states_of_one_connection_and_of_two() -> None:
    hub, room = Channel("hub", state=HubState), Channel("room")

    @room.on(Say)
    async def say(message: Say, ctx: Context) -> Said:
        ctx.state.seen.append(message.text)
        return Said(text=",".join(ctx.state.seen))

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as one, opened(hub) as two:
        for wire, text in ((one, "a"), (two, "b")):
            wire.say(sub("room:1"), sub("room:2"))
            await settled(wire)
            for topic in ("room:1", "room:2"):
                wire.say(to(topic, "say", text=f"{text}{topic[-1]}"))
                await settled(wire)
        # without a state of its own a room has that of the hub, as an included channel has
        assert words(one, 2) == ["room:1 said a1", "room:2 said a1,a2"]
        assert words(two, 2) == ["room:1 said b1", "room:2 said b1,b2"]


async def test_events_are_guarded_too() -> None:
    hub, room = Channel("hub"), Channel("room")

    async def guard(pk: Annotated[int, Path("pk")]) -> None:
        if pk == 2:
            raise Reject(403, "no")

    @room.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("rooms")

    @room.event(Hired)
    async def hired(event: Hired, ctx: Context, it: Annotated[None, Depends(guard)]) -> Said:
        return Said(text=f"{event.name} {ctx.topic}")

    hub.include(room, topic="room:{pk}")
    async with opened(hub) as wire:
        wire.say(sub("room:1"), sub("room:2"))
        await settled(wire)
        await hub.emit(Hired(name="Ada"), group="rooms")
        await settled(wire)
        assert [one for one in words(wire) if "said" in one] == ["room:1 said Ada room:1"]
