"""FastAPI's markers in dependency functions, read without importing FastAPI."""

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import fastapi
import pytest
from pydantic import BaseModel

from chanx import Channel, Depends
from chanx.testing import Refused, connect
from tests.kernel.mistakes import refused

pytestmark = pytest.mark.anyio


class Tell(BaseModel):
    action: Literal["tell"] = "tell"


class Told(BaseModel):
    action: Literal["told"] = "told"
    value: Any


def telling(dependency: Any, scope: Literal["message", "connection"] = "message") -> Channel:
    chat = Channel("chat")

    @chat.on
    async def tell(message: Tell, value: Annotated[Any, Depends(dependency, scope=scope)]) -> Told:
        return Told(value=value)

    return chat


async def told(dependency: Any, **options: Any) -> Any:
    async with connect(telling(dependency), **options) as client:
        await client.send(Tell())
        return (await client.receive(Told)).value


async def everything(
    room: Annotated[int, fastapi.Path()],
    page: Annotated[int, fastapi.Query(gt=0)],
    x_token: Annotated[str, fastapi.Header()],
    session: Annotated[str, fastapi.Cookie(alias="sid")],
    tags: Annotated[list[str] | None, fastapi.Query()] = None,
    size: Annotated[int, fastapi.Query(le=100)] = 10,
) -> list[Any]:
    return [room, page, x_token, session, tags, size]


def by_default(
    room: int = fastapi.Path(),
    page: int = fastapi.Query(1, gt=0),
    x_token: str = fastapi.Header(...),
    session: str | None = fastapi.Cookie(None, alias="sid"),
    tags: list[str] = fastapi.Query([]),  # noqa: B008 - how FastAPI wants it
) -> list[Any]:
    return [room, page, x_token, session, tags, 10]


GOOD = {
    "scope": {"path_params": {"room": "7"}},
    "query": "page=2&tags=a&tags=b",
    "headers": {"X-Token": "t", "cookie": "sid=s"},
}


@pytest.mark.parametrize("dependency", [everything, by_default])
async def test_values_in_both_forms(dependency: Any) -> None:
    assert await told(dependency, **GOOD) == [7, 2, "t", "s", ["a", "b"], 10]
    with pytest.raises(Refused, match="greater than 0"):
        await told(dependency, **{**GOOD, "query": "page=0"})
    with pytest.raises(Refused, match="header parameter 'x-token' is missing"):
        await told(dependency, **{**GOOD, "headers": {"cookie": "sid=s"}})


async def test_defaults_in_both_forms() -> None:
    assert await told(everything, **{**GOOD, "query": "page=1"}) == [7, 1, "t", "s", None, 10]
    bare = {**GOOD, "query": "", "headers": {"x-token": "t"}}
    assert await told(by_default, **bare) == [7, 1, "t", None, [], 10]


async def test_the_names_of_headers() -> None:
    async def headers(
        my_one: Annotated[str, fastapi.Header()],
        my_two: Annotated[str, fastapi.Header(convert_underscores=False)],
        my_three: Annotated[str, fastapi.Header(alias="X_Three")],
        my_four: str = fastapi.Header("none", convert_underscores=False),
    ) -> list[str]:
        return [my_one, my_two, my_three, my_four]

    given = {"my-one": "1", "my_two": "2", "x_three": "3", "my_four": "4"}
    assert await told(headers, headers=given) == ["1", "2", "3", "4"]
    del given["my_four"]
    assert await told(headers, headers=given) == ["1", "2", "3", "none"]


async def test_depends_in_both_forms() -> None:
    log: list[str] = []

    async def user(name: str = fastapi.Query("nobody")) -> AsyncIterator[str]:
        log.append("+")
        yield name
        log.append("-")

    class Service:
        def __init__(self, name: Annotated[str, fastapi.Depends(user)]) -> None:
            self.name = name

    async def top(service: Annotated[Service, fastapi.Depends()], name: str = fastapi.Depends(user)) -> list[str]:
        return [service.name, name]

    assert await told(top, query="name=ada") == ["ada", "ada"]
    assert log == ["+", "-"]


async def test_fastapis_depends_takes_the_scope_of_what_it_stands_in() -> None:
    calls: list[str] = []

    async def session() -> int:
        calls.append("session")
        return len(calls)

    async def user(number: Annotated[int, fastapi.Depends(session)]) -> int:
        return number

    async with connect(telling(user, "connection")) as client:
        assert calls == ["session"]
        for _ in range(2):
            await client.send(Tell())
            assert (await client.receive(Told)).value == 1
    calls.clear()
    async with connect(telling(user)) as client:
        assert calls == []
        for number in (1, 2):
            await client.send(Tell())
            assert (await client.receive(Told)).value == number


async def test_one_function_in_a_route_and_in_a_channel() -> None:
    async def user(connection: fastapi.requests.HTTPConnection, x_name: Annotated[str, fastapi.Header()]) -> str:
        if x_name == "eve":
            raise fastapi.HTTPException(403, "not eve")
        return f"{x_name} at {connection.url.path}"

    assert await told(user, path="/p", headers={"x-name": "ada"}) == "ada at /p"
    with pytest.raises(Refused) as caught:
        async with connect(telling(user, "connection"), headers={"x-name": "eve"}):
            pass
    assert (caught.value.status, caught.value.detail) == (403, "not eve")


def test_what_fastapi_alone_can_give() -> None:
    async def request(request: fastapi.Request) -> None: ...
    async def response(response: fastapi.Response) -> None: ...
    async def tasks(tasks: fastapi.BackgroundTasks) -> None: ...
    async def socket(socket: fastapi.WebSocket) -> None: ...
    async def bare(page: int = 1) -> None: ...
    async def body(value: Annotated[str, fastapi.Body()]) -> None: ...

    for function, advice in (
        (request, "HTTPConnection"),
        (response, "return a message"),
        (tasks, "hand it to a worker"),
        (socket, "HTTPConnection"),
        (bare, "Query()"),
        (body, "Query()"),
    ):
        refused(telling(function), function, says=advice)


WITHOUT = """
import sys
import chanx
from typing import Annotated
from chanx import Channel, Depends, Query

def user(name: Annotated[str, Query()]) -> str: return name

channel = Channel(dependencies=[Depends(user)])
channel.compile()
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("fastapi", "django", "redis", "click", "trio")))
"""


def test_chanx_does_not_import_fastapi() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
