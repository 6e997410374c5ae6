"""Channels that do not fit together, or were made wrongly: both places are named, and what to do."""

import math
import re
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from chanx import Channel, ConfigurationError, Depends, Limits, MemoryLayer
from chanx.testing import connect
from tests.kernel.mistakes import below, here, refused


class Say(BaseModel):
    action: Literal["say"] = "say"


class Other(BaseModel):
    action: Literal["other"] = "other"


class Untagged(BaseModel):
    text: str = ""


async def nothing(message: Any) -> None: ...


LATE: list[Any] = [
    pytest.param(lambda chat: chat.on(Other)(nothing), id="on"),
    pytest.param(lambda chat: chat.event(Other)(nothing), id="event"),
    pytest.param(lambda chat: chat.on_connect(nothing), id="on_connect"),
    pytest.param(lambda chat: chat.on_disconnect(nothing), id="on_disconnect"),
    pytest.param(lambda chat: chat.on_error(ValueError)(nothing), id="on_error"),
    pytest.param(lambda chat: chat.middleware(nothing), id="middleware"),
]


@pytest.mark.parametrize("register", LATE)
def test_a_registration_after_compile(register: Any) -> None:
    chat = Channel("chat")
    where = below()
    chat.compile()
    refused(lambda: register(chat), nothing, where, says=("comes too late", "before the first use"))


def test_an_inclusion_after_compile() -> None:
    chat = Channel("chat")
    where = below()
    chat.compile()
    text = refused(lambda: chat.include(Channel("other")), here(), where, says="comes too late")
    assert text.startswith("include at")


def test_a_registration_on_a_child_after_the_parent_was_compiled() -> None:
    chat, child, grandchild = Channel("chat"), Channel("child"), Channel("grandchild")
    child.include(grandchild)
    chat.include(child)
    where = below()
    chat.compile()
    for late in (child, grandchild):
        refused(lambda: late.on(Say)(nothing), nothing, where, says=late.name)  # noqa: B023 - called at once


@pytest.mark.anyio
async def test_a_registration_after_the_first_connection() -> None:
    chat = Channel("chat")
    chat.on(Say)(nothing)
    async with connect(chat):
        refused(lambda: chat.on(Other)(nothing), nothing, says=("comes too late", "its first connection"))


def test_a_registration_after_the_first_broadcast(caplog: pytest.LogCaptureFixture) -> None:
    chat = Channel("chat")
    chat.broadcast_sync(Say(), group="all")
    refused(lambda: chat.on(Other)(nothing), nothing, says=("comes too late", "broadcast"))


def test_a_failed_compilation_leaves_the_channel_open() -> None:
    chat = Channel("chat")
    chat.on(Say)(nothing)
    chat.on(Say)(nothing)
    refused(chat, nothing, says="two handlers")
    chat.on(Other)(nothing)


def test_a_child_may_be_included_after_it_was_compiled_itself() -> None:
    child, chat = Channel("child"), Channel("chat")
    child.on(Say)(nothing)
    child.compile()
    chat.include(child)
    chat.compile()


def test_a_circle_of_includes() -> None:
    a, b, c = Channel("a"), Channel("b"), Channel("c")
    a.include(b)
    b.include(c)
    refused(lambda: c.include(a), here(), says=("a already includes c", "break the circle"))
    refused(lambda: a.include(a), here(), says=("a already includes a", "break the circle"))
    a.compile()


def test_a_child_with_another_group_layer() -> None:
    where = ["", ""]
    for parents in (None, MemoryLayer()):
        where[0] = below()
        chat = Channel("chat", groups=parents)
        where[1] = below()
        child = Channel("child", groups=MemoryLayer())
        refused(lambda: chat.include(child), *where, says=("group layer", "groups="))  # noqa: B023


def test_a_child_with_its_parents_group_layer_or_none() -> None:
    layer = MemoryLayer()
    chat = Channel("chat", groups=layer)
    chat.include(Channel("same", groups=layer))
    chat.include(Channel("none"))
    chat.compile()


def test_a_child_with_another_discriminator() -> None:
    where = ["", ""]
    where[0] = below()
    chat = Channel("chat")
    where[1] = below()
    child = Channel("child", discriminator="type")
    chat.include(child)
    refused(chat, where[0], where[1], says=("'type'", "'action'", "use one field"))
    child.compile()


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"name": 3}, "the name is a string"),
    ({"refuse": "silently"}, '"http" or "close"'),
    ({"allowed_origins": "https://example.com"}, "give a list"),
    ({"subprotocols": "chat.v1"}, "give a list"),
    ({"groups": "somewhere"}, "no URL of a broker"),
    ({"groups": 3}, "no group layer"),
]


@pytest.mark.parametrize(("arguments", "says"), ARGUMENTS, ids=[str(arguments) for arguments, _ in ARGUMENTS])
def test_wrong_arguments_of_a_channel(arguments: dict[str, Any], says: str) -> None:
    refused(lambda: Channel(**arguments), here(), says=says)


NAMES = [name for name in Limits.__struct_fields__ if name != "strikes"]
OFF = {"handler_timeout", "heartbeat", "idle"}  # None turns these off


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, True, "1", None, math.nan], ids=repr)
def test_wrong_limits(name: str, value: Any) -> None:
    given = {name: value}
    if value is None and name in OFF:
        assert getattr(Limits(**given), name) is None
        return
    with pytest.raises(ConfigurationError) as caught:
        Limits(**given)
    assert f"{name}={value!r}" in str(caught.value)
    assert "of at least" in str(caught.value)


def test_no_strikes_at_all_are_allowed() -> None:
    assert Limits(strikes=0).strikes == 0
    with pytest.raises(ConfigurationError, match="at least 0"):
        Limits(strikes=-1)


def test_limits_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Limits().max_size = 3  # type: ignore[misc]


@pytest.mark.anyio
async def test_what_is_no_message_cannot_be_published() -> None:
    chat = Channel("chat")
    for wrong in (3, {"action": "say"}, Untagged()):
        with pytest.raises(ConfigurationError, match=r"is no (message|event)|has no field 'action'"):
            await chat.broadcast(wrong, group="all")
        with pytest.raises(ConfigurationError, match=r"is no (message|event)|has no field 'action'"):
            await chat.emit(wrong, group="all")


@pytest.mark.parametrize("marker", [Depends(nothing)])
def test_a_guard_that_cannot_be_called(marker: Depends) -> None:
    chat = Channel("chat", dependencies=[marker])
    refused(chat, nothing, says="'message' is a Any")


def guard() -> None:
    """A dependency to guard with."""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"limits": 3}, "give Limits(…)"),
        ({"state": 3}, "makes the state"),
        ({"discriminator": 3}, "the name of a field"),
        ({"discriminator": ""}, "the name of a field"),
        ({"discriminator": "ref"}, "a key of the envelope"),
        ({"subprotocols": [3]}, "each is a str"),
        ({"allowed_origins": [3]}, "each is a str"),
        ({"dependencies": Depends(guard)}, "give a list"),
        ({"dependencies": [guard]}, "each is a Depends"),
    ],
)
def test_further_wrong_arguments_of_a_channel(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)) as caught:
        Channel(**arguments)
    assert __file__ in str(caught.value)


@pytest.mark.parametrize(
    ("channel", "arguments", "says"),
    [
        ("x", {}, "is no Channel"),
        (Channel("child"), {"prefix": 3}, "is a string"),
        (Channel("child"), {"tags": "abc"}, "give a list"),
        (Channel("child"), {"dependencies": Depends(guard)}, "give a list"),
    ],
)
def test_wrong_arguments_of_include(channel: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)) as caught:
        Channel("parent").include(channel, **arguments)
    assert __file__ in str(caught.value)


def test_two_error_handlers_for_one_exception_in_one_channel() -> None:
    channel = Channel("chat")

    @channel.on_error(ValueError)
    async def first(error: ValueError) -> None: ...

    @channel.on_error(ValueError)
    async def second(error: ValueError) -> None: ...

    refused(channel, first, second, says="keep one")
