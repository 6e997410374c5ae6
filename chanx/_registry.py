"""The decorators of a channel, with the types that let checkers compare handler and message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from chanx._source import Kind, Registration, Source, caller, frame_locals, frame_place
from chanx.context import Context
from chanx.exceptions import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M")
F = TypeVar("F", bound=Callable[..., Any])
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
G = TypeVar("G")
H = TypeVar("H")
I = TypeVar("I")  # noqa: E741


class Registers(Protocol[M]):
    """A decorator for functions whose first parameter takes the message; returns them unchanged."""

    def __call__(self, function: Callable[Concatenate[M, P], R], /) -> Callable[Concatenate[M, P], R]:
        """Register the function."""
        ...


#: A middleware: it gets the next step, the message and the context, and returns the handler's answer.
Middleware = Callable[[Callable[[Any], Awaitable[Any]], Any, Context[Any]], Awaitable[Any]]
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)

OnLeave = Literal["finish", "cancel"]


class Registrar:
    """The registering half of `Channel`. Each decorator returns the function unchanged."""

    _source: Source

    # fmt: off
    @overload
    def on(self, a: type[A], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E | G]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E | G | H]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], i: type[I], /, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E | G | H | I]: ...  # noqa: E501
    @overload
    def on(self, *, on_leave: OnLeave = ..., summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Callable[[F], F]: ...  # noqa: E501
    @overload
    def on(self, function: F, /) -> F: ...
    # fmt: on

    def on(  # pyright: ignore[reportInconsistentOverload]
        self,
        *types: Any,
        on_leave: OnLeave = "finish",
        summary: str | None = None,
        description: str | None = None,
        tags: Iterable[str] = (),
    ) -> Any:
        """Register a function for one or more messages: `@chat.on(Say)`, `@chat.on(Say, Shout)`, or `@chat.on`
        with the message read off the first parameter.

        Args:
            types: message classes: pydantic models or msgspec structs with a literal tag.
            on_leave: `"cancel"` cancels a running handler as soon as its client has left; else it may finish.
            summary: one line for documents; the docstring's first when left out.
            description: for documents; the docstring when left out.
            tags: for documents.

        Raises:
            ConfigurationError: the channel is compiled already, or an argument is wrong.
        """
        if on_leave not in ("finish", "cancel"):
            raise ConfigurationError(
                f'on at {frame_place(caller())}: on_leave={on_leave!r}; it is "finish" or "cancel"'
            )
        extra = {"summary": summary, "description": description, "tags": tuple(tags)}
        return self._decorate("on", types, cancel_on_leave=on_leave == "cancel", **extra)

    # fmt: off
    @overload
    def event(self, a: type[A], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E | G]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E | G | H]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], i: type[I], /, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Registers[A | B | C | D | E | G | H | I]: ...  # noqa: E501
    @overload
    def event(self, *, summary: str | None = ..., description: str | None = ..., tags: Iterable[str] = ...) -> Callable[[F], F]: ...  # noqa: E501
    @overload
    def event(self, function: F, /) -> F: ...
    # fmt: on

    def event(  # pyright: ignore[reportInconsistentOverload]
        self,
        *types: Any,
        summary: str | None = None,
        description: str | None = None,
        tags: Iterable[str] = (),
    ) -> Any:
        """Register a function for events that server code emits to groups; clients cannot send them.

        Arguments and errors as in `on`.
        """
        return self._decorate("event", types, summary=summary, description=description, tags=tuple(tags))

    def on_connect(self, function: F, /) -> F:
        """Register a function that runs before the socket is accepted.

        An async generator that yields once has its second half run when the connection has ended.
        """
        return self._decorate("on_connect", (function,))  # type: ignore[no-any-return]

    def on_disconnect(self, function: F, /) -> F:
        """Register a function that runs exactly once for every connection whose `on_connect` finished."""
        return self._decorate("on_disconnect", (function,))  # type: ignore[no-any-return]

    def on_error(self, *types: type[Exception]) -> Callable[[F], F]:
        """Register a function for exceptions of handlers; what it returns is the answer.

        The most special class of an exception wins, then the channel's own function over its parents'.
        """
        return self._decorate("on_error", types)  # type: ignore[no-any-return]

    def middleware(self, function: MiddlewareT, /) -> MiddlewareT:
        """Put a function around every message, the first one outermost: `async def mw(call_next, message, ctx)`."""
        return self._decorate("middleware", (function,))  # type: ignore[no-any-return]

    def _decorate(self, kind: Kind, types: tuple[Any, ...], **options: Any) -> Any:
        frame = caller(3)
        localns: Mapping[str, Any] = frame_locals(frame)
        where = f"{kind} at {frame_place(frame)}"

        def register(function: Any) -> Any:
            if not callable(function):
                raise ConfigurationError(f"{where} registers functions, not {function!r}")
            self._source.add(Registration(kind, function, types, localns=localns, **options))
            return function

        takes_types = kind in ("on", "event", "on_error")
        if len(types) == 1 and callable(types[0]) and not (takes_types and _is_class(types[0])):
            function, types = types[0], ()
            return register(function)
        for one in types:
            if not takes_types:
                raise ConfigurationError(f"{where} takes a function, not {one!r}")
            if not _is_class(one):
                raise ConfigurationError(f"{where} takes classes, not {one!r}")
        return register


def _is_class(thing: Any) -> bool:
    return isinstance(thing, type) or hasattr(thing, "__origin__")  # a generic struct with parameters is an alias
