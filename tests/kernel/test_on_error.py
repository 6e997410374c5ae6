"""Functions for exceptions: which one is taken, what it may ask for, and what it answers."""

from typing import Literal

import pytest
from pydantic import BaseModel

from chanx import Channel, Context
from chanx.testing import connect

pytestmark = pytest.mark.anyio


class Say(BaseModel):
    action: Literal["say"] = "say"


class Raise(BaseModel):
    action: Literal["raise"] = "raise"
    what: Literal["value", "unicode", "key", "lookup", "group"] = "value"


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


def raising(channel: Channel) -> Channel:
    @channel.on
    async def handle(message: Raise) -> None:
        errors = {
            "value": ValueError("v"),
            "unicode": UnicodeError("u"),
            "key": KeyError("k"),
            "lookup": LookupError("l"),
            "group": ExceptionGroup("g", [ValueError("v")]),
        }
        raise errors[message.what]

    return channel


def on_error(channel: Channel, cls: type[Exception], name: str) -> None:
    @channel.on_error(cls)
    async def failed(error: Exception) -> Said:
        return Said(text=f"{name} {type(error).__name__}")


async def test_the_most_special_error_handler_wins() -> None:
    chat = raising(Channel("chat"))
    on_error(chat, Exception, "any")
    on_error(chat, ValueError, "value")
    on_error(chat, LookupError, "lookup")
    expected = {
        "value": "value ValueError",
        "unicode": "value UnicodeError",
        "key": "lookup KeyError",
        "lookup": "lookup LookupError",
        "group": "any ExceptionGroup",
    }
    async with connect(chat) as client:
        for what, text in expected.items():
            await client.send({"action": "raise", "what": what, "ref": what})
            assert await client.receive() == {"action": "said", "text": text, "ref": what}


async def test_the_childs_error_handler_over_its_parents() -> None:
    chat, child = Channel("chat"), raising(Channel("child"))
    chat.include(child)
    chat.include(raising(Channel("other")), prefix="other.")
    for channel in (chat, child):
        on_error(channel, ValueError, channel.name)
    on_error(chat, KeyError, "special parent")
    on_error(child, Exception, "general child")
    cases = [
        ("raise", "value", "child"),
        ("raise", "key", "special parent"),
        ("raise", "lookup", "general child"),
        ("other.raise", "value", "chat"),
    ]
    async with connect(chat) as client:
        for tag, what, name in cases:
            await client.send({"action": tag, "what": what})
            assert (await client.receive(Said)).text.startswith(name)
        await client.send({"action": "other.raise", "what": "lookup"})
        assert (await client.receive())["payload"]["code"] == "internal_error"
        assert [type(one) for one in client.errors] == [LookupError]
        client.errors.clear()


async def test_what_error_handlers_return_and_ask_for() -> None:
    chat = raising(Channel("chat", state=list))

    @chat.on_error(ValueError, KeyError)
    async def nothing(error: ValueError | KeyError, ctx: Context[list[str]]) -> None:
        ctx.state.append(str(error))

    @chat.on_error()
    def two(error: LookupError, ctx: Context[list[str]]) -> list[Said]:
        return [Said(text=", ".join(ctx.state)), Said(text="two")]

    async with connect(chat) as client:
        for what in ("value", "key"):
            await client.send({"action": "raise", "what": what, "ref": what})
            assert await client.receive() == {"action": "ack", "ref": what}
        await client.send({"action": "raise", "what": "lookup", "ref": 1})
        answers = [await client.receive() for _ in range(3)]
        assert [one.get("text", one["action"]) for one in answers] == ["v, 'k'", "two", "complete"]
        assert {one["ref"] for one in answers} == {1}
    assert client.errors == []


async def test_an_error_handler_that_raises() -> None:
    chat = raising(Channel("chat"))

    @chat.on_error(ValueError)
    async def failed(error: ValueError) -> None:
        raise RuntimeError("second")

    async with connect(chat) as client:
        await client.send({"action": "raise", "ref": 1})
        answer = await client.receive()
        assert (answer["payload"]["code"], answer["ref"]) == ("internal_error", 1)
        assert "second" not in str(answer)
        assert [str(one) for one in client.errors] == ["second", "v"]
        client.errors.clear()
        await client.send({"action": "nothing"})
        assert (await client.receive())["payload"]["code"] == "unknown_action"


async def test_error_handlers_answer_for_events_too() -> None:
    chat = Channel("chat")
    on_error(chat, ValueError, "event")

    @chat.event
    async def event(event: Said) -> None:
        raise ValueError

    @chat.on
    async def say(message: Say, ctx: Context) -> None:
        await ctx.emit(Said(text="x"), connection=ctx.id)

    async with connect(chat) as client:
        await client.send(Say())
        assert (await client.receive(Said)).text == "event ValueError"
