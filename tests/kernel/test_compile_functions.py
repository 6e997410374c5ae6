"""Functions that cannot be called: each is named with its place and what to do, at compile time."""

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, Protocol

import pytest
from pydantic import BaseModel
from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from chanx import Channel, ConfigurationError, Context, Cookie, Depends, Header, Path, Query
from tests.kernel.mistakes import below, here, refused


class Say(BaseModel):
    action: Literal["say"] = "say"


class Other(BaseModel):
    action: Literal["other"] = "other"


class State:
    """A state of a channel."""


class Special(State):
    """A special one."""


def channel(handler: Any, **options: Any) -> Channel:
    chat = Channel("chat", **options)
    chat.on(Say)(handler)
    return chat


# -- parameters -------------------------------------------------------------------------------------


async def bare(message: Say, count: int) -> None: ...
async def bare_with_default(message: Say, count: int = 1) -> None: ...
async def unannotated(message: Say, count) -> None: ...  # type: ignore[no-untyped-def]
async def several(message: Say, *rest: Context) -> None: ...
async def named(message: Say, **rest: Context) -> None: ...
async def twice(message: Say, one: Annotated[str, Query(), Header()]) -> None: ...
async def keyword(*, message: Say) -> None: ...
async def nothing() -> None: ...
async def empty(message: Say, one: Annotated[None, Depends()]) -> None: ...
async def uncalled(message: Say, one: Annotated[str, Depends]) -> None: ...
async def unnamed(message: Say, one: Annotated[str, Path]) -> None: ...
async def unresolved(message: Say, one: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821
async def unreturned(message: Say) -> "Nowhere": ...  # type: ignore[name-defined] # noqa: F821


PARAMETERS = [
    (bare, ("'count' is a int", "HTTPConnection", "Depends(")),
    (bare_with_default, ("'count' is a int", "Query()")),
    (unannotated, ("'count' has no annotation", "Context")),
    (several, ("rest", "name each parameter")),
    (named, ("rest", "name each parameter")),
    (twice, ("'one' has 2 markers", "keep one")),
    (keyword, ("by position", "remove the `*`")),
    (nothing, "takes no parameter"),
    (empty, ("'one'", "needs a function or a class")),
    (uncalled, ("'one'", "write Depends()")),
    (unnamed, ("'one'", "write Path()")),
    (unresolved, ("Nowhere", "Import the name")),
    (unreturned, ("Nowhere", "Import the name")),
]


@pytest.mark.parametrize(("handler", "says"), PARAMETERS, ids=[function.__name__ for function, _ in PARAMETERS])
def test_a_parameter_that_nothing_can_provide(handler: Any, says: Any) -> None:
    refused(channel(handler), handler, says=says)


@pytest.mark.parametrize("marker", [Path(), Query("q"), Header(), Cookie()])
def test_a_value_that_pydantic_cannot_convert(marker: Any) -> None:
    class Strange:
        pass

    async def handler(message: Say, one: Annotated[Strange, marker]) -> None: ...

    refused(channel(handler), handler, says="'one'")


FORBIDDEN = [
    (Request, "HTTPConnection"),
    (WebSocket, "HTTPConnection to read the handshake, for Context to send"),
    (Response, "return a message"),
    (JSONResponse, "return a message"),
    (BackgroundTasks, "hand it to a worker"),
]


@pytest.mark.parametrize(("cls", "says"), FORBIDDEN, ids=[cls.__name__ for cls, _ in FORBIDDEN])
def test_what_only_http_has(cls: Any, says: str) -> None:
    async def handler(message: Say, one: Any) -> None: ...

    handler.__annotations__["one"] = cls
    refused(channel(handler), handler, says=("'one'", says))

    def dependency(one: Any) -> None: ...

    dependency.__annotations__["one"] = cls

    async def depending(message: Say, two: Annotated[None, Depends(dependency)]) -> None: ...

    refused(channel(depending), dependency, says=("'one'", says))


def test_a_parameter_of_a_partial_that_was_not_filled() -> None:
    def dependency(count: int, text: str) -> str:
        return text * count

    async def handler(message: Say, one: Annotated[str, Depends(functools.partial(dependency, text="a"))]) -> None: ...

    refused(channel(handler), dependency, says="'count' is a int")


# -- the first parameter ----------------------------------------------------------------------------


def test_an_unannotated_first_parameter_without_a_named_message() -> None:
    chat = Channel("chat")

    @chat.on
    async def handler(message) -> None: ...  # type: ignore[no-untyped-def]

    refused(chat, handler, says=("annotate the first parameter", "name it in the decorator"))


def test_an_unannotated_first_parameter_with_a_named_message() -> None:
    async def handler(message) -> None: ...  # type: ignore[no-untyped-def]

    channel(handler).compile()


def test_a_first_parameter_that_takes_another_message() -> None:
    async def handler(message: Other) -> None: ...

    refused(channel(handler), handler, Say, Other, says="make them agree")


class HasAction(Protocol):
    @property
    def action(self) -> str: ...


@pytest.mark.parametrize("annotation", [Any, BaseModel, Say | Other, HasAction, object, Annotated[Say, "doc"]])
def test_a_first_parameter_that_takes_more(annotation: Any) -> None:
    async def handler(message: Any) -> None: ...

    handler.__annotations__["message"] = annotation
    channel(handler).compile()


# -- dependencies -----------------------------------------------------------------------------------


def test_dependencies_in_a_circle() -> None:
    async def first(two: Any) -> int: ...  # type: ignore[empty-body]
    async def second(one: Annotated[int, Depends(first)]) -> int: ...  # type: ignore[empty-body]

    first.__annotations__["two"] = Annotated[int, Depends(second)]

    async def handler(message: Say, one: Annotated[int, Depends(first)]) -> None: ...

    refused(channel(handler), first, second, says="break the circle")


def test_a_dependency_of_the_connection_that_needs_one_of_the_message() -> None:
    async def short() -> int: ...  # type: ignore[empty-body]
    async def long(one: Annotated[int, Depends(short)]) -> int: ...  # type: ignore[empty-body]
    async def handler(message: Say, one: Annotated[int, Depends(long, scope="connection")]) -> None: ...

    refused(channel(handler), long, short, says=("lives for the connection", 'Depends(short, scope="connection")'))


def test_wrong_markers() -> None:
    wrong: Any = Depends
    with pytest.raises(ConfigurationError, match=r'scope=.request..: the scope is "message" or "connection"'):
        wrong(scope="request")
    with pytest.raises(ConfigurationError, match="give the function itself, not its result"):
        wrong(3)


def test_a_guard_without_a_function() -> None:
    where = below()
    chat = Channel("chat", dependencies=[Depends()])
    refused(chat, where, says=("dependencies= of chat", "give Depends(a function)"))


@pytest.mark.parametrize("wrong", [Query(), len])
def test_wrong_guards(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="each is a Depends"):
        Channel("chat", dependencies=[wrong])


# -- hooks, middleware, error handlers --------------------------------------------------------------


async def two_halves() -> AsyncIterator[None]:
    yield


def two_plain_halves() -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("kind", "hook"),
    [("on_disconnect", two_halves), ("on_disconnect", two_plain_halves), ("on_connect", two_plain_halves)],
)
def test_a_generator_where_none_may_be(kind: str, hook: Any) -> None:
    chat = Channel("chat")
    getattr(chat, kind)(hook)
    refused(chat, hook, says=("generator", "only an async on_connect"))


@pytest.mark.parametrize("guard", [True, False])
def test_a_generator_hook_with_a_generator_dependency_of_the_message(guard: bool) -> None:
    marker = Depends(two_halves)
    chat = Channel("chat", dependencies=[marker] if guard else [])

    async def plain() -> AsyncIterator[None]:
        yield

    async def asking(one: Annotated[None, marker]) -> AsyncIterator[None]:
        yield

    hook = chat.on_connect(plain if guard else asking)
    refused(chat, hook, two_halves, says='scope="connection"')


async def no_arguments() -> None: ...
async def one_too_many(call_next: Any, message: Any, ctx: Any, more: Any) -> None: ...
def not_async(call_next: Any, message: Any, ctx: Any) -> None: ...


@pytest.mark.parametrize("middleware", [no_arguments, one_too_many, not_async])
def test_a_wrong_middleware(middleware: Any) -> None:
    async def handler(message: Say) -> None: ...

    chat = channel(handler)
    chat.middleware(middleware)
    refused(chat, middleware, says="async def")


@pytest.mark.parametrize("wrong", [int, KeyboardInterrupt, Say])
def test_an_error_handler_for_what_is_no_exception(wrong: Any) -> None:
    chat = Channel("chat")

    @chat.on_error(wrong)
    async def handler(error: Any) -> None: ...

    refused(chat, handler, says=("exception classes", wrong.__name__))


def test_an_error_handler_without_an_exception() -> None:
    chat = Channel("chat")

    async def handler(error) -> None: ...  # type: ignore[no-untyped-def]

    chat.on_error()(handler)
    refused(chat, handler, says="@channel.on_error(ValueError)")


@pytest.mark.parametrize("kind", ["on_connect", "on_disconnect", "middleware"])
def test_a_hook_that_is_no_function(kind: str) -> None:
    chat: Any = Channel("chat")
    refused(lambda: getattr(chat, kind)("say"), here(), says="takes a function")


# -- state ------------------------------------------------------------------------------------------


async def asks_handler(message: Say, ctx: Context[State]) -> None: ...
async def asks_event(event: Say, ctx: Context[State]) -> None: ...
async def asks_hook(ctx: Context[State]) -> None: ...
async def asks_error(error: ValueError, ctx: Context[State]) -> None: ...
async def asks_deep(message: Say, one: Annotated[None, Depends(asks_hook)]) -> None: ...


ASKING = [
    ("on", asks_handler, asks_handler),
    ("event", asks_event, asks_event),
    ("on_connect", asks_hook, asks_hook),
    ("on_disconnect", asks_hook, asks_hook),
    ("on_error", asks_error, asks_error),
    ("on", asks_deep, asks_hook),
]


def registered(chat: Channel, kind: str, function: Any) -> Channel:
    register = getattr(chat, kind)
    (register() if kind == "on_error" else register)(function)
    return chat


@pytest.mark.parametrize(("kind", "function", "culprit"), ASKING, ids=[f"{one[0]}-{one[1].__name__}" for one in ASKING])
class TestState:
    def test_a_channel_without_state(self, kind: str, function: Any, culprit: Any) -> None:
        where = below()
        chat = registered(Channel("chat"), kind, function)
        refused(chat, culprit, where, says=("Context[State]", "has no state", "Channel(state=State)"))

    def test_a_channel_with_another_state(self, kind: str, function: Any, culprit: Any) -> None:
        where = below()
        chat = registered(Channel("chat", state=dict), kind, function)
        refused(chat, culprit, where, says=("Context[State]", "is dict", "make them agree"))

    def test_a_parent_with_a_state_does_not_help_a_child_with_another(
        self, kind: str, function: Any, culprit: Any
    ) -> None:
        parent = Channel("parent", state=State)
        where = below()
        child = registered(Channel("child", state=dict), kind, function)
        parent.include(child)
        refused(parent, culprit, where, says="is dict")

    @pytest.mark.parametrize("state", [State, Special, lambda: State()])
    def test_what_fits(self, kind: str, function: Any, culprit: Any, state: Any) -> None:
        registered(Channel("chat", state=state), kind, function).compile()
        parent = Channel("parent", state=state)
        parent.include(registered(Channel("child"), kind, function))
        parent.compile()


def test_plain_contexts_need_no_state() -> None:
    async def handler(message: Say, ctx: Context, other: Context[Any], http: HTTPConnection) -> None: ...

    channel(handler).compile()
