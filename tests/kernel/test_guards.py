"""Guards of channels and inclusions, refusals, overrides and states."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from chanx import Channel, Context, Depends, Header, Query, Reject
from chanx.testing import Refused, connect

pytestmark = pytest.mark.anyio


class Go(BaseModel):
    action: Literal["go"] = "go"


class Went(BaseModel):
    action: Literal["went"] = "went"
    text: str = ""


class Guard:
    """A guard that lets in who says so in the query string."""

    def __init__(self, who: str, log: list[str]) -> None:
        self.who = who
        self.log = log

    async def __call__(self, http: HTTPConnection) -> str:
        self.log.append(self.who)
        if self.who not in http.query_params.get("let", ""):
            raise Reject(403, f"not {self.who}")
        return self.who


def child_of(log: list[str], *guards: Depends, **options: Any) -> Channel:
    child = Channel("child", dependencies=guards, **options)

    @child.on
    async def go(message: Go) -> Went:
        return Went(text="gone")

    @child.on_connect
    async def enter(ctx: Context) -> None:
        log.append("enter")

    @child.on_disconnect
    async def leave(ctx: Context) -> None:
        log.append("leave")

    @child.event
    async def event(event: Went) -> Went:
        return event

    return child


SCOPES: list[Literal["message", "connection"]] = ["message", "connection"]


async def test_the_served_channels_guards_of_the_connection_come_before_accept() -> None:
    log: list[str] = []
    chat = child_of(log, Depends(Guard("a", log), scope="connection"))
    with pytest.raises(Refused) as refused:
        async with connect(chat):
            pass
    assert (refused.value.status, refused.value.detail, log) == (403, "not a", ["a"])
    log.clear()
    async with connect(chat, query="let=a") as client:
        assert log == ["a", "enter"]
        for _ in range(2):
            await client.send(Go())
            await client.receive(Went)
        await client.close()
    assert log == ["a", "enter", "leave"]


async def test_the_served_channels_guards_of_a_message_come_before_each() -> None:
    log: list[str] = []
    chat = Channel(dependencies=[Depends(Guard("a", log))])

    @chat.on
    async def go(message: Go, ctx: Context) -> Went:
        return Went(text="gone")

    async with connect(chat) as client:
        for ref in (1, 2):
            await client.send({"action": "go", "ref": ref})
            answer = await client.receive()
            assert answer == {
                "action": "error",
                "payload": {"code": "unauthorized", "detail": "not a"},
                "ref": ref,
            }
    assert log == ["a", "a"]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("place", ["channel", "include"])
async def test_an_included_channels_guards(scope: Literal["message", "connection"], place: str) -> None:
    log: list[str] = []
    guard = Depends(Guard("a", log), scope=scope)
    child = child_of(log, *([guard] if place == "channel" else []))
    chat = Channel("chat")
    chat.include(child, dependencies=[guard] if place == "include" else [], prefix="child.")

    @chat.on
    async def own(message: Go, ctx: Context) -> None:
        await ctx.emit(Went(text="event"), connection=ctx.id)

    async with connect(chat) as client:  # refused: the connection is up, the child takes no part in it
        assert log == ["a"]
        await client.send({"action": "child.go", "ref": 1})
        answer = await client.receive()
        assert (answer["payload"], answer["ref"]) == ({"code": "unauthorized", "detail": "not a"}, 1)
        await client.send({"action": "go", "ref": 2})
        assert await client.receive() == {"action": "ack", "ref": 2}
        await client.settled()
        assert client.pending == []  # the event was held back
        assert chat.stats().events_skipped == 1
        await client.close()
    assert set(log) == {"a"}  # neither hook ran

    log.clear()
    async with connect(chat, query="let=a") as client:
        await client.send({"action": "child.go"})
        assert (await client.receive(Went)).text == "gone"
        await client.send({"action": "go"})
        assert (await client.receive(Went)).text == "event"
        await client.close()
    assert [line for line in log if line != "a"] == ["enter", "leave"]
    assert log.count("a") == (1 if scope == "connection" else 4)
    assert child.stats().accepted == 0


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_hook_of_an_included_channel_may_refuse_itself(guarded: bool) -> None:
    log: list[str] = []
    child, chat = Channel("child", dependencies=[Depends(Guard("a", log))] if guarded else []), Channel("chat")
    chat.include(child)

    @child.on_connect
    async def enter() -> None:
        raise Reject(409, "taken")

    with pytest.raises(Refused) as refused:  # its guard let in, so it is the hook's own word
        async with connect(chat, query="let=a"):
            pass
    assert (refused.value.status, refused.value.detail) == (409, "taken")


async def test_a_refusal_of_a_last_hook_is_an_error_like_any_other() -> None:
    child, chat = Channel("child"), Channel("chat")
    chat.include(child)

    @child.on_disconnect
    async def leave() -> None:
        raise Reject(409, "too late")

    async with connect(chat) as client:
        await client.close()
        assert [str(error) for error in client.errors] == ["409: too late"]
        client.errors.clear()


async def test_what_an_included_handler_asks_for_comes_at_first_use() -> None:
    log: list[str] = []
    child, chat = Channel("child"), Channel("chat")
    chat.include(child)

    @child.on
    async def go(message: Go, who: Annotated[str, Depends(Guard("a", log), scope="connection")]) -> Went:
        return Went(text=who)

    async with connect(chat, query="let=a") as client:
        assert log == []
        for _ in range(2):
            await client.send(Go())
            assert (await client.receive(Went)).text == "a"
    assert log == ["a"]


async def test_guards_run_from_the_outside_in() -> None:
    log: list[str] = []
    top = Channel("top", dependencies=[Depends(Guard("a", log))])
    middle = Channel("middle", dependencies=[Depends(Guard("c", log))])
    low = Channel("low", dependencies=[Depends(Guard("e", log))])

    @low.on
    async def go(message: Go, last: Annotated[str, Depends(Guard("f", log))]) -> None: ...

    middle.include(low, dependencies=[Depends(Guard("d", log))])
    top.include(middle, dependencies=[Depends(Guard("b", log))])
    async with connect(top, query="let=abcdef") as client:
        await client.send({"action": "go", "ref": 1})
        assert (await client.receive())["action"] == "ack"
        assert log == list("abcdef")
    log.clear()
    async with connect(top, query="let=abdef") as client:
        await client.send({"action": "go", "ref": 1})
        assert (await client.receive())["payload"]["detail"] == "not c"
        assert log == list("abc")


# -- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Reject, HTTPException])
async def test_a_refusal_with_status_detail_and_headers(cls: Any) -> None:
    async def dependency() -> None:
        raise cls(429, "later", headers={"Retry-After": "7"})

    chat = Channel(dependencies=[Depends(dependency, scope="connection")])
    with pytest.raises(Refused) as refused:
        async with connect(chat):
            pass
    assert (refused.value.status, refused.value.detail) == (429, "later")
    assert refused.value.headers["retry-after"] == "7"


async def test_a_refusal_without_a_detail() -> None:
    assert Reject(404).detail == "Not Found"
    assert isinstance(Reject(404), HTTPException)
    chat = Channel()

    @chat.on_connect
    async def enter() -> None:
        raise Reject(404)

    with pytest.raises(Refused) as refused:
        async with connect(chat):
            pass
    assert (refused.value.status, refused.value.detail) == (404, "Not Found")


async def test_another_exception_is_no_refusal_and_tells_nothing() -> None:
    async def dependency() -> None:
        raise ValueError("secret")

    chat = Channel(dependencies=[Depends(dependency, scope="connection")])
    with pytest.raises(Refused) as refused:
        async with connect(chat):
            pass
    assert refused.value.status == 500
    assert "secret" not in refused.value.detail


# -- override ---------------------------------------------------------------------------------------


async def test_override_replaces_a_dependency_everywhere() -> None:
    async def user(name: Annotated[str, Header("x-name")]) -> str:
        return name

    async def title(who: Annotated[str, Depends(user, scope="connection")]) -> str:
        return f"Dr {who}"

    def fake(name: Annotated[str, Query()] = "fake") -> str:
        return name

    chat = Channel("chat", dependencies=[Depends(user, scope="connection")])

    @chat.on
    async def go(
        message: Go, who: Annotated[str, Depends(title)], also: Annotated[str, Depends(user, scope="connection")]
    ) -> Went:
        return Went(text=f"{who} {also}")

    async def said(**options: Any) -> str:
        async with connect(chat, **options) as client:
            await client.send(Go())
            return (await client.receive(Went)).text

    assert await said(headers={"x-name": "ada"}) == "Dr ada ada"
    with chat.override({user: fake}):
        assert await said() == "Dr fake fake"
        assert await said(query="name=bob") == "Dr bob bob"
        with chat.override({title: lambda: "nobody"}):
            assert await said() == "nobody fake"
        assert await said() == "Dr fake fake"
    with pytest.raises(Refused):
        await said()
    with pytest.raises(ZeroDivisionError), chat.override({user: fake}):
        raise ZeroDivisionError
    assert await said(headers={"x-name": "ada"}) == "Dr ada ada"


# -- states -----------------------------------------------------------------------------------------


class State:
    made = 0

    def __init__(self) -> None:
        State.made += 1
        self.seen: list[str] = []


class ChildState:
    def __init__(self) -> None:
        self.number = 0


async def note(ctx: Context[State]) -> int:
    ctx.state.seen.append("dependency")
    return len(ctx.state.seen)


async def test_one_state_for_each_connection() -> None:
    chat, child, plain = Channel("chat", state=State), Channel("child", state=ChildState), Channel("plain")
    chat.include(child, prefix="child.")
    chat.include(plain, prefix="plain.")

    @chat.on_connect
    async def enter(ctx: Context[State]) -> None:
        ctx.state.seen.append("connect")

    @chat.on
    async def go(message: Go, count: Annotated[int, Depends(note)], ctx: Context[State]) -> Went:
        return Went(text=f"{count} {ctx.state.seen}")

    @child.on
    async def child_go(message: Go, ctx: Context[ChildState]) -> Went:
        ctx.state.number += 1
        return Went(text=f"{ctx.state.number}")

    @plain.on
    async def plain_go(message: Go, ctx: Context[State], count: Annotated[int, Depends(note)]) -> Went:
        return Went(text=f"{count}")

    before = State.made
    async with connect(chat) as one, connect(chat) as two:
        for client in (one, two):
            for tag, text in (
                ("go", "2 ['connect', 'dependency']"),
                ("child.go", "1"),
                ("child.go", "2"),
                ("plain.go", "3"),
            ):
                await client.send({"action": tag})
                assert (await client.receive(Went)).text == text
    assert State.made == before + 2
    async with connect(child) as alone:
        await alone.send(Go())
        assert (await alone.receive(Went)).text == "1"


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_dependency_has_the_state_of_the_channel_it_is_used_in(scope: Literal["message", "connection"]) -> None:
    async def which(ctx: Context) -> str:
        return type(ctx.state).__name__

    async def above(name: Annotated[str, Depends(which, scope=scope)]) -> str:
        return f"above {name}"

    chat, child = Channel("chat", state=State), Channel("child", state=ChildState)
    chat.include(child, prefix="child.")

    async def go(
        message: Go,
        direct: Annotated[str, Depends(which, scope=scope)],
        indirect: Annotated[str, Depends(above, scope=scope)],
    ) -> Went:
        return Went(text=f"{direct} {indirect}")

    chat.on(go)
    child.on(go)
    async with connect(chat) as client:
        for tag, name in (("go", "State"), ("child.go", "ChildState"), ("go", "State")):
            await client.send({"action": tag})
            assert (await client.receive(Went)).text == f"{name} above {name}"


async def test_without_a_factory_the_state_is_none() -> None:
    chat = Channel()

    @chat.on
    async def go(message: Go, ctx: Context) -> Went:
        return Went(text=str(ctx.state))

    async with connect(chat) as client:
        await client.send(Go())
        assert (await client.receive(Went)).text == "None"
