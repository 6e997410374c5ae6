"""Topics that cannot be: each mistake raises, names its place, and says what to do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from chanx import Channel, ConfigurationError, Context, Depends, MemoryLayer, Path
from tests.kernel.messages import Said, Say


def mount(hub: Channel, channel: Channel, **options: Any) -> None:
    """Include and compile; a mistake may be found in either."""
    hub.include(channel, **options)
    hub.compile()


WRONG: list[Any] = [
    "",
    "{",
    "}",
    "a{",
    "a}",
    "{}",
    "a:{}",
    "{1}",
    "{a-b}",
    "{a b}",
    "{a}{b}",
    "{a}:{a}",
    "{{a}}",
    "{a:int}",
]


@pytest.mark.parametrize("pattern", [*WRONG, 5, b"room", ["room"], True, "x" * 257], ids=repr)
def test_a_wrong_pattern(pattern: Any) -> None:
    hub = Channel("hub")
    with pytest.raises(ConfigurationError, match="topic"):
        mount(hub, Channel("room"), topic=pattern)


@pytest.mark.parametrize(
    "pattern", ["a", "a:b", "{a}", "a:{b}", "{a}:{b}", "a{b}c", "ä:{ü}", "a b", "x" * 256, "a.*", "(a"]
)
def test_right_patterns(pattern: str) -> None:
    hub = Channel("hub")
    hub.include(Channel("room"), topic=pattern)
    hub.compile()


def test_a_prefix_beside_a_topic() -> None:
    hub = Channel("hub")
    with pytest.raises(ConfigurationError, match=r"prefix.*topic|topic.*prefix"):
        mount(hub, Channel("room"), prefix="room.", topic="room")


def test_topics_of_topics() -> None:
    hub, room, corner = Channel("hub"), Channel("room"), Channel("corner")
    room.include(corner, topic="corner")
    with pytest.raises(ConfigurationError, match="topic"):
        mount(hub, room, topic="room")
    alone = Channel("alone")
    alone.include(corner, topic="corner")
    alone.compile()


def test_topics_of_what_a_topic_includes() -> None:
    hub, room, wing, corner = Channel("hub"), Channel("room"), Channel("wing"), Channel("corner")
    wing.include(corner, topic="corner")
    room.include(wing)
    with pytest.raises(ConfigurationError, match="topic"):
        mount(hub, room, topic="room")


@pytest.mark.parametrize("second", ["room:{pk}", "room:{name}"])
def test_the_same_pattern_twice(second: str) -> None:
    hub = Channel("hub")
    hub.include(Channel("a"), topic="room:{pk}")
    with pytest.raises(ConfigurationError, match="room"):
        mount(hub, Channel("b"), topic=second)


def test_the_same_pattern_twice_by_way_of_an_included_channel() -> None:
    hub, wing = Channel("hub"), Channel("wing")
    wing.include(Channel("a"), topic="room")
    hub.include(wing)
    hub.include(Channel("b"), topic="room")
    with pytest.raises(ConfigurationError, match="room"):
        hub.compile()


def test_one_channel_under_two_patterns() -> None:
    hub, room = Channel("hub"), Channel("room")
    hub.include(room, topic="room:{pk}")
    hub.include(room, topic="hall:{pk}")
    hub.compile()


def test_one_channel_plainly_and_as_a_topic() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on(Say)
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    hub.include(room)
    hub.include(room, topic="room")
    hub.compile()


def test_a_hub_without_an_envelope() -> None:
    hub = Channel("hub", envelope=False)
    with pytest.raises(ConfigurationError, match="envelope"):
        mount(hub, Channel("room"), topic="room")


def test_another_discriminator() -> None:
    hub = Channel("hub", discriminator="action")
    with pytest.raises(ConfigurationError, match="type"):
        mount(hub, Channel("room", discriminator="type"), topic="room")


def test_another_group_layer() -> None:
    hub = Channel("hub")
    with pytest.raises(ConfigurationError, match="groups="):
        mount(hub, Channel("room", groups=MemoryLayer()), topic="room")


def circle(hub: Channel, room: Channel) -> None:
    hub.include(room, topic="room")
    room.include(hub)
    hub.compile()


def test_a_circle() -> None:
    hub, room = Channel("hub"), Channel("room")
    with pytest.raises(ConfigurationError):
        circle(hub, room)


def test_itself() -> None:
    hub = Channel("hub")
    with pytest.raises(ConfigurationError):
        mount(hub, hub, topic="room")


def test_too_late() -> None:
    hub, room = Channel("hub"), Channel("room")
    hub.compile()
    with pytest.raises(ConfigurationError, match="too late"):
        hub.include(room, topic="room")


def test_a_registration_on_a_topic_after_its_hub_was_compiled() -> None:
    hub, room = Channel("hub"), Channel("room")
    hub.include(room, topic="room")
    hub.compile()
    with pytest.raises(ConfigurationError, match="too late"):

        @room.on_connect
        async def enter(ctx: Context) -> None: ...


def test_mistakes_inside_a_topic_are_found_when_the_hub_is_compiled() -> None:
    hub, room = Channel("hub"), Channel("room")

    @room.on(Say)
    async def say(message: Say, what: int) -> None: ...

    hub.include(room, topic="room")
    with pytest.raises(ConfigurationError, match="what"):
        hub.compile()


def test_two_handlers_for_one_tag_within_a_topic() -> None:
    hub, room, wing = Channel("hub"), Channel("room"), Channel("wing")

    async def say(message: Say) -> None: ...

    room.on(Say)(say)
    wing.on(Say)(say)
    room.include(wing)
    hub.include(room, topic="room")
    with pytest.raises(ConfigurationError, match="say"):
        hub.compile()


class Other(BaseModel):
    action: Literal["said"] = "said"
    number: int


def test_two_topics_may_send_different_messages_under_one_tag() -> None:
    """As they are told apart by their topic."""
    hub, a, b = Channel("hub"), Channel("a"), Channel("b")

    @a.on(Say)
    async def say_a(message: Say) -> Said:
        return Said(text="")

    @b.on(Say)
    async def say_b(message: Say) -> Other:
        return Other(number=1)

    hub.include(a, topic="a")
    hub.include(b, topic="b")
    hub.compile()


async def user(name: Annotated[str, Path("name")]) -> str:
    return name


def test_guards_and_tags_are_taken() -> None:
    hub, room = Channel("hub"), Channel("room")
    hub.include(room, topic="room:{name}", dependencies=[Depends(user)], tags=["rooms"])
    hub.compile()
    with pytest.raises(ConfigurationError, match="dependencies"):
        Channel("hub").include(Channel("room"), topic="room", dependencies=[user])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="tags"):
        Channel("hub").include(Channel("room"), topic="room", tags=[1])  # type: ignore[list-item]


def test_limits_topics() -> None:
    from chanx import Limits

    for wrong in (0, -1, 1.5, "x", None, True):
        with pytest.raises(ConfigurationError, match="topics"):
            Limits(topics=wrong)  # type: ignore[arg-type]
    assert Limits(topics=1).topics == 1
