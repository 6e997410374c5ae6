"""chanx itself: one channel for each thing that a handler may ask for."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from starlette.requests import HTTPConnection

from benchmarks.messages import Family, handlers
from benchmarks.wire import App
from chanx import Channel, Context, Depends, Limits

# Every frame of an invalid contestant is a strike; the connection must outlive them.
LENIENT = Limits(strikes=1_000_000_000)


async def current_user(connection: HTTPConnection) -> str:
    return connection.query_params["name"]


# Five functions, since one that is used twice runs once.
async def first(connection: HTTPConnection) -> HTTPConnection:
    return connection


async def second() -> str:
    return "second"


async def third(connection: HTTPConnection) -> HTTPConnection:
    return connection


async def fourth() -> str:
    return "fourth"


async def fifth(connection: HTTPConnection) -> HTTPConnection:
    return connection


NAMES: dict[str, object] = {
    "Context": Context,
    "User": Annotated[str, Depends(current_user, scope="connection")],
    "First": Annotated[HTTPConnection, Depends(first)],
    "Second": Annotated[str, Depends(second)],
    "Third": Annotated[HTTPConnection, Depends(third)],
    "Fourth": Annotated[str, Depends(fourth)],
    "Fifth": Annotated[HTTPConnection, Depends(fifth)],
}
CONTEXT = "ctx: Context"
USER = "user: User"
ONE = "first: First"
THREE = "first: First, second: Second, third: Third"
FIVE = f"{THREE}, fourth: Fourth, fifth: Fifth"


def channel(handlers: Mapping[type[Any], Callable[..., Any]]) -> App:
    """A channel with these handlers, compiled."""
    made = Channel("benchmark", limits=LENIENT)
    for kind, handler in handlers.items():
        made.on(kind)(handler)
    made.compile()
    return made


def router(messages: Family, parameters: str = "") -> App:
    """A channel with a handler for each class, each with these `parameters` after the message."""
    return channel(handlers(messages, parameters, NAMES))
