"""Slips inside handlers: what the author is told, and that the client is still answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from chanx import Channel, ConfigurationError, Context, Limits, Reject
from chanx.testing import connect

pytestmark = pytest.mark.anyio


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str = ""


Body = Callable[[Any], Awaitable[Any]]


async def forgets_to_await(ctx: Any) -> Any:
    return ctx.send(Say())


async def returns_a_class(ctx: Any) -> Any:
    return Say


async def returns_a_dict(ctx: Any) -> Any:
    return {"action": "say"}


async def joins_a_list(ctx: Any) -> None:
    await ctx.join(["a", "b"])


async def leaves_a_number(ctx: Any) -> None:
    await ctx.leave(7)


async def broadcasts_to_a_list(ctx: Any) -> None:
    await ctx.broadcast(Say(), group=["a"])


async def broadcasts_to_a_context(ctx: Any) -> None:
    await ctx.broadcast(Say(), connection=ctx)


async def excludes_a_context(ctx: Any) -> None:
    await ctx.broadcast(Say(), group="a", exclude=ctx)


async def closes_with_a_text(ctx: Any) -> None:
    await ctx.close("bye")


async def closes_with_a_fraction(ctx: Any) -> None:
    await ctx.close(4000.5)


async def closes_with_a_reserved_code(ctx: Any) -> None:
    await ctx.close(1006)


async def closes_for_a_number(ctx: Any) -> None:
    await ctx.close(reason=7)


async def asks_for_an_instance(ctx: Any) -> None:
    await ctx.ask(Say(), Say())


async def refuses_without_a_status(ctx: Any) -> None:
    reject: Any = Reject
    raise reject("not you")


SLIPS: list[tuple[Body, type[Exception], str]] = [
    (forgets_to_await, ConfigurationError, r"Context.send\(…\) was called without await"),
    (returns_a_class, ConfigurationError, "Say is a class"),
    (returns_a_dict, ConfigurationError, "dict is no message; return or send a pydantic model"),
    (joins_a_list, TypeError, r"\['a', 'b'\] is no name of a group; give strings"),
    (leaves_a_number, TypeError, "7 is no name of a group"),
    (broadcasts_to_a_list, TypeError, r"group=\['a'\]; it is one name"),
    (broadcasts_to_a_context, TypeError, "connection=ctx.id"),
    (excludes_a_context, TypeError, "exclude=ctx.id"),
    (closes_with_a_text, ValueError, "close code 'bye' cannot be sent; use 1000"),
    (closes_with_a_fraction, ValueError, "close code 4000.5 cannot be sent"),
    (closes_with_a_reserved_code, ValueError, "close code 1006 cannot be sent"),
    (closes_for_a_number, ValueError, "reason=7; give a string"),
    (asks_for_an_instance, ConfigurationError, "cannot be an answer; give message classes"),
    (refuses_without_a_status, ValueError, r"Reject\('not you'\): the first argument is a status from 400 to 599"),
]


@pytest.mark.parametrize(("slip", "error", "says"), SLIPS, ids=[one[0].__name__ for one in SLIPS])
async def test_the_error_says_what_to_do_and_the_connection_goes_on(
    slip: Body, error: type[Exception], says: str
) -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def say(message: Say, ctx: Context) -> Any:
        return Say(text="fine") if message.text else await slip(ctx)

    async with connect(chat, raise_app_exceptions=False) as client:
        assert (await client.request(Say()))["payload"]["code"] == "internal_error"
        (caught,) = client.errors
        with pytest.raises(error, match=says):
            raise caught
        assert (await client.request(Say(text="again")))["text"] == "fine"


@pytest.mark.parametrize("name", ["outbox", "threads", "max_size"])
def test_a_limit_that_counts_is_whole(name: str) -> None:
    wrong: Any = {name: 1.5}
    with pytest.raises(ConfigurationError, match=f"{name}=1.5.*whole number of at least 1"):
        Limits(**wrong)


@pytest.mark.parametrize("name", ["heartbeat", "idle", "handler_timeout"])
def test_a_limit_of_time_says_how_to_turn_it_off(name: str) -> None:
    wrong: Any = {name: 0}
    with pytest.raises(ConfigurationError, match=f"{name}=0.*seconds.*None to turn it off"):
        Limits(**wrong)


@pytest.mark.parametrize("option", [{"latest": "yes"}, {"latest": 1}])
def test_options_that_are_true_or_false(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="it is True or False"):
        Channel("chat").on(Say, **option)
    with pytest.raises(ConfigurationError, match="serial='yes'; it is True or False"):
        Channel("chat").event(Say, serial="yes")  # type: ignore[call-overload]
