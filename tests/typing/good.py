"""What type checkers must accept, and infer."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Annotated, Any, Literal, assert_type

import msgspec
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute

from chanx import (
    Channel,
    Context,
    Cookie,
    Depends,
    GroupLayer,
    Header,
    History,
    LayerUnavailable,
    Limits,
    MemoryLayer,
    Path,
    Query,
    Reject,
    Stats,
)
from chanx.channels.authenticator import DjangoAuthenticator
from chanx.core.authenticator import BaseAuthenticator
from chanx.groups.history import HistoryLayer, Recalled
from chanx.groups.redis import RedisLayer
from chanx.testing import Client, Stream, capture, connect


class A(BaseModel):
    action: Literal["a"] = "a"


class B(BaseModel):
    action: Literal["b"] = "b"


class S(msgspec.Struct, tag_field="action", tag="s"):
    text: str = ""


class State:
    count: int = 0


async def user(connection: HTTPConnection, name: Annotated[str, Query()] = "") -> str:
    raise Reject(401, "who?", headers={"WWW-Authenticate": "Basic"})


User = Annotated[str, Depends(user, scope="connection")]

chat = Channel(
    "chat",
    title="Chat",
    state=State,
    dependencies=[Depends(user)],
    limits=Limits(max_size=1000, send_timeout=1.5),
    refuse="close",
    allowed_origins=["https://example.com"],
    subprotocols=("chat.v1",),
    groups=MemoryLayer(),
)
kept = Channel("kept", groups="redis://localhost", history={"room:*": History(size=200, ttl=3600)}, on_gap="close")
layer: GroupLayer = RedisLayer("rediss://localhost", prefix="a", unavailable="raise", timeout=1, password="x")
keeping: list[HistoryLayer] = [MemoryLayer(), RedisLayer(queue=10)]
child = Channel(groups=layer, on_gap="notify", history={})
chat.include(child, prefix="child.", dependencies=[Depends(user, scope="connection")], tags=["child"])


@chat.on(A)
async def one(message: A, ctx: Context[State], who: User, room: Annotated[int, Path("room")]) -> B:
    assert_type(ctx.state, State)
    assert_type(ctx.id, str)
    assert_type(ctx.groups, frozenset[str])
    assert_type(message, A)
    await ctx.join("a", "b")
    await ctx.send(B())
    await ctx.broadcast(B(), groups=["a"], exclude=ctx.id)
    await ctx.emit(S(), connection=ctx.id)
    return B()


@chat.on(B, S, on_leave="cancel", summary="two", tags=["x"], output=A | S)
async def two(message: B | S, ctx: Context) -> list[B | S] | None: ...


@chat.on
async def bare(message: A | B, agent: Annotated[str, Header()] = "") -> None: ...


@chat.on(summary="called")
def plain(message: S, sid: Annotated[str | None, Cookie("sid")] = None) -> tuple[B, ...]:
    return (B(),)


@chat.on(A)
async def wider(message: BaseModel) -> None: ...


@chat.on(A)
async def anything(message: Any, *, ctx: Context) -> None: ...


@chat.on(A)
async def unlike(message: A | B | S) -> None: ...


@chat.on(A, B, A, B, A, B, A, S)
async def eight(message: A | B | S) -> None: ...


def key_of(message: A | B) -> tuple[str, int]:
    return message.action, 1


@chat.on(A, concurrency=8, timeout=1.5)
async def beside(message: A) -> B:
    return B()


@chat.on(A, key="action", concurrency=None)
async def by_field(message: A) -> None: ...


@chat.on(A, B, key=key_of, latest=True)
async def by_function(message: A | B) -> None: ...


@chat.on(A, key=lambda message: message.action, on_leave="finish")
async def by_lambda(message: A) -> None: ...


@chat.on(latest=True, timeout=None)
async def latest(message: S) -> None: ...


@chat.on(A, concurrency=2)
async def stream(message: A, ctx: Context) -> AsyncIterator[B | S]:
    yield B()
    yield S()


@chat.on(S)
async def upload(message: S, chunks: AsyncIterator[A | B], ctx: Context) -> A:
    async for chunk in chunks:
        assert_type(chunk, A | B)
    return A()


@chat.on(A)
async def both_ways(message: A, chunks: AsyncIterator[B]) -> AsyncIterator[B]:
    async for chunk in chunks:
        yield chunk


@chat.on(A)
async def asks(message: A, ctx: Context) -> None:
    assert_type(await ctx.ask(B()), Any)
    assert_type(await ctx.ask(B(), A), A)
    assert_type(await ctx.ask(B(), S, timeout=3), S)
    assert_type(await ctx.ask(S(), A, B, timeout=None), A | B)
    answer: A | B | S = await ctx.ask(S(), A, B, S)
    del answer


@chat.event(A, B, serial=True, timeout=3, output=[A, B])
async def serial_event(event: A | B) -> B:
    return B()


@chat.event(serial=True)
async def bare_serial_event(event: S) -> AsyncIterator[B]:
    yield B()


@chat.event(A)
async def event(event: A, ctx: Context) -> B:
    return B()


@chat.event(A, B, A, B, A, B, A, S)
async def eight_events(event: A | B | S) -> None: ...


@chat.event
async def bare_event(event: B) -> None: ...


@chat.on_connect
async def enter(ctx: Context[State], who: User) -> AsyncIterator[None]:
    yield


@chat.on_disconnect
async def leave(ctx: Context) -> None:
    assert_type(ctx.left_groups, frozenset[str])
    assert_type(ctx.close_code, int | None)


@chat.on_error(ValueError, KeyError)
async def failed(error: ValueError | KeyError) -> B:
    return B()


@chat.middleware
async def around(call_next: Callable[[Any], Awaitable[Any]], message: Any, ctx: Context) -> Any:
    return await call_next(message)


app = Starlette(routes=[WebSocketRoute("/{room}", chat)], lifespan=chat.lifespan)


async def use(ctx: Context[State]) -> None:
    assert_type(await one(A(), ctx, "ada", 7), B)  # registering keeps the function
    assert_type(await two(S(), ctx), list[B | S] | None)
    assert_type(await bare(A()), None)
    assert_type(plain(S()), tuple[B, ...])
    assert_type(await event(A(), ctx), B)
    assert_type(await beside(A()), B)
    assert_type(stream(A(), ctx), AsyncIterator[B | S])
    assert_type(await failed(KeyError()), B)
    await chat.broadcast(B(), group="a")
    await chat.emit(S(), groups={"a", "b"})
    await ctx.join("room:7", stream="room", last=20, user="ada")
    await ctx.broadcast(B(), group="room:7", idempotency_key="1", exclude=[ctx.id, "ada"])
    await kept.broadcast(B(), group="room:7", idempotency_key=None)
    kept.broadcast_sync(B(), groups=["room:7"], idempotency_key="1")
    assert_type(kept.healthy(), bool)
    assert_type(await keeping[0].recall("room:7", last=20), Recalled)
    try:
        await kept.emit(S(), group="room:7")
    except LayerUnavailable as error:
        assert_type(error.sent, bool)
    chat.broadcast_sync(B(), group="a")
    chat.emit_sync(S(), connection="x")
    assert_type(chat.stats(), Stats)
    chat.compile()
    with chat.override({user: lambda: "fake"}), capture(chat) as sent:
        assert_type(sent[0].kind, Literal["broadcast", "event"])
    async with connect(app, "/7", headers={"x": "y"}) as client:
        assert_type(client, Client)
        assert_type(await client.receive(B), B)
        assert_type(await client.request(A(), S), S)
        assert_type(client.stream(A(), S, chunks=[B()]), Stream[S])
        async for item in client.stream(A(), S):
            assert_type(item, S)


class ByToken(BaseAuthenticator):
    name: str | None = None

    async def authenticate(self) -> bool:
        assert_type(self.get_query_param("token", ""), str)
        self.name = self.get_query_param("token")
        return self.name is not None


class ByScope(BaseAuthenticator):
    async def authenticate(self, scope: MutableMapping[str, Any]) -> bool:
        return "user" in scope


class ByRestFramework(DjangoAuthenticator):
    permission_classes = []
    queryset = object()
    obj: State  # the type of the object

    async def authenticate(self, scope: MutableMapping[str, Any]) -> bool:
        return await super().authenticate(scope)


class Guarded:
    authenticator_class: type[BaseAuthenticator] | None = ByRestFramework
    authenticator: ByRestFramework

    def count(self) -> int:
        return self.authenticator.obj.count
