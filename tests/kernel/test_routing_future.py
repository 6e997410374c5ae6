"""Annotations that are strings, as `from __future__ import annotations` makes all of them."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from chanx import Channel, ConfigurationError, Context, Depends, Query
from chanx.testing import connect

if TYPE_CHECKING:
    from decimal import Decimal

pytestmark = pytest.mark.anyio


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str = ""


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


async def user(connection: HTTPConnection, name: Annotated[str, Query()] = "nobody") -> str:
    return name


def price() -> Decimal:  # known to type checkers only: what a dependency returns is not looked at
    return 3  # type: ignore[return-value]


chat = Channel("chat")


@chat.on
async def say(
    message: Say, ctx: Context, who: Annotated[str, Depends(user)], cost: Annotated[int, Depends(price)]
) -> Said:
    return Said(text=f"{who}: {message.text} {cost} {ctx.connection.url.path}")


async def test_at_module_level() -> None:
    async with connect(chat, "/path", query={"name": "ada"}) as client:
        await client.send(Say(text="hi"))
        assert await client.receive(Said) == Said(text="ada: hi 3 /path")


async def test_inside_a_function() -> None:
    class Local(BaseModel):
        action: Literal["local"] = "local"
        inner: Inner | None = None

    class Inner(BaseModel):
        number: int = 0

    class Number(enum.StrEnum):
        THREE = "3"
        FOUR = "4"

    class Service:
        def __init__(self, number: Annotated[Number, Query()] = Number.THREE) -> None:
            self.number = number

    Local.model_rebuild()
    made: list[str] = []

    async def guard(service: Annotated[Service, Depends()]) -> None:
        made.append("guard")

    async def count(service: Annotated[Service, Depends()]) -> Number:
        return service.number

    room = Channel("room", dependencies=[Depends(guard)])

    @room.on
    async def local(message: Local, number: Annotated[Number, Depends(count)]) -> Said:
        assert message.inner is None or type(message.inner) is Inner
        return Said(text=str(number))

    @room.on_connect
    async def enter(ctx: Context, number: Annotated[Number, Depends(count)]) -> None:
        made.append(f"enter {number}")

    async with connect(room, query={"number": "4"}) as client:
        await client.send({"action": "local", "inner": {"number": 1}})
        assert await client.receive(Said) == Said(text="4")
    assert made == ["guard", "enter 4", "guard"]


class Factory:
    def made(self) -> Channel:
        channel = Channel("made")

        @channel.on
        async def handle(message: Say) -> Said:
            return Said(text=message.text)

        return channel


async def test_inside_a_method() -> None:
    async with connect(Factory().made()) as client:
        await client.send(Say(text="x"))
        assert await client.receive(Said) == Said(text="x")


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]
    following: Page[T] | None = None


class Texts(Page[str]):
    action: Literal["texts"] = "texts"


def test_a_class_that_pydantic_cannot_complete_is_named() -> None:
    channel = Channel("texts")

    @channel.on(Texts)
    async def texts(message: Texts) -> None:
        """Nothing to answer."""

    with pytest.raises(ConfigurationError, match=r"Texts .* cannot be completed"):
        channel.compile()
