"""Which function gets which message: registration, tags, families, envelopes' neighbours."""

import enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chanx import Channel, Context
from chanx.testing import Client, connect

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class A(BaseModel):
    action: Literal["a"] = "a"
    text: str = ""


class B(BaseModel):
    action: Literal["b"] = "b"
    text: str = ""


class Got(BaseModel):
    action: Literal["got"] = "got"
    what: str


class StructA(msgspec.Struct, tag_field="action", tag="sa"):
    text: str = ""


class StructB(msgspec.Struct, tag_field="action", tag="sb"):
    number: int


class StructGot(msgspec.Struct, tag_field="action", tag="sgot"):
    what: str


def name(message: object) -> str:
    return type(message).__name__


async def code(client: Client, frame: dict[str, Any] | str | bytes) -> str:
    await client.send(frame)
    answer = await client.receive()
    assert answer["action"] == "error", answer
    return str(answer["payload"]["code"])


# -- how a function is registered -------------------------------------------------------------------


async def test_one_function_for_two_messages() -> None:
    chat = Channel()

    @chat.on(A, B)
    async def both(message: A | B) -> Got:
        return Got(what=name(message))

    async with connect(chat) as client:
        await client.send(A())
        await client.send(B())
        assert [(await client.receive(Got)).what, (await client.receive(Got)).what] == ["A", "B"]
    assert (await both(B())).what == "B"  # registering returns the function unchanged


ANNOTATIONS = [A | B, Annotated[A | B, "two"], Annotated[A, "one"] | B, None | A | B]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
@pytest.mark.parametrize("form", ["bare", "called"])
async def test_the_message_is_read_off_the_annotation(annotation: Any, form: str) -> None:
    chat = Channel()

    async def both(message: Any) -> Got:
        return Got(what=name(message))

    both.__annotations__["message"] = annotation
    (chat.on if form == "bare" else chat.on(summary="both"))(both)
    async with connect(chat) as client:
        await client.send(A())
        await client.send(B())
        assert [(await client.receive(Got)).what, (await client.receive(Got)).what] == ["A", "B"]


async def test_plain_functions_run_in_threads() -> None:
    import threading

    chat = Channel()

    @chat.on
    def plain(message: A) -> Got:
        return Got(what=str(threading.current_thread() is threading.main_thread()))

    async with connect(chat) as client:
        await client.send(A())
        assert await client.receive(Got) == Got(what="False")


async def test_what_documents_read() -> None:
    parent, chat = Channel(), Channel()

    @chat.on(A, summary="Says a.", description="More of it.", tags=["spoken"])
    async def first(message: A) -> None:
        """Not this."""

    @chat.on(B)
    async def second(message: B) -> None:
        """Say b.

        In a few lines.
        """

    @chat.event(A, tags=["events"])
    async def third(event: A) -> None: ...

    parent.include(chat, tags=["included"])
    parent.compile()
    plan = parent._compiled("test").plan
    says, second_says, hears = plan.operations
    assert (says.kind, says.name, says.inputs) == ("on", "first", (A,))
    assert (says.summary, says.description, says.tags) == ("Says a.", "More of it.", ("included", "spoken"))
    assert (second_says.summary, second_says.tags) == ("Say b.", ("included",))
    assert second_says.description.endswith("In a few lines.")
    assert (hears.kind, hears.name, hears.tags, hears.summary) == ("event", "third", ("included", "events"), "")


# -- tags -------------------------------------------------------------------------------------------


class Kind(str, enum.Enum):  # noqa: UP042 - the older form is read too
    LEFT = "left"
    RIGHT = "right"


class Newer(enum.StrEnum):
    UP = "up"


class Turn(BaseModel):
    action: Literal[Kind.LEFT, Kind.RIGHT]


class Climb(BaseModel):
    action: Literal[Newer.UP] = Newer.UP


class Several(BaseModel):
    action: Literal["one", "two"]
    text: str = ""


@pytest.mark.parametrize("alone", [True, False])
async def test_a_literal_with_several_values_and_enums(alone: bool) -> None:
    chat = Channel()

    async def turn(message: Turn | Several | Climb) -> Got:
        return Got(what=getattr(message.action, "value", message.action))

    if alone:
        chat.on(Turn)(turn)
    else:
        chat.on(Turn, Several, Climb)(turn)

    tags = ["left", "right"] if alone else ["left", "one", "right", "two", "up"]
    async with connect(chat) as client:
        for tag in tags:
            await client.send({"action": tag})
        assert [(await client.receive(Got)).what for _ in tags] == tags
        assert await code(client, {"action": "LEFT"}) == "unknown_action"


async def test_events_with_several_and_enum_tags() -> None:
    chat = Channel()

    @chat.on(A)
    async def send(message: A, ctx: Context) -> None:
        for one in (Several(action="two"), Turn(action=Kind.RIGHT), Climb()):
            await ctx.emit(one, connection=ctx.id)

    @chat.event
    async def event(event: Several | Turn | Climb) -> Got:
        return Got(what=name(event))

    async with connect(chat) as client:
        await client.send(A())
        assert [(await client.receive(Got)).what for _ in range(3)] == ["Several", "Turn", "Climb"]


class TypeA(BaseModel):
    type: Literal["a"] = "a"
    action: str = "free"


class TypeStruct(msgspec.Struct, tag_field="type", tag="s"):
    pass


async def test_another_discriminator() -> None:
    chat = Channel(discriminator="type")

    @chat.on
    async def first(message: TypeA) -> TypeA:
        return message

    @chat.on
    async def second(message: TypeStruct) -> None: ...

    async with connect(chat) as client:
        await client.send({"type": "a", "action": "run", "ref": 1})
        assert await client.receive() == {"type": "a", "action": "run", "ref": 1}
        await client.send({"type": "s", "ref": 2})
        assert await client.receive() == {"type": "ack", "ref": 2}
        await client.send({"action": "a"})
        answer = await client.receive()
        assert (answer["type"], answer["payload"]["code"]) == ("error", "invalid_message")


# -- shapes of messages -----------------------------------------------------------------------------


class Box(BaseModel, Generic[T]):
    action: Literal["box"] = "box"
    item: T


class Tree(BaseModel):
    action: Literal["tree"] = "tree"
    value: int = 0
    children: "list[Tree]" = []


class StructBox(msgspec.Struct, Generic[T], tag_field="action", tag="sbox"):
    item: T


class StructTree(msgspec.Struct, tag_field="action", tag="stree"):
    children: "list[StructTree]" = []


class Wrapped(BaseModel):
    action: Literal["wrapped"] = "wrapped"
    box: Box[list[Tree]]


async def test_generic_nested_and_recursive_models() -> None:
    chat = Channel()

    @chat.on(Box[int], Tree, Wrapped)
    async def handle(message: Box[int] | Tree | Wrapped) -> Box[int] | Tree | Wrapped:
        return message

    tree = Tree(value=1, children=[Tree(children=[Tree(value=3)])])
    async with connect(chat) as client:
        for message in (Box[int](item=3), tree, Wrapped(box=Box(item=[tree]))):
            assert await client.request(message, type(message)) == message
        assert await code(client, {"action": "box", "item": "text"}) == "invalid_message"


@pytest.mark.parametrize("alone", [True, False])
async def test_generic_and_recursive_structs(alone: bool) -> None:
    chat = Channel()

    @chat.on(StructBox[int])
    async def box(message: StructBox[int]) -> StructBox[int]:
        return message

    @chat.on
    async def tree(message: StructTree) -> StructTree:
        return message

    if not alone:

        @chat.on
        async def other(message: A) -> None: ...

    async with connect(chat) as client:
        assert await client.request(StructBox(item=3), StructBox) == StructBox(item=3)
        deep = StructTree([StructTree([StructTree()])])
        await client.send(deep)
        assert await client.receive(StructTree) == deep
        assert await code(client, {"action": "sbox", "item": "text"}) == "invalid_message"


class Shifting(BaseModel):
    """Its validator makes something else of it: nothing is registered for what comes out."""

    action: Literal["shifting"] = "shifting"

    @model_validator(mode="wrap")
    @classmethod
    def _shift(cls, value: Any, handler: Any) -> Any:
        return B()


@pytest.mark.parametrize("ref", [{}, {"ref": 1}])
async def test_a_validator_that_makes_something_else(ref: dict[str, int], caplog: pytest.LogCaptureFixture) -> None:
    chat = Channel()

    @chat.on(Shifting)
    async def handle(message: Shifting) -> None: ...

    async with connect(chat, raise_app_exceptions=False) as client:
        assert await code(client, {"action": "shifting", **ref}) == "internal_error"
        assert len(client.errors) == 1
    assert "reading a message" in caplog.text
    assert chat.stats().bad_frames == 0  # the client is not to blame


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=False)
    action: Literal["aliased"] = "aliased"
    text: str = Field(alias="theText")


async def test_aliases_are_the_names_on_the_wire() -> None:
    chat = Channel()

    @chat.on
    async def handle(message: Aliased, ctx: Context) -> Aliased:
        await ctx.emit(Aliased(theText="y"), connection=ctx.id)
        return message

    @chat.event
    async def event(event: Aliased) -> Aliased:  # an event travels by field name, so that it always reads back
        return event

    async with connect(chat) as client:
        await client.send({"action": "aliased", "theText": "x"})
        answers = [await client.receive(), await client.receive()]
        assert sorted(answer["theText"] for answer in answers) == ["x", "y"]
        assert await code(client, {"action": "aliased", "text": "x"}) == "invalid_message"


# -- both families ----------------------------------------------------------------------------------


def mixed() -> Channel:
    chat = Channel()

    @chat.on(A, StructA)
    async def first(message: A | StructA) -> StructGot:
        return StructGot(what=f"{name(message)} {message.text}")

    @chat.on(B, StructB)
    async def second(message: B | StructB) -> list[Got | StructGot]:
        return [Got(what=name(message)), StructGot(what=name(message))]

    return chat


async def test_both_families_in_one_channel() -> None:
    async with connect(mixed()) as client:
        for message in (A(text="x"), StructA("y")):
            assert await client.request(message, StructGot) == StructGot(f"{name(message)} {message.text}")
        for other in (B(), StructB(1)):
            await client.send(other)
            assert await client.receive(Got) == Got(what=name(other))
            assert await client.receive(StructGot) == StructGot(name(other))


async def test_errors_of_both_families_read_alike() -> None:
    async with connect(mixed()) as client:
        for frame, loc, kind in (
            ({"action": "b", "text": 3}, ["text"], "string_type"),
            ({"action": "sb", "number": "x"}, ["number"], "invalid"),
            ({"action": "sb"}, ["number"], "missing"),
        ):
            await client.send(frame)
            payload = (await client.receive())["payload"]
            assert payload["code"] == "invalid_message"
            assert [(one["loc"], one["type"]) for one in payload["errors"]] == [(loc, kind)]
            assert all(one["msg"] for one in payload["errors"])
