"""Handlers that collide, classes that are no messages, and what handlers return: named with both places."""

from collections.abc import Iterator
from typing import Any, Generic, Literal, TypeVar

import msgspec
import pytest
from pydantic import BaseModel

from chanx import Channel, ConfigurationError
from tests.kernel.mistakes import here, refused

T = TypeVar("T")


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str = ""


class SayToo(BaseModel):
    action: Literal["say"] = "say"


class Two(BaseModel):
    action: Literal["two", "say"]


class Said(BaseModel):
    action: Literal["said"] = "said"


class SaidElse(BaseModel):
    action: Literal["said"] = "said"
    other: int = 0


class StructSay(msgspec.Struct, tag_field="action", tag="say"):
    text: str = ""


# -- two handlers for one tag -----------------------------------------------------------------------


def test_two_handlers_for_one_message() -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def first(message: Say) -> None: ...

    @chat.on(Say)
    async def second(message: Say) -> None: ...

    refused(chat, first, second, says=("'say'", "two handlers", "remove one"))


@pytest.mark.parametrize("other", [SayToo, Two, StructSay])
def test_two_messages_with_one_tag(other: Any) -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def first(message: Say) -> None: ...

    @chat.on(other)  # type: ignore[untyped-decorator]
    async def second(message: Any) -> None: ...

    refused(chat, first, second, says="'say'")


def test_two_handlers_through_include() -> None:
    chat, other = Channel("chat"), Channel("other")

    @chat.on(Say)
    async def first(message: Say) -> None: ...

    @other.on(SayToo)
    async def second(message: SayToo) -> None: ...

    chat.include(other)
    refused(chat, first, second, says=("'say'", "prefix"))
    other.compile()


def test_two_handlers_through_a_prefix() -> None:
    class Prefixed(BaseModel):
        action: Literal["admin.say"] = "admin.say"

    chat, admin = Channel("chat"), Channel("admin")

    @chat.on(Prefixed)
    async def first(message: Prefixed) -> None: ...

    @admin.on(Say)
    async def second(message: Say) -> None: ...

    chat.include(admin, prefix="admin.")
    refused(chat, first, second, says="'admin.say'")


def test_the_same_channel_twice_under_one_prefix() -> None:
    chat, admin = Channel("chat"), Channel("admin")

    @admin.on(Say)
    async def say(message: Say) -> None: ...

    chat.include(admin, prefix="a.")
    chat.include(admin, prefix="a.")
    refused(chat, say, says="'a.say'")


def test_two_handlers_for_one_event() -> None:
    chat, other = Channel("chat"), Channel("other")

    @chat.event(Say)
    async def first(event: Say) -> None: ...

    @other.event(SayToo)
    async def second(event: SayToo) -> None: ...

    chat.include(other)
    refused(chat, first, second, says=("'say'", "keep one"))


def test_a_message_and_an_event_may_share_a_tag() -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def message(message: Say) -> None: ...

    @chat.event(Say)
    async def event(event: Say) -> None: ...

    chat.compile()


# -- what is no message, and what is sent -----------------------------------------------------------


@pytest.mark.parametrize("cls", [int, dict, BaseModel, msgspec.Struct, object])
def test_a_class_that_is_no_message(cls: Any) -> None:
    chat = Channel("chat")

    @chat.on(cls)  # type: ignore[untyped-decorator]
    async def handler(message: Any) -> None: ...

    refused(chat, handler, says=(cls.__name__, "pydantic model or a msgspec.Struct"))


@pytest.mark.parametrize("decorator", ["on", "event"])
def test_a_decorator_with_something_else_than_classes(decorator: str) -> None:
    chat = Channel("chat")
    register: Any = getattr(chat, decorator)
    for wrong in (("say",), (Say, "say"), (None,), ([Say],)):
        refused(lambda: register(*wrong), here(), says="takes classes")  # noqa: B023 - called at once
    with pytest.raises(ConfigurationError, match="registers functions, not 3"):
        register(Say)(3)


@pytest.mark.parametrize(
    "returns", [int, str, dict[str, int], list[int], tuple[Said, str], Said | int, list[Said | bytes]]
)
def test_a_handler_that_returns_no_message(returns: Any) -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def handler(message: Say) -> Any: ...

    handler.__annotations__["return"] = returns
    refused(chat, handler, says=("the return type", "is no message", "pydantic model"))


@pytest.mark.parametrize("kind", ["event", "on_error"])
def test_an_event_or_error_handler_that_returns_no_message(kind: str) -> None:
    chat = Channel("chat")

    async def handler(what: Any) -> int: ...  # type: ignore[empty-body]

    getattr(chat, kind)(Said if kind == "event" else ValueError)(handler)
    refused(chat, handler, says=("the return type", "int is no message"))


@pytest.mark.parametrize(
    "returns", [None, Any, Said, Said | None, list[Said], tuple[Said, ...], list[Said | Say], BaseModel, list, T]
)
def test_return_types_that_are_fine(returns: Any) -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def handler(message: Say) -> Any: ...

    handler.__annotations__["return"] = returns
    chat.compile()


def test_two_types_sent_under_one_tag() -> None:
    chat, other = Channel("chat"), Channel("other")

    @chat.on(Say)
    async def first(message: Say) -> Said | None: ...

    @other.event(Say)
    async def second(event: Say) -> list[SaidElse]: ...  # type: ignore[empty-body]

    chat.include(other, prefix="other.")
    refused(chat, first, second, Said, SaidElse, says=("'said'", "another tag"))
    other.compile()


def test_one_type_sent_from_two_places() -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def first(message: Say) -> Said: ...  # type: ignore[empty-body]

    @chat.event(Say)
    async def second(event: Say) -> list[Said]: ...  # type: ignore[empty-body]

    chat.compile()


class Box(BaseModel, Generic[T]):
    action: Literal["box"] = "box"
    item: T


def test_two_forms_of_a_generic_model_are_two_types() -> None:
    chat = Channel("chat")

    @chat.on(Box[int])
    async def first(message: Box[int]) -> None: ...

    @chat.on(Box[str])
    async def second(message: Box[str]) -> None: ...

    refused(chat, first, second, says="'box'")


def test_a_plain_generator_is_no_handler() -> None:
    def plain(message: Say) -> Iterator[Said]:
        yield Said()

    for kind in ("on", "event"):
        chat = Channel("chat")
        getattr(chat, kind)(Say)(plain)
        refused(chat, plain, says=("generator", "make it async to stream, or return a list"))


def test_a_plain_function_cannot_be_cancelled() -> None:
    chat = Channel("chat")

    @chat.on(Say, on_leave="cancel")
    def handler(message: Say) -> None: ...

    refused(chat, handler, says=("thread", "make it async", 'on_leave="cancel"'))


def test_on_leave_is_one_of_two() -> None:
    chat = Channel("chat")
    wrong: Any = "stop"
    refused(lambda: chat.on(Say, on_leave=wrong), here(), says=("'stop'", '"finish" or "cancel"'))
