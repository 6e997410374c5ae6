"""Dependencies: how often they run, for how long they live, and in which order they are closed."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import anyio
import pytest
from pydantic import BaseModel

from chanx import Channel, Context, Depends, Reject
from chanx.testing import connect

pytestmark = pytest.mark.anyio


class Go(BaseModel):
    action: Literal["go"] = "go"
    how: str = ""


class Went(BaseModel):
    action: Literal["went"] = "went"
    text: str = ""


class Log:
    """Counts, and a list of what happened."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def count(self, line: str) -> int:
        self.lines.append(line)
        return self.lines.count(line)


@pytest.fixture
def log() -> Log:
    return Log()


def went(*parts: object) -> Went:
    return Went(text=" ".join(map(str, parts)))


# -- scopes -----------------------------------------------------------------------------------------


async def test_each_scope_runs_a_dependency_once(log: Log) -> None:
    async def short() -> int:
        return log.count("short")

    def long() -> int:
        return log.count("long")

    async def above(a: Annotated[int, Depends(short)], b: Annotated[int, Depends(long, scope="connection")]) -> int:
        return a * 100 + b

    chat = Channel()

    @chat.on
    async def handle(
        message: Go,
        one: Annotated[int, Depends(short)],
        two: Annotated[int, Depends(short)],
        three: Annotated[int, Depends(above)],
        four: Annotated[int, Depends(long, scope="connection")],
        five: Annotated[int, Depends(long)],
    ) -> Went:
        return went(one, two, three, four, five)

    async with connect(chat) as client:
        assert log.lines == ["long"]  # before accept
        for turn in (1, 2, 3):
            await client.send(Go())
            assert (await client.receive(Went)).text == f"{turn} {turn} {turn}01 1 {turn + 1}"
    async with connect(chat) as client:
        await client.send(Go())
        assert (await client.receive(Went)).text.split()[3] == "5"


async def test_hooks_events_and_handlers_share_what_lives_for_the_connection(log: Log) -> None:
    async def session() -> str:
        return f"session {log.count('session')}"

    marker = Depends(session, scope="connection")
    chat, child = Channel(), Channel()
    chat.include(child)

    @chat.on_connect
    async def enter(ctx: Context, value: Annotated[str, marker]) -> None:
        await ctx.send(went("connect", value))
        await ctx.emit(went(), connection=ctx.id)

    @chat.event
    async def event(event: Went, value: Annotated[str, marker]) -> Went:
        return went("event", value)

    @child.on
    async def handle(message: Go, value: Annotated[str, marker]) -> Went:
        raise ValueError

    @chat.on_error(ValueError)
    async def failed(error: ValueError, value: Annotated[str, marker]) -> Went:
        return went("error", value)

    @chat.on_disconnect
    async def leave(value: Annotated[str, marker]) -> None:
        log.count(value)

    async with connect(chat) as client:
        assert (await client.receive(Went)).text == "connect session 1"
        assert (await client.receive(Went)).text == "event session 1"
        await client.send(Go())
        assert (await client.receive(Went)).text == "error session 1"
        await client.close()
    assert log.lines == ["session", "session 1"]


# -- generators -------------------------------------------------------------------------------------


def generators(log: Log, scope: Literal["message", "connection"]) -> tuple[Any, Any]:
    def plain() -> Iterator[str]:
        log.count("+plain")
        try:
            yield "plain"
        except BaseException as error:
            log.count(f"!plain {type(error).__name__}")
            raise
        finally:
            log.count("-plain")

    async def above(below: Annotated[str, Depends(plain, scope=scope)]) -> AsyncIterator[str]:
        log.count("+above")
        try:
            yield f"above {below}"
        except BaseException as error:
            log.count(f"!above {type(error).__name__}")
            raise
        finally:
            log.count("-above")

    return plain, above


async def test_generators_of_a_message_are_closed_in_reverse_before_the_answer(log: Log) -> None:
    _, above = generators(log, "message")
    chat = Channel()

    @chat.on
    async def handle(message: Go, ctx: Context, value: Annotated[str, Depends(above)]) -> Went | None:
        log.count("handler")
        if message.how == "raise":
            raise ValueError
        return went(value)

    async with connect(chat) as client:
        await client.send({"action": "go", "ref": 1})
        assert await client.receive() == {"action": "went", "text": "above plain", "ref": 1}
        assert log.lines == ["+plain", "+above", "handler", "-above", "-plain"]
        log.lines.clear()
        await client.send({"action": "go", "how": "raise", "ref": 2})
        assert (await client.receive())["payload"]["code"] == "internal_error"
        assert log.lines == [
            *("+plain", "+above", "handler", "!above ValueError", "-above", "!plain ValueError", "-plain"),
        ]
        client.errors.clear()


async def test_they_are_closed_when_the_handler_is_cancelled(log: Log) -> None:
    _, above = generators(log, "message")
    chat = Channel()

    @chat.on(Go, on_leave="cancel")
    async def handle(message: Go, ctx: Context, value: Annotated[str, Depends(above)]) -> None:
        await ctx.send(went(value))
        try:
            await anyio.sleep_forever()
        finally:
            log.count("handler")

    async with connect(chat) as client:
        await client.send(Go())
        await client.receive(Went)
        await client.close()
    assert [line for line in log.lines if line[0] != "!"] == ["+plain", "+above", "handler", "-above", "-plain"]
    assert len([line for line in log.lines if line[0] == "!"]) == 2


async def test_generators_of_the_connection_are_closed_at_its_end(log: Log) -> None:
    _, above = generators(log, "connection")
    chat = Channel()

    @chat.on
    async def handle(message: Go, value: Annotated[str, Depends(above, scope="connection")]) -> Went:
        log.count("handler")
        return went(value)

    @chat.on_disconnect
    async def leave() -> None:
        log.count("disconnect")

    async with connect(chat) as client:
        assert log.lines == ["+plain", "+above"]
        for _ in range(2):
            await client.send(Go())
            assert (await client.receive(Went)).text == "above plain"
        await client.close()
    assert log.lines == ["+plain", "+above", "handler", "handler", "disconnect", "-above", "-plain"]


async def test_what_a_refused_connection_had_opened_is_closed(log: Log) -> None:
    _, above = generators(log, "connection")

    async def refuse(value: Annotated[str, Depends(above, scope="connection")]) -> None:
        raise Reject(401)

    chat = Channel(dependencies=[Depends(refuse, scope="connection")])
    with pytest.raises(Exception, match="refused with 401"):
        async with connect(chat):
            raise AssertionError("not refused")
    assert [line for line in log.lines if line[0] != "!"] == ["+plain", "+above", "-above", "-plain"]


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("how", ["", "many"])
async def test_an_error_in_closing_becomes_the_answer(kind: str, how: str) -> None:
    async def asynchronous() -> AsyncIterator[None]:
        yield
        raise KeyError("not saved")

    def plain() -> Iterator[None]:
        yield
        raise KeyError("not saved")

    chat = Channel()

    @chat.on
    async def handle(
        message: Go, transaction: Annotated[None, Depends(asynchronous if kind == "async" else plain)]
    ) -> Went | list[Went]:
        return [went(), went()] if message.how == "many" else went()

    async with connect(chat) as client:
        await client.send({"action": "go", "how": how, "ref": 1})
        answer = await client.receive()
        assert (answer["payload"]["code"], answer["ref"]) == ("internal_error", 1)
        await client.settled()
        assert client.pending == []
        assert [repr(one) for one in client.errors] == ["KeyError('not saved')"]
        client.errors.clear()


async def test_a_dependency_may_see_and_change_the_handlers_exception() -> None:
    async def translate() -> AsyncIterator[None]:
        try:
            yield
        except ValueError as error:
            raise Reject(403, "not yours") from error

    chat = Channel()

    @chat.on
    async def handle(message: Go, translated: Annotated[None, Depends(translate)]) -> None:
        raise ValueError

    async with connect(chat) as client:
        await client.send({"action": "go", "ref": 1})
        answer = await client.receive()
        assert answer["payload"] == {"code": "unauthorized", "detail": "not yours"}
