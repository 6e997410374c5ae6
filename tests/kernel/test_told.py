"""What a plan keeps for documents: of each function what it takes, answers and sends, and what `output=` adds."""

import functools
from collections.abc import AsyncIterator
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
import pytest
from pydantic import BaseModel

from chanx import Channel, ConfigurationError, Context, Depends, Header, Path, Query
from chanx._plan import Operation, Plan
from tests.kernel.mistakes import refused

T = TypeVar("T")


class Ask(BaseModel):
    action: Literal["ask"] = "ask"


class Part(BaseModel):
    action: Literal["part"] = "part"


class Told(BaseModel):
    action: Literal["told"] = "told"


class Seen(msgspec.Struct, tag_field="action", tag="seen"):
    pass


class OtherTold(BaseModel):
    action: Literal["told"] = "told"


class Box(msgspec.Struct, Generic[T], tag_field="action", tag="box"):
    value: T


def plan_of(channel: Channel) -> Plan:
    channel.compile()
    return channel._compiled("test").plan


def operation(channel: Channel) -> Operation:
    (only,) = plan_of(channel).operations
    return only


@pytest.mark.parametrize(
    ("output", "classes"),
    [
        (Told, (Told,)),
        (Told | Seen, (Told, Seen)),
        ((Told, Seen), (Told, Seen)),
        ([Seen | Told, Told], (Seen, Told)),
        (list[Told], (Told,)),
        (Box[int], (Box[int],)),
        ((), ()),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["on", "event"])
def test_output_names_what_is_sent(output: Any, classes: tuple[Any, ...], kind: str) -> None:
    channel = Channel()
    decorate: Any = getattr(channel, kind)

    async def answer(message: Ask) -> None: ...

    decorate(Ask, output=output)(answer)
    assert operation(channel).outputs == classes
    assert operation(channel).returns == ()


@pytest.mark.parametrize("output", ["told", None, 5, [Told, "seen"], {Told}, lambda: Told])
@pytest.mark.parametrize("kind", ["on", "event"])
def test_output_that_is_no_class_is_refused(output: Any, kind: str) -> None:
    decorate: Any = getattr(Channel(), kind)
    with pytest.raises(ConfigurationError, match=rf"{kind} at .*test_told.py:\d+: output=.*give a message class"):
        decorate(Ask, output=output)


def test_output_is_checked_as_a_return_type_is() -> None:
    channel = Channel()

    @channel.on(Ask, output=int)
    async def answer(message: Ask) -> None: ...

    refused(channel, answer, says=("output= of ", "int is no message"))

    channel = Channel()

    @channel.on(Ask, output=OtherTold)
    async def other(message: Ask) -> Told:
        return Told()

    refused(channel, Told, OtherTold, other, says="two types are sent under the tag 'told'")


def test_what_a_function_answers() -> None:
    channel = Channel()

    @channel.on(Ask)
    async def one(message: Ask) -> Told | None: ...

    @channel.event(Ask)
    async def many(event: Ask) -> list[Told | Seen] | Told:
        return [Told(), Seen()]

    @channel.on_error(ValueError, KeyError)
    async def wrong(error: ValueError | KeyError) -> Seen:
        return Seen()

    told = {each.name: each for each in plan_of(channel).operations}
    assert list(told) == ["wrong", "one", "many"]
    assert (told["one"].kind, told["one"].returns, told["one"].silent, told["one"].several) == (
        *("on", (Told,)),
        *(True, False),
    )
    assert (told["many"].kind, told["many"].returns, told["many"].silent, told["many"].several) == (
        *("event", (Told, Seen)),
        *(False, True),
    )
    assert (told["one"].alone, told["many"].alone) == ((Told,), (Told,))
    assert (told["wrong"].kind, told["wrong"].inputs, told["wrong"].returns) == ("on_error", (), (Seen,))


def test_streams() -> None:
    channel = Channel()

    @channel.on(Ask)
    async def relay(message: Ask, parts: AsyncIterator[Part]) -> AsyncIterator[Told]:
        async for _ in parts:
            yield Told()

    told = operation(channel)
    assert (told.chunks, told.returns, told.streams, told.several, told.silent, told.cancellable) == (
        *((Part,), (Told,)),
        *(True, False, False, True),
    )


class Clerk:
    async def __call__(self, message: Ask) -> None: ...


async def plainly(message: Ask, mark: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "name"),
    [(Clerk(), "Clerk"), (functools.partial(plainly, mark="x"), "plainly")],
    ids=["object", "part"],
)
def test_what_an_odd_function_is_called(function: Any, name: str) -> None:
    channel = Channel()
    channel.on(Ask)(function)
    assert operation(channel).name == name


def test_an_included_handler_is_told_once_for_each_prefix() -> None:
    child = Channel()

    @child.on(Ask)
    async def answer(message: Ask) -> None: ...

    @child.event(Ask)
    async def heard(event: Ask) -> Told:
        return Told()

    parent = Channel()
    parent.include(child, prefix="a.", tags=["first"])
    parent.include(child, prefix="b.", tags=["second"])
    assert [(one.name, one.prefix, one.tags) for one in plan_of(parent).operations] == [
        ("answer", "a.", ("first",)),
        ("heard", "", ("first",)),
        ("answer", "b.", ("second",)),
    ]


def test_what_the_handshake_is_asked_for() -> None:
    async def user(x_user: Annotated[str, Header()], page: Annotated[int, Query("p")] = 1) -> str:
        return ""

    child = Channel()
    channel = Channel(dependencies=[Depends(user)])
    channel.include(child)

    @channel.on_connect
    async def enter(ctx: Context, room: Annotated[int, Path()]) -> None: ...

    @child.on(Ask)
    async def answer(message: Ask, late: Annotated[str, Query()]) -> None: ...

    plan = plan_of(channel)
    assert [(one.marker, one.name, one.slot in plan.eager) for one in plan.values] == [
        (Header, "x-user", True),
        (Query, "p", True),
        (Path, "room", True),
        (Query, "late", False),
    ]
