"""Values of the opening handshake: found, converted, or refused with a text that names them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount, WebSocketRoute

from chanx import Channel, ConfigurationError, Context, Cookie, Depends, Header, Path, Query
from chanx.testing import Refused, connect

pytestmark = pytest.mark.anyio


class Tell(BaseModel):
    action: Literal["tell"] = "tell"


class Told(BaseModel):
    action: Literal["told"] = "told"
    value: Any


def telling(annotation: Any, default: Any = ..., name: str = "value") -> Channel:
    """A channel that sends the parameter of the given annotation."""
    chat = Channel("chat")

    async def tell(message: Tell, value: Any) -> Told:
        return Told(value=value)

    if name != "value":
        namespace: dict[str, Any] = {"Told": Told}
        exec(f"async def tell(message, {name}):\n    return Told(value={name})", namespace)  # noqa: S102
        tell = namespace["tell"]
    tell.__annotations__ = {"message": Tell, name: annotation}
    if default is not ...:
        tell.__defaults__ = (default,)
    chat.on(tell)
    return chat


async def told(chat: Any, path: str = "/", **options: Any) -> Any:
    async with connect(chat, path, **options) as client:
        await client.send(Tell())
        return (await client.receive(Told)).value


FOUND: list[Any] = [
    pytest.param(Annotated[str, Query()], {"query": "value=x"}, "x", id="query"),
    pytest.param(Annotated[str, Query()], {"query": "value=x&value=y"}, "y", id="the last of several"),
    pytest.param(Annotated[str, Query("other")], {"query": "other=x"}, "x", id="query by name"),
    pytest.param(Annotated[int, Query()], {"query": "value=7"}, 7, id="converted"),
    pytest.param(Annotated[bool, Query()], {"query": "value=on"}, True, id="bool"),
    pytest.param(Annotated[list[int], Query()], {"query": "value=1&value=2"}, [1, 2], id="list"),
    pytest.param(Annotated[list[int], Query()], {}, [], id="empty list"),
    pytest.param(Annotated[Sequence[str], Query()], {"query": "value=a"}, ["a"], id="sequence"),
    pytest.param(Annotated[tuple[int, int], Query()], {"query": "value=1&value=2"}, [1, 2], id="tuple"),
    pytest.param(Annotated[list[str] | None, Query()], {"query": "value=a&value=b"}, ["a", "b"], id="list or None"),
    pytest.param(Annotated[int | None, Query()], {"query": "value=3"}, 3, id="int or None"),
    pytest.param(Annotated[str, Query()], {"query": "value=%C3%A9%20%2B+"}, "é + ", id="escaped"),
    pytest.param(Annotated[Literal["a", "b"], Query()], {"query": "value=a"}, "a", id="literal"),
    pytest.param(Annotated[int, Query(), Field(gt=3)], {"query": "value=4"}, 4, id="constraint"),
    pytest.param(Annotated[int, Field(gt=3), Query("n")], {"query": "n=4"}, 4, id="constraint first"),
    pytest.param(Annotated[str, AfterValidator(str.upper), Query()], {"query": "value=x"}, "X", id="validator"),
    pytest.param(Annotated[str, Header()], {"headers": {"Value": "x"}}, "x", id="header"),
    pytest.param(Annotated[str, Header("X-Token")], {"headers": {"x-token": "t"}}, "t", id="header by name"),
    pytest.param(
        Annotated[list[str], Header()], {"headers": [("value", "a"), ("value", "b")]}, ["a", "b"], id="headers"
    ),
    pytest.param(Annotated[int, Cookie()], {"headers": {"cookie": "a=1; value=2"}}, 2, id="cookie"),
    pytest.param(Annotated[str, Cookie("sid")], {"headers": {"cookie": "sid=x"}}, "x", id="cookie by name"),
    pytest.param(Annotated[int, Path()], {"scope": {"path_params": {"value": "7"}}}, 7, id="path"),
    pytest.param(Annotated[int, Path("n")], {"scope": {"path_params": {"n": 7}}}, 7, id="path, converted before"),
    pytest.param(
        Annotated[int, Path()], {"scope": {"url_route": {"args": (), "kwargs": {"value": "7"}}}}, 7, id="django"
    ),
]


@pytest.mark.parametrize(("annotation", "options", "value"), FOUND)
async def test_a_value_is_found_and_converted(annotation: Any, options: dict[str, Any], value: Any) -> None:
    assert await told(telling(annotation), **options) == value


REFUSED: list[Any] = [
    pytest.param(Annotated[str, Query()], {}, "query parameter 'value' is missing", id="query"),
    pytest.param(Annotated[str, Header()], {}, "header parameter 'value' is missing", id="header"),
    pytest.param(Annotated[str, Cookie()], {}, "cookie parameter 'value' is missing", id="cookie"),
    pytest.param(Annotated[str, Cookie("sid")], {"headers": {"cookie": ";;="}}, "'sid' is missing", id="bad cookie"),
    pytest.param(Annotated[int, Query()], {"query": "value=x"}, "query parameter 'value': Input should be", id="int"),
    pytest.param(Annotated[int, Query()], {"query": "value="}, "valid integer", id="empty"),
    pytest.param(
        Annotated[int, Header("X-N")], {"headers": {"x-n": "?"}}, "header parameter 'X-N': Input should be", id="named"
    ),
    pytest.param(Annotated[list[int], Query()], {"query": "value=1&value=x"}, "'value': Input should be", id="list"),
    pytest.param(Annotated[int, Query(), Field(gt=3)], {"query": "value=3"}, "greater than 3", id="constraint"),
    pytest.param(
        *(Annotated[int, Path()], {"scope": {"path_params": {"value": "x"}}}, "path parameter 'value': Input"),
        id="path",
    ),
]


@pytest.mark.parametrize(("annotation", "options", "says"), REFUSED)
async def test_a_wrong_value_refuses_the_connection(annotation: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as refused:
        await told(telling(annotation), **options)
    assert refused.value.status == 422
    assert says in refused.value.detail


async def test_defaults() -> None:
    for marker in (Path(), Query(), Header(), Cookie()):
        assert await told(telling(Annotated[int, marker], 5)) == 5
        assert await told(telling(Annotated[int | None, marker], None)) is None
    assert await told(telling(Annotated[list[int], Query()], [1])) == [1]
    assert await told(telling(Annotated[list[int], Query()], [1]), query="value=2") == [2]
    assert await told(telling(Annotated[int, Query()], 5), query="value=2") == 2


async def test_a_headers_name_has_dashes() -> None:
    assert await told(telling(Annotated[str, Header()], name="user_agent"), headers={"User-Agent": "x"}) == "x"
    assert await told(telling(Annotated[str, Header("user_agent")]), headers={"user_agent": "x"}) == "x"
    assert await told(telling(Annotated[str, Query()], name="user_agent"), query="user_agent=x") == "x"


async def test_a_path_parameter_that_the_route_does_not_have() -> None:
    chat = telling(Annotated[int, Path("room")])
    with pytest.raises(Refused) as refused:
        async with connect(chat, scope={"path_params": {"rom": "7"}}, raise_app_exceptions=False):
            pass
    assert refused.value.status == 500


async def test_the_log_says_what_to_do_about_it(caplog: pytest.LogCaptureFixture) -> None:
    chat = telling(Annotated[int, Path("room")])
    with pytest.raises(Refused):
        async with connect(chat, scope={"path_params": {"rom": "7"}}, raise_app_exceptions=False):
            pass
    [record] = [one for one in caplog.records if one.exc_info]
    assert record.exc_info is not None
    error = record.exc_info[1]
    assert isinstance(error, ConfigurationError)
    for part in ("test_parameters.py:", "'room'", "its route has: rom", "{room}"):
        assert part in str(error)


async def test_routes_of_starlette() -> None:
    chat = telling(Annotated[int, Path()])
    app = Starlette(routes=[WebSocketRoute("/rooms/{value:int}", chat), Mount("/deep/{value}", app=chat)])
    assert await told(app, "/rooms/7") == 7
    assert await told(app, "/deep/8/more") == 8
    with pytest.raises(Refused) as refused:
        await told(app, "/deep/x/more")
    assert refused.value.status == 422


async def test_one_value_for_every_function_that_asks() -> None:
    reads: list[str] = []

    def note(value: str) -> str:
        reads.append(value)
        return value

    marker, noted = Query(), AfterValidator(note)
    chat = Channel()

    async def dependency(token: Annotated[str, marker, noted]) -> str:
        return token + "!"

    @chat.on_connect
    async def enter(token: Annotated[str, marker, noted]) -> None: ...

    @chat.on
    async def tell(
        message: Tell, token: Annotated[str, marker, noted], value: Annotated[str, Depends(dependency)]
    ) -> Told:
        return Told(value=value)

    assert await told(chat, query="token=t") == "t!"
    assert reads == ["t"]


async def test_an_included_channels_values_are_refused_with_an_answer() -> None:
    parent, child = Channel(), telling(Annotated[int, Query()])
    parent.include(child)
    async with connect(parent, query="value=x") as client:
        await client.send({"action": "tell", "ref": 1})
        answer = await client.receive()
        assert (answer["payload"]["code"], answer["ref"]) == ("unauthorized", 1)
        assert "query parameter 'value'" in answer["payload"]["detail"]


async def test_the_connection_itself() -> None:
    chat = Channel()

    @chat.on
    async def tell(message: Tell, http: HTTPConnection, ctx: Context) -> Told:
        return Told(value=[http.headers["x"], http.query_params["q"], http.cookies["c"], http is ctx.connection])

    assert await told(chat, query="q=2", headers={"x": "1", "cookie": "c=3"}) == ["1", "2", "3", True]
