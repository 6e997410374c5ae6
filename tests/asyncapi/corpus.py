"""Channels that are awkward to document. Each function makes what `document` is given, afresh."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

import msgspec
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Json,
    RootModel,
    SecretStr,
    Tag,
    computed_field,
    field_serializer,
    model_serializer,
)
from pydantic.alias_generators import to_camel
from starlette.requests import HTTPConnection
from typing_extensions import TypedDict

from chanx import Channel, Context, Cookie, Depends, Header, History, Limits, Path, Query
from tests.asyncapi.clash import left, right

T = TypeVar("T")


class Say(BaseModel):
    """Something that is said.

    Aloud, that is.
    """

    action: Literal["say"] = "say"
    text: str = Field(examples=["hello", "bye"], description="What is said.")
    loud: bool = False


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str


class Hired(BaseModel):
    action: Literal["hired"] = "hired"
    name: str


class Ping(msgspec.Struct, tag_field="action", tag="ping"):
    pass


class Pong(msgspec.Struct, tag_field="action", tag="pong", forbid_unknown_fields=True):
    at: float = 0.0


class Part(BaseModel):
    action: Literal["part"] = "part"
    text: str


class Upload(BaseModel):
    action: Literal["upload"] = "upload"
    name: str


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
    AMBER = "amber"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 5


def plain() -> Any:
    channel = Channel("chat", title="Chat", description="Talk to each other.")

    @channel.on(Say, tags=["talk"])
    async def say(message: Say) -> Said:
        """Say something.

        All hear it.
        """
        return Said(who="", text=message.text)

    return channel


def nothing() -> Any:
    return Channel("idle")


def outputs() -> Any:
    channel = Channel("chat")

    @channel.on(Say, output=Said, summary="Say it to all", description="Nothing comes back.")
    async def say(message: Say) -> None: ...

    @channel.on(Ping)
    async def ping(message: Ping) -> Pong | None:
        return Pong()

    @channel.on(Upload, Part, output=[Said | Pong])
    async def both(message: Upload | Part) -> list[Said] | Hired:
        return []

    @channel.event(Hired)
    async def hired(event: Hired) -> Said:
        return Said(who="office", text="")

    @channel.event(Part, output=(Pong, Said))
    async def told(event: Part) -> None: ...

    @channel.event(Upload)
    async def unseen(event: Upload) -> None: ...

    @channel.on_error(ValueError)
    async def sorry(error: ValueError) -> Said | None:
        return None

    return {"/chat": channel}


def streams() -> Any:
    channel = Channel("streams", limits=Limits(heartbeat=5, idle=60))

    @channel.on(Upload)
    async def upload(message: Upload, parts: AsyncIterator[Part]) -> Said:
        return Said(who="", text="")

    @channel.on(Say)
    async def spell(message: Say) -> AsyncIterator[Said]:
        """Spell it."""
        yield Said(who="", text="")

    @channel.on(Ping, latest=True)
    async def newest(message: Ping) -> None: ...

    return {"/streams": channel}


class Tree(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"children": [{"action": "tree"}]}, {"action": "tree"}, {"children": 5}]},
    )
    action: Literal["tree"] = "tree"
    children: list[Tree] = []


class Node(msgspec.Struct, tag_field="action", tag="node"):
    left: Node | None = None
    right: Node | None = None


def recursive() -> Any:
    channel = Channel("trees")

    @channel.on(Tree)
    async def tree(message: Tree) -> Tree:
        return message

    @channel.on(Node)
    async def node(message: Node) -> Node:
        return message

    return {"/trees": channel}


class Page(BaseModel, Generic[T]):
    action: Literal["page"] = "page"
    items: list[T]
    following: Page[T] | None = None


class Row(BaseModel, Generic[T]):
    cells: list[T]


class Texts(Row[str]):
    action: Literal["texts"] = "texts"


class Box(msgspec.Struct, Generic[T], tag_field="action", tag="box"):
    value: T


class Crate(msgspec.Struct, Generic[T], tag_field="action", tag="crate"):
    boxes: list[Box[T]]


def generic() -> Any:
    channel = Channel("generic")

    @channel.on(Page[dict[str, int]])
    async def page(message: Page[dict[str, int]]) -> Texts:
        return Texts(cells=[])

    @channel.on(Box[int])
    async def box(message: Box[int]) -> Crate[int]:
        return Crate([message])

    other = Channel("other")

    @other.on(Box[str])
    async def text(message: Box[str]) -> None: ...

    return {"/generic": channel, "/other": other}


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    friend: Cat | Dog | None = None


class Circle(msgspec.Struct, tag_field="shape", tag="circle"):
    radius: float


class Square(msgspec.Struct, tag_field="shape", tag="square"):
    inside: Circle | Square | None = None


class Zoo(BaseModel):
    action: Literal["zoo"] = "zoo"
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    pairs: list[tuple[Cat, Dog | None]] = []
    by_colour: dict[Colour, list[Cat | int | None]] = {}


class Draw(msgspec.Struct, tag_field="action", tag="draw"):
    shape: Circle | Square
    colours: dict[Colour, Level] = {}
    point: tuple[int, int] = (0, 0)
    rest: tuple[int, ...] = ()


def unions() -> Any:
    channel = Channel("unions")

    @channel.on(Zoo)
    async def zoo(message: Zoo) -> Zoo:
        return message

    @channel.on(Draw)
    async def draw(message: Draw) -> Draw:
        return message

    return {"/unions": channel}


class Person(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    action: Literal["person"] = "person"
    first_name: str
    nick: str = Field("", validation_alias=AliasChoices("nick", "alias"), serialization_alias="nickName")
    born: dt.date = dt.date(2000, 1, 1)
    home: Annotated[str, Field(alias="homeTown")] = "here"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def full_name(self) -> str:
        return self.first_name


class Badge(msgspec.Struct, tag_field="action", tag="badge", rename="camel", omit_defaults=True):
    first_name: str
    since: dt.datetime | None = None
    code: Annotated[str, msgspec.Meta(pattern="^[A-Z]+$", examples=["ABC"], description="In capitals.")] = "X"


def aliases() -> Any:
    channel = Channel("people")

    @channel.on(Person)
    async def person(message: Person) -> Person:
        return message

    @channel.on(Badge)
    async def badge(message: Badge) -> Badge:
        return message

    return {"/people": channel}


class Odd:
    """A type that no schema can tell of."""


class Awkward(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True, json_schema_extra={"x-made": "by hand"})
    action: Literal["awkward", "odd"]
    odd: Odd = Field(default_factory=Odd, exclude=True)
    call: Callable[[int], int] | None = None
    wrong: int = None  # type: ignore[assignment]
    huge: float = float("inf")
    names: set[str] = {"c", "a", "b"}
    nested: dict[str, frozenset[Colour]] = {"z": frozenset(Colour)}
    when: dt.timedelta = dt.timedelta(seconds=90)
    money: decimal.Decimal = decimal.Decimal("1.50")
    raw: bytes = b"abc"
    key: uuid.UUID | None = Field(None, examples=[uuid.UUID(int=5)])
    level: Level = Level.LOW
    anything: Any = None
    pair: tuple[int, str] = (1, "x")
    const: Literal[1, "two", True] | None = None
    old: str = Field("", deprecated=True)
    short: str = Field("abc", min_length=1, max_length=9, pattern=r"^\w+$")
    few: list[int] = Field([1], min_length=1, max_length=3)

    @field_serializer("money")
    def rounded(self, money: decimal.Decimal) -> str:
        return str(money)


class Strange(msgspec.Struct, tag_field="action", tag="strange"):
    names: frozenset[str] = frozenset({"c", "a", "b"})
    when: dt.timedelta = dt.timedelta(seconds=90)
    raw: bytes = b"abc"
    anything: Any = None
    huge: float = float("inf")
    choice: Literal[1, "two"] = 1
    by_number: dict[int, str] = {}


def types() -> Any:
    channel = Channel("types", discriminator="action")

    @channel.on(Awkward)
    async def awkward(message: Awkward) -> Awkward:
        return message

    @channel.on(Strange)
    async def strange(message: Strange) -> Strange:
        return message

    return {"/types": channel}


class Typed(TypedDict):
    number: int
    text: NotRequired[str]


@dataclasses.dataclass
class Data:
    """A dataclass that holds itself."""

    number: int
    following: Data | None = None


class Named(NamedTuple):
    number: int
    text: str = "x"


class Numbers(RootModel[dict[str, list[int]]]):
    pass


def kind_of(value: Any) -> str:
    return "number" if isinstance(value, int) else "text"


class Various(BaseModel):
    model_config = ConfigDict(title="Various things!", json_schema_extra={"x-date": str(dt.date(2000, 1, 1))})
    action: Literal["various"] = "various"
    typed: Typed
    data: Data = Data(1)
    named: Named = Named(1)
    by_kind: dict[Colour, Named] = {}
    numbers: Numbers = Numbers({"a": [1]})
    either: Annotated[Annotated[int, Tag("number")] | Annotated[str, Tag("text")], Discriminator(kind_of)] = 1
    secret: SecretStr = SecretStr("x")
    json_text: Json[list[int]] | None = None
    too_short: str = Field("", min_length=3)
    wrong_example: int = Field(0, examples=["x", 3])
    nan: float = float("nan")
    many: Literal[Colour.RED, "other", 3] = "other"
    alias: Any = Field(alias="any", default={"x"})


class Written(BaseModel):
    """A model that writes itself."""

    action: Literal["written"] = "written"
    number: int = 1

    @model_serializer(mode="wrap")
    def write(self, handler: Any) -> dict[str, int | str]:
        return {**handler(self), "more": 1}


class Structured(msgspec.Struct, tag_field="action", tag="structured"):
    typed: Typed
    data: Data
    named: Named
    unset: int | msgspec.UnsetType = msgspec.UNSET
    by_name: dict[Literal["a", "b"], int] = {}
    bounded: Annotated[int, msgspec.Meta(ge=3, title="Bounded", extra_json_schema={"x-more": 1})] = 4
    nan: float = float("nan")


def various() -> Any:
    channel = Channel("various")

    @channel.on(Various, Written, Structured)
    async def all_of_it(message: Various | Written | Structured) -> list[Various | Written | Structured]:
        return [message]

    return {"/various": channel}


class Shared(BaseModel):
    action: Literal["shared"] = "shared"
    colour: Colour = Colour.RED


class Other(msgspec.Struct, tag_field="action", tag="other"):
    colour: Colour = Colour.BLUE


def clashes() -> Any:
    channel = Channel("clash")

    @channel.on(left.Say, left.Mark)
    async def say(message: left.Say | left.Mark) -> None: ...

    @channel.on(right.Say, right.Mark)
    async def hear(message: right.Say | right.Mark) -> None: ...

    @channel.on(Shared)
    async def shared(message: Shared) -> Other:
        return Other()

    class Both(BaseModel):
        action: Literal["both"] = "both"
        one: left.Same = left.Same()
        two: right.Same = right.Same()

    @channel.on(Both)
    async def both(message: Both) -> None: ...

    return {"/clash": channel}


def local(tag: str) -> type[BaseModel]:
    class Local(BaseModel):
        kind: Literal["x"] = "x"
        value: tag_type(tag)  # type: ignore[valid-type]

    return Local


def tag_type(tag: str) -> Any:
    return {"a": int, "b": str}[tag]


def local_message(tag: str) -> Any:
    inner = local(tag)

    class Message(BaseModel):
        action: Literal[tag] = tag  # type: ignore[valid-type]
        inside: inner  # type: ignore[valid-type]

    return Message


def locals_() -> Any:
    """Classes of one function, which have the same name in the same place."""
    channel = Channel("locals")
    for tag in ("a", "b"):

        async def handle(message: Any) -> None: ...

        channel.on(local_message(tag))(handle)
    return {"/locals": channel}


def prefixes() -> Any:
    notes = Channel("notes")

    @notes.on(Say)
    async def say(message: Say) -> Said:
        return Said(who="", text="")

    @notes.on(Tree)
    async def tree(message: Tree) -> None: ...

    office = Channel("office")
    office.include(notes, prefix="admin.", tags=["admin"])
    office.include(notes, prefix="user notes/", tags=["user"])
    office.include(notes)
    return {"/office": office, "/notes": notes}


class Free(BaseModel):
    ref: str
    kind: Literal["free", "loose"]
    topic: int = 0


class Answer(BaseModel):
    kind: Literal["answer"] = "answer"


def bare() -> Any:
    """Without the envelope, and with another discriminator."""
    channel = Channel("bare", discriminator="kind", envelope=False)

    @channel.on(Free)
    async def free(message: Free) -> list[Answer]:
        return []

    chat = Channel("chat")

    @chat.on(Say)
    async def say(message: Say) -> None: ...

    return {"/bare": channel, "/chat": chat}


async def user(
    connection: HTTPConnection,
    authorization: Annotated[str, Header()],
    page: Annotated[
        int,
        Query(
            "p",
        ),
        Field(ge=1, description="Which page."),
    ] = 1,
    tags: Annotated[list[str] | None, Query()] = None,
    session: Annotated[str | None, Cookie("sid")] = None,
) -> str:
    return authorization


def handshake() -> Any:
    """Parameters of all kinds, at two addresses."""
    included = Channel("included")

    @included.on(Say)
    async def say(message: Say, late: Annotated[Colour, Query()]) -> None: ...

    channel = Channel("rooms", dependencies=[Depends(user)], refuse="close", subprotocols=["v2", "v1"])
    channel.include(included)

    @channel.on_connect
    async def enter(
        ctx: Context,
        room: Annotated[int, Path(), Field(ge=1, le=99, description="Its number.", examples=[7])],
        colour: Annotated[Colour, Path()],
        colours: Annotated[set[Colour], Query()],
        again: Annotated[str, Path("room")],
        lost: Annotated[str, Path()] = "home",
    ) -> None: ...

    return {
        "/rooms/{room}/{colour}": channel,
        "/a/{room:int}/{colour}/{rest:path}/{key:uuid}/{share:float}": channel,
    }


def unnamed() -> Any:
    first, second = Channel(), Channel()

    @first.on(Say)
    @second.on(Say)
    async def say(message: Say) -> None: ...

    return {"/": first, "/second/{x}/": second, "/third": second}


def listed() -> Any:
    """Channels of one name, at addresses that nobody told."""
    first, second = Channel("chat"), Channel("chat")

    @first.on(Say)
    async def say(message: Say) -> None: ...

    second.on(Say)(functools.partial(say))
    second.on(Ping)(lambda message: None)
    return [first, second, Channel()]


def topics() -> Any:
    discussion = Channel("discussion", title="Discussion", description="What people say.")

    @discussion.on(Say, tags=["talk"])
    async def say(message: Say, pk: Annotated[int, Path("pk")]) -> Said:
        return Said(who="", text="")

    @discussion.event(Hired)
    async def hired(event: Hired) -> Said:
        return Said(who="", text="")

    lobby = Channel("lobby")

    @lobby.on(Say)
    async def shout(message: Say) -> AsyncIterator[Said]:
        yield Said(who="", text="")

    hub = Channel("hub")

    @hub.on(Say)
    async def murmur(message: Say, room: Annotated[Level, Path()]) -> None: ...

    hub.include(discussion, topic="discussion:{pk}", tags=["threads"])
    hub.include(lobby, topic="lobby")
    hub.include(lobby, topic="a.b-c/(d)|$:{one}+{two}")
    return {"/hub/{room}": hub, "/discussions/{pk}": discussion}


def nested_and_sent() -> Any:
    """A message that is a part of another one, and is sent only."""

    class Inner(BaseModel):
        action: Literal["inner"] = "inner"
        value: int

    class Outer(BaseModel):
        action: Literal["outer"] = "outer"
        inner: Inner
        more: list[Inner] = []

    channel = Channel("nested")

    @channel.event(Inner)
    async def one(event: Inner) -> Inner:
        return event

    @channel.event(Outer)
    async def two(event: Outer) -> Outer:
        return event

    return {"/nested": channel}


class Strict(BaseModel):
    """Its tag is that of a frame of the envelope, which is not reserved."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["joined"] = "joined"
    who: str = ""


def histories() -> Any:
    """Groups with history on a connection, and on one of its two topics; and the same messages without."""
    room = Channel("room", history={"room:*": History()})

    @room.on_connect
    async def enter(ctx: Context, pk: Annotated[str, Path("pk")]) -> None:
        await ctx.join(f"room:{pk}", stream="room", last=2)

    @room.on(Ping)
    async def ping(message: Ping, ctx: Context, pk: Annotated[str, Path("pk")]) -> Pong:
        await ctx.broadcast(Pong(1.0), group=f"room:{pk}", exclude=ctx.id)
        return Pong()

    plain = Channel("plain")

    @plain.on(Say, output=[Said, Strict])
    async def say(message: Say, ctx: Context) -> None:
        await ctx.broadcast(Said(who="Ada", text=message.text), group="hub")
        await ctx.broadcast(Strict(), group="hub")

    hub = Channel("hub", history={"hub": History()})
    hub.include(plain)

    @hub.on_connect
    async def join(ctx: Context) -> None:
        await ctx.join("hub", stream="all")

    around = Channel("around")
    around.include(room, topic="room:{pk}")
    around.include(plain, topic="plain")
    return {"/hub": hub, "/around": around, "/plain": plain}


#: What makes each, by its name.
CORPUS: Mapping[str, Callable[[], Any]] = {
    make.__name__: make
    for make in (
        *(
            plain,
            nothing,
            outputs,
            streams,
            recursive,
            generic,
            unions,
            aliases,
            types,
            various,
            clashes,
            locals_,
            prefixes,
        ),
        *(bare, handshake, unnamed, listed, topics, nested_and_sent, histories),
    )
}


def everything() -> Any:
    """All of the corpus in one application."""
    found: dict[str, Channel] = {}
    for name, make in CORPUS.items():
        given = make()
        if isinstance(given, Channel):
            given = {"/": given}
        pairs = given.items() if isinstance(given, dict) else enumerate(given)
        found.update({f"/{name}/{str(address).lstrip('/')}": channel for address, channel in pairs})
    return found
