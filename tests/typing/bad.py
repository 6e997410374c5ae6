"""Mistakes that type checkers must find: an error on each marked line, and on no other."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pydantic import BaseModel

from chanx import Channel, Context, Depends, History, Limits
from chanx.groups.redis import RedisLayer
from chanx.testing import connect


class A(BaseModel):
    action: Literal["a"] = "a"


class B(BaseModel):
    action: Literal["b"] = "b"


class C(BaseModel):
    action: Literal["c"] = "c"


class State:
    count: int = 0


chat = Channel("chat")


@chat.on(A)  # error
async def one(message: B) -> None: ...


@chat.on(A, B)  # error
async def two(message: A) -> None: ...


@chat.on(A, B)  # error
async def two_others(message: A | C) -> None: ...


@chat.on(A, A, A, A, A, A, A, B)  # error
async def eight(message: A) -> None: ...


@chat.on(A)  # error
def plain(message: B) -> None: ...


@chat.on(A)  # error
async def context_first(ctx: Context, message: A) -> None: ...


@chat.on(A)  # error
async def nothing() -> None: ...


@chat.event(A)  # error
async def event(event: B) -> None: ...


@chat.event(A, B)  # error
async def two_events(event: B) -> None: ...


@chat.event(A, A, A, A, A, A, A, B)  # error
async def eight_events(event: A) -> None: ...


@chat.on(A, on_leave="stop")  # error
async def on_leave(message: A) -> None: ...


@chat.event(A, on_leave="cancel")  # error
async def event_on_leave(event: A) -> None: ...


@chat.on(A, concurrency="8")  # error
async def concurrency(message: A) -> None: ...


@chat.on(A, key=3)  # error
async def key(message: A) -> None: ...


@chat.on(A, key=lambda message: message.nothing)  # error
async def key_of_nothing(message: A) -> None: ...


def key_of(message: B) -> str:
    return message.action


@chat.on(A, key=key_of)  # error
async def key_of_another(message: A) -> None: ...


@chat.on(A, latest="yes")  # error
async def latest(message: A) -> None: ...


@chat.on(A, timeout="1s")  # error
async def timeout(message: A) -> None: ...


@chat.on(A, serial=True)  # error
async def serial(message: A) -> None: ...


@chat.on(A, concurrency=2)  # error
async def concurrent_with_another(message: B) -> None: ...


@chat.event(A, concurrency=2)  # error
async def concurrent_event(event: A) -> None: ...


@chat.event(A, serial=1)  # error
async def serial_event(event: A) -> None: ...


@chat.on("a")  # error
async def no_class(message: A) -> None: ...


@chat.middleware  # error
async def short(call_next: Callable[[Any], Awaitable[Any]], message: Any) -> Any: ...


@chat.middleware  # error
def not_async(call_next: Callable[[Any], Awaitable[Any]], message: Any, ctx: Context) -> int:
    return 3


@chat.on_error(KeyboardInterrupt)  # error
async def no_exception(error: Exception) -> None: ...


Channel(refuse="silently")  # error
Channel(on_gap="ignore")  # error
Channel(history=History())  # error
Channel(history={"room:*": 200})  # error
History(200)  # error
History(size="many")  # error
RedisLayer("redis://localhost", unavailable="retry")  # error
RedisLayer("redis://localhost", timeout="1s")  # error
Channel(groups=3)  # error
Channel(limits=Limits(maximum=3))  # error
Channel(name=3)  # error
Depends(3)  # error
Depends(one, scope="request")  # error
Limits(1000)  # error


async def use(ctx: Context[State]) -> None:
    assert ctx.state.nothing  # error
    ctx.id = "x"  # error
    await ctx.broadcast(A(), "group")  # error
    await ctx.join(3)  # error
    await ctx.join("a", stream=3)  # error
    await ctx.join("a", last="20")  # error
    await ctx.join("a", stream="a", user=None)  # error
    await ctx.broadcast(A(), group="a", idempotency_key=3)  # error
    await ctx.emit(A(), group="a", idempotency_key="3")  # error
    await ctx.ask()  # error
    await ctx.ask(A(), 3)  # error
    await ctx.ask(A(), B, timeout="1s")  # error
    answer = await ctx.ask(A(), B)
    assert answer.nothing  # error
    await chat.emit(A(), group=3)  # error
    async with connect(chat) as client:
        message = await client.receive(A)
        assert message.nothing  # error
