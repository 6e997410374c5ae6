"""Channels within channels: prefixes, copies, hooks and middleware."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import pytest
from pydantic import BaseModel

from chanx import Channel, Context
from chanx.testing import connect

pytestmark = pytest.mark.anyio

Next = Callable[[Any], Awaitable[Any]]


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str = ""


class StructSay(msgspec.Struct, tag_field="action", tag="ssay", forbid_unknown_fields=True):
    text: str = ""


class Raise(BaseModel):
    action: Literal["raise"] = "raise"
    what: Literal["value", "key"] = "value"


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


def small(name: str, **options: Any) -> Channel:
    channel = Channel(name, **options)

    @channel.on(Say, StructSay)
    async def say(message: Say | StructSay) -> Said:
        tag = message.action if isinstance(message, Say) else message.__struct_config__.tag
        return Said(text=f"{name} {type(message).__name__} {tag} {message.text}")

    return channel


# -- prefixes ---------------------------------------------------------------------------------------


async def test_a_prefix_is_on_the_wire_only() -> None:
    chat, admin = Channel("chat"), small("admin")
    chat.include(admin, prefix="admin.")
    async with connect(chat) as client:
        for ref in ({}, {"ref": 1}):
            await client.send({"action": "admin.say", "text": "x", **ref})
            assert await client.receive() == {"action": "said", "text": "admin Say say x", **ref}
            await client.send({"action": "admin.ssay", "text": "y", **ref})
            assert await client.receive() == {"action": "said", "text": "admin StructSay ssay y", **ref}
        for wrong in ("say", "ssay", "admin.", "admin.admin.say", "adminsay"):
            await client.send({"action": wrong, "ref": 2})
            answer = await client.receive()
            assert (answer["payload"]["code"], answer["ref"]) == ("unknown_action", 2)
        await client.send({"action": "admin.ssay", "other": 1})
        payload = (await client.receive())["payload"]
        assert (payload["code"], payload["errors"][0]["loc"]) == ("invalid_message", ["other"])
        await client.send(r'{"action":"adm\u0069n.say","\u0072ef":3}')
        assert (await client.receive())["ref"] == 3


async def test_prefixes_add_up() -> None:
    top, middle, low = Channel("top"), small("middle"), small("low")
    middle.include(low, prefix="low.")
    top.include(middle, prefix="mid.")
    top.include(small("same"))
    async with connect(top) as client:
        for tag, name in (("mid.low.say", "low"), ("mid.say", "middle"), ("say", "same"), ("mid.low.ssay", "low")):
            await client.send({"action": tag})
            assert (await client.receive(Said)).text.split()[0] == name
    async with connect(middle) as client:
        await client.send({"action": "low.say"})
        assert (await client.receive(Said)).text == "low Say say "


async def test_one_channel_twice_and_in_many_parents() -> None:
    shared = small("shared")
    first, second = Channel("first"), Channel("second")
    first.include(shared, prefix="a.")
    first.include(shared, prefix="b.")
    second.include(shared)
    for channel, tags in ((first, ["a.say", "b.say", "a.ssay"]), (second, ["say"]), (shared, ["say", "ssay"])):
        async with connect(channel) as client:
            for tag in tags:
                await client.send({"action": tag})
                assert (await client.receive(Said)).text.startswith("shared")


async def test_a_channel_included_twice_enters_and_leaves_once() -> None:
    log: list[str] = []
    shared, chat = small("shared"), Channel("chat")

    @shared.on_connect
    async def enter(ctx: Context) -> None:
        log.append("enter")

    @shared.on_disconnect
    async def leave(ctx: Context) -> None:
        log.append("leave")

    @shared.event(Said)
    async def said(event: Said) -> Said:
        log.append("event")
        return event

    chat.include(shared, prefix="a.")
    chat.include(shared, prefix="b.")

    @chat.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.emit(Said(text="x"), connection=ctx.id)

    async with connect(chat) as client:
        await client.send(Say())
        assert await client.receive(Said) == Said(text="x")
        await client.close()
    assert log == ["enter", "event", "leave"]


async def test_hooks_run_in_order_of_inclusion_and_back() -> None:
    log: list[str] = []

    def hooked(name: str) -> Channel:
        channel = Channel(name)

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            log.append(f"+{name}")

        @channel.on_disconnect
        async def leave(ctx: Context) -> None:
            log.append(f"-{name}")

        return channel

    top, a, b, inner = hooked("top"), hooked("a"), hooked("b"), hooked("inner")
    a.include(inner)
    top.include(a)
    top.include(b)
    async with connect(top) as client:
        await client.close()
    assert log == ["+top", "+a", "+inner", "+b", "-b", "-inner", "-a", "-top"]


def raising(channel: Channel) -> Channel:
    @channel.on
    async def handle(message: Raise) -> None:
        errors = {
            "value": ValueError("v"),
            "key": KeyError("k"),
        }
        raise errors[message.what]

    return channel


async def test_several_hooks_of_one_channel_run_as_they_were_registered() -> None:
    log: list[str] = []
    chat = Channel()

    def hooks(name: str) -> None:
        @chat.on_connect
        async def enter() -> None:
            log.append(f"+{name}")

        @chat.on_disconnect
        async def leave() -> None:
            log.append(f"-{name}")

    hooks("first")
    hooks("second")
    async with connect(chat) as client:
        await client.close()
    assert log == ["+first", "+second", "-first", "-second"]


# -- middleware -------------------------------------------------------------------------------------


def tracing(channel: Channel, name: str, log: list[str]) -> None:
    @channel.middleware
    async def trace(call_next: Next, message: Any, ctx: Context) -> Any:
        log.append(f"+{name}")
        try:
            return await call_next(message)
        finally:
            log.append(f"-{name}")


async def test_the_order_of_middleware() -> None:
    log: list[str] = []
    chat, child = small("chat"), small("child")
    chat.include(child, prefix="child.")
    tracing(child, "child", log)
    tracing(chat, "first", log)
    tracing(chat, "second", log)
    async with connect(chat) as client:
        await client.send(Say())
        await client.receive(Said)
        assert log == ["+first", "+second", "-second", "-first"]
        log.clear()
        await client.send({"action": "child.say"})
        await client.receive(Said)
        assert log == ["+first", "+second", "+child", "-child", "-second", "-first"]


async def test_middleware_changes_message_and_answer_and_may_answer_itself() -> None:
    chat = small("chat")

    @chat.middleware
    async def change(call_next: Next, message: Any, ctx: Context) -> Any:
        if message.text == "stop":
            return None
        if message.text == "answer":
            return Said(text="mine")
        if message.text == "many":
            return [await call_next(message), await call_next(message)]
        answer = await call_next(type(message)(text=message.text.upper()))
        return Said(text=answer.text + "!")

    async with connect(chat) as client:
        await client.send(Say(text="x"))
        assert (await client.receive(Said)).text == "chat Say say X!"
        await client.send({"action": "say", "text": "stop", "ref": 1})
        assert await client.receive() == {"action": "ack", "ref": 1}
        await client.send(Say(text="answer"))
        assert (await client.receive(Said)).text == "mine"
        await client.send({"action": "say", "text": "many", "ref": 1})
        assert [(await client.receive())["action"] for _ in range(3)] == ["said", "said", "complete"]


async def test_exceptions_in_and_through_middleware() -> None:
    chat = Channel("chat")

    @chat.on
    async def handle(message: Raise) -> None:
        raise KeyError("handler")

    @chat.middleware
    async def catch(call_next: Next, message: Any, ctx: Context) -> Any:
        try:
            return await call_next(message)
        except KeyError as error:
            if message.what == "value":
                raise ValueError("middleware") from error
            return Said(text=f"caught {error}")

    @chat.on_error(ValueError)
    async def failed(error: ValueError) -> Said:
        return Said(text=f"handled {error}")

    async with connect(chat) as client:
        await client.send(Raise(what="key"))
        assert (await client.receive(Said)).text == "caught 'handler'"
        await client.send(Raise(what="value"))
        assert (await client.receive(Said)).text == "handled middleware"


async def test_middleware_is_not_around_events_and_hooks() -> None:
    log: list[str] = []
    chat = Channel("chat")
    tracing(chat, "mw", log)

    @chat.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.emit(Said(text="x"), connection=ctx.id)

    @chat.event
    async def event(event: Said) -> Said:
        return event

    async with connect(chat) as client:
        assert await client.receive(Said) == Said(text="x")
    assert log == []


async def test_middleware_and_error_handlers_have_the_state_of_their_own_channel() -> None:
    class Mine:
        name = "child"

    chat, child = Channel("chat", state=dict), raising(Channel("child", state=Mine))
    seen: list[Any] = []

    @chat.middleware
    async def outer(call_next: Next, message: Any, ctx: Context) -> Any:
        seen.append(type(ctx.state))
        return await call_next(message)

    @child.middleware
    async def inner(call_next: Next, message: Any, ctx: Context) -> Any:
        seen.append(type(ctx.state))
        return await call_next(message)

    @chat.on_error(ValueError)
    async def failed(error: ValueError, ctx: Context[dict[str, int]]) -> None:
        seen.append(type(ctx.state))

    @child.on_error(KeyError)
    async def missed(error: KeyError, ctx: Context[Mine]) -> None:
        seen.append(type(ctx.state))

    chat.include(child)
    async with connect(chat) as client:
        for what in ("value", "key"):
            await client.send({"action": "raise", "what": what, "ref": what})
            assert await client.receive() == {"action": "ack", "ref": what}
    assert seen == [dict, Mine, dict, dict, Mine, Mine]
