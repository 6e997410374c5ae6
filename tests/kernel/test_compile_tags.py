"""Messages whose tag or fields cannot travel: each is named with its place, at compile time."""

import enum
from typing import Any, Literal

import msgspec
import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, computed_field

from chanx import Channel
from chanx.types import CONTROL_ACTIONS
from tests.kernel.mistakes import refused


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str = ""


class Said(BaseModel):
    action: Literal["said"] = "said"


# -- the tag itself ---------------------------------------------------------------------------------


class NoTag(BaseModel):
    text: str


class NotLiteral(BaseModel):
    action: str = "say"


class MaybeLiteral(BaseModel):
    action: Literal["say"] | None = "say"


class NumberTag(BaseModel):
    action: Literal[1] = 1


class MixedTags(BaseModel):
    action: Literal["one", 2]


class Colour(enum.Enum):
    RED = 1


class NumberEnumTag(BaseModel):
    action: Literal[Colour.RED] = Colour.RED


class Word(enum.Enum):
    SAY = "say"


class PlainEnumTag(BaseModel):  # pydantic writes "say" for it, but does not read it back
    action: Literal[Word.SAY] = Word.SAY


class AliasedTag(BaseModel):
    action: Literal["say"] = Field("say", alias="kind")


class UntaggedStruct(msgspec.Struct):
    text: str


class WrongTagField(msgspec.Struct, tag_field="type", tag="say"):
    text: str


class NumberStruct(msgspec.Struct, tag_field="action", tag=1):
    text: str


class ArrayStruct(msgspec.Struct, tag_field="action", tag="say", array_like=True):
    text: str


class UnreadableStruct(msgspec.Struct, tag_field="action", tag="say"):
    both: list[int] | set[int]


class ForwardStruct(msgspec.Struct, tag_field="action", tag="say"):
    text: "Nowhere"  # type: ignore[name-defined] # noqa: F821


class ForwardModel(BaseModel):
    action: Literal["say"] = "say"
    text: "Nowhere"  # type: ignore[name-defined] # noqa: F821


TAGS = [
    (NoTag, ("no field 'action'", 'action: Literal["notag"]')),
    (NotLiteral, ("str", "a tag is a Literal of strings")),
    (MaybeLiteral, "a tag is a Literal of strings"),
    (NumberTag, ("1", "use strings")),
    (MixedTags, "use strings"),
    (NumberEnumTag, "use strings"),
    (PlainEnumTag, "StrEnum"),
    (AliasedTag, "remove the alias"),
    (UntaggedStruct, 'tag_field="action"'),
    (WrongTagField, 'tag_field="action"'),
    (NumberStruct, 'tag_field="action"'),
    (ArrayStruct, ("array_like", "remove it")),
    (UnreadableStruct, "cannot be decoded"),
    (ForwardStruct, ("cannot be decoded", "Nowhere")),
    (ForwardModel, ("cannot be completed", "Nowhere")),
]


@pytest.mark.parametrize(("cls", "says"), TAGS, ids=[cls.__name__ for cls, _ in TAGS])
def test_a_message_without_a_good_tag(cls: Any, says: str) -> None:
    chat = Channel("chat")

    @chat.on(cls)  # type: ignore[untyped-decorator]
    async def handler(message: Any) -> None: ...

    refused(chat, cls, says=says)


@pytest.mark.parametrize("cls", [NoTag, UntaggedStruct, NumberTag])
def test_an_event_without_a_good_tag(cls: Any) -> None:
    chat = Channel("chat")

    @chat.event(cls)  # type: ignore[untyped-decorator]
    async def handler(event: Any) -> None: ...

    refused(chat, cls, says="'action'" if cls is not NumberTag else "use strings")


def test_what_is_sent_needs_a_tag_too() -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def handler(message: Say) -> NoTag | Said: ...  # type: ignore[empty-body]

    refused(chat, NoTag, says="no field 'action'")


# -- the envelope -----------------------------------------------------------------------------------


class FieldRef(BaseModel):
    action: Literal["say"] = "say"
    ref: str = ""


class AliasRef(BaseModel):
    action: Literal["say"] = "say"
    reference: str = Field("", alias="ref")


class ReadAliasTopic(BaseModel):
    action: Literal["say"] = "say"
    subject: str = Field("", validation_alias=AliasChoices("subject", "topic"))


class PathAliasStream(BaseModel):
    action: Literal["say"] = "say"
    subject: str = Field("", validation_alias=AliasPath("stream", 0))


class WrittenAliasSeq(BaseModel):
    action: Literal["say"] = "say"
    number: int = Field(0, serialization_alias="seq")


class GeneratedAlias(BaseModel):
    model_config = ConfigDict(alias_generator=lambda name: "ask" if name == "question" else name)
    action: Literal["say"] = "say"
    question: str = ""


class ComputedEpoch(BaseModel):
    action: Literal["say"] = "say"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def epoch(self) -> int:
        return 1


class StructVersion(msgspec.Struct, tag_field="action", tag="say"):
    version: int = 1


class StructAliasRef(msgspec.Struct, tag_field="action", tag="say"):
    reference: str = msgspec.field(default="", name="ref")


class ControlTag(BaseModel):
    action: Literal["ack"] = "ack"


class OneControlTag(BaseModel):
    action: Literal["fine", "error"]


class ControlStruct(msgspec.Struct, tag_field="action", tag="complete"):
    pass


KEYS = [
    (FieldRef, "ref"),
    (AliasRef, "ref"),
    (ReadAliasTopic, "topic"),
    (PathAliasStream, "stream"),
    (WrittenAliasSeq, "seq"),
    (GeneratedAlias, "ask"),
    (ComputedEpoch, "epoch"),
    (StructVersion, "version"),
    (StructAliasRef, "ref"),
    (ControlTag, "ack"),
    (OneControlTag, "error"),
    (ControlStruct, "complete"),
]


@pytest.mark.parametrize(("cls", "key"), KEYS, ids=[cls.__name__ for cls, _ in KEYS])
@pytest.mark.parametrize("received", [True, False], ids=["received", "sent"])
def test_a_message_that_uses_what_belongs_to_the_envelope(cls: Any, key: str, received: bool) -> None:
    def made(envelope: bool) -> Channel:
        chat = Channel("chat", envelope=envelope)

        async def handler(message: Any) -> Any: ...

        handler.__annotations__["return"] = None if received else cls
        chat.on(cls if received else Said)(handler)
        return chat

    refused(made(envelope=True), cls, says=(repr(key), "envelope=False"))
    made(envelope=False).compile()


@pytest.mark.parametrize("tag", sorted(CONTROL_ACTIONS))
def test_every_control_action_is_taken(tag: str) -> None:
    chat = Channel("chat")
    chat.on(msgspec.defstruct("M", [], tag_field="action", tag=tag))(lambda message: None)
    refused(chat, says=(repr(tag), "control action"))


def test_with_another_discriminator_action_is_a_field_like_any_other() -> None:
    class Kind(BaseModel):
        kind: Literal["k"] = "k"
        action: str = ""

    chat = Channel("chat", discriminator="kind")

    @chat.on(Kind)
    async def handler(message: Kind) -> None: ...

    chat.compile()
