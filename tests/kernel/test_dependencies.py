"""What can be a dependency, and in which thread it runs."""

import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from chanx import Channel, Context, Depends
from chanx.testing import connect

pytestmark = pytest.mark.anyio


class Go(BaseModel):
    action: Literal["go"] = "go"


class Went(BaseModel):
    action: Literal["went"] = "went"
    text: str = ""


def went(*parts: object) -> Went:
    return Went(text=" ".join(map(str, parts)))


async def test_sync_dependencies_run_in_threads() -> None:
    main = threading.current_thread()

    def plain() -> bool:
        return threading.current_thread() is main

    def generator() -> Iterator[bool]:
        yield threading.current_thread() is main

    async def asynchronous() -> bool:
        return threading.current_thread() is main

    chat = Channel()

    @chat.on
    async def handle(
        message: Go,
        one: Annotated[bool, Depends(plain)],
        two: Annotated[bool, Depends(generator)],
        three: Annotated[bool, Depends(asynchronous)],
        four: Annotated[bool, Depends(plain, scope="connection")],
    ) -> Went:
        return went(one, two, three, four)

    async with connect(chat) as client:
        await client.send(Go())
        assert (await client.receive(Went)).text == "False False True False"


class Service:
    def __init__(self, http: HTTPConnection) -> None:
        self.path = http.url.path


class Plain:
    path = "plain"


OneService = Annotated[Service, Depends(scope="connection")]


class Called:
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, service: OneService) -> str:
        return self.prefix + service.path

    async def method(self, service: OneService) -> str:
        return "method" + service.path


class AsyncCallable:
    async def __call__(self) -> AsyncIterator[str]:
        yield "asyncgen"


def scaled(service: OneService, *, factor: int, suffix: str = "") -> str:
    return service.path * factor + suffix


async def shout(text: str, service: OneService) -> str:
    return text + service.path


@contextlib.contextmanager
def managed(service: OneService) -> Iterator[str]:
    yield "managed" + service.path


@contextlib.asynccontextmanager
async def managed_too(service: OneService) -> AsyncIterator[str]:
    yield "managed too" + service.path


CALLABLES: list[Any] = [
    pytest.param(managed, "managed/p", id="context manager"),
    pytest.param(managed_too, "managed too/p", id="async context manager"),
    pytest.param(Called("object"), "object/p", id="object"),
    pytest.param(Called("x").method, "method/p", id="method"),
    pytest.param(AsyncCallable(), "asyncgen", id="object that yields"),
    pytest.param(functools.partial(scaled, factor=2, suffix="!"), "/p/p!", id="partial by name"),
    pytest.param(functools.partial(shout, "hey"), "hey/p", id="partial by position"),
    pytest.param(functools.partial(functools.partial(scaled, factor=2), suffix="?"), "/p/p?", id="partial of partial"),
    pytest.param(functools.partial(Called, "y"), "Called", id="partial of a class"),
]


@pytest.mark.parametrize(("function", "expected"), CALLABLES)
@pytest.mark.parametrize("scope", ["message", "connection"])
async def test_whatever_can_be_called(function: Any, expected: str, scope: Literal["message", "connection"]) -> None:
    chat = Channel()

    @chat.on
    async def handle(message: Go, value: Annotated[Any, Depends(function, scope=scope)]) -> Went:
        return went(value if isinstance(value, str) else type(value).__name__)

    async with connect(chat, "/p") as client:
        await client.send(Go())
        assert (await client.receive(Went)).text == expected


async def test_a_class_by_its_annotation() -> None:
    chat = Channel()

    @chat.on
    async def handle(
        message: Go, one: Annotated[Service, Depends()], two: Annotated[Plain | None, Depends(scope="connection")]
    ) -> Went:
        return went(one.path, two and two.path)

    async with connect(chat, "/p") as client:
        await client.send(Go())
        assert (await client.receive(Went)).text == "/p plain"


async def test_parameters_by_name_only_and_by_position_only() -> None:
    async def dependency(http: HTTPConnection, /, *, ctx: Context) -> str:
        return f"{http.url.path} {ctx.connection is http}"

    chat = Channel()

    @chat.on
    async def handle(message: Go, /, ctx: Context, *, value: Annotated[str, Depends(dependency)]) -> Went:
        return went(value, bool(ctx.id))

    async with connect(chat, "/p") as client:
        await client.send(Go())
        assert (await client.receive(Went)).text == "/p True True"
