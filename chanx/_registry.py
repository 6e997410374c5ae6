"""The decorators of a channel, with the types that let checkers compare handler and message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from chanx._plan import Order
from chanx._signature import members
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


class EventOptions(TypedDict, total=False):
    """The keywords of `Registrar.event`."""

    serial: bool
    timeout: float | None
    summary: str | None
    description: str | None
    tags: Iterable[str]
    output: Any


class MessageOptions(TypedDict, Generic[M], total=False):
    """The keywords of `Registrar.on`."""

    concurrency: int | None
    key: str | Callable[[M], Hashable] | None
    latest: bool
    on_leave: OnLeave
    timeout: float | None
    summary: str | None
    description: str | None
    tags: Iterable[str]
    output: Any


class Registrar:
    """The registering half of `Channel`. Each decorator returns the function unchanged."""

    _source: Source

    # fmt: off
    @overload
    def on(self, a: type[A], /, **options: Unpack[MessageOptions[A]]) -> Registers[A]: ...
    @overload
    def on(self, a: type[A], b: type[B], /, **options: Unpack[MessageOptions[A | B]]) -> Registers[A | B]: ...
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], /, **options: Unpack[MessageOptions[A | B | C]]) -> Registers[A | B | C]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], /, **options: Unpack[MessageOptions[A | B | C | D]]) -> Registers[A | B | C | D]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /, **options: Unpack[MessageOptions[A | B | C | D | E]]) -> Registers[A | B | C | D | E]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], /, **options: Unpack[MessageOptions[A | B | C | D | E | G]]) -> Registers[A | B | C | D | E | G]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], /, **options: Unpack[MessageOptions[A | B | C | D | E | G | H]]) -> Registers[A | B | C | D | E | G | H]: ...  # noqa: E501
    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], i: type[I], /, **options: Unpack[MessageOptions[A | B | C | D | E | G | H | I]]) -> Registers[A | B | C | D | E | G | H | I]: ...  # noqa: E501
    @overload
    def on(self, **options: Unpack[MessageOptions[Any]]) -> Callable[[F], F]: ...
    @overload
    def on(self, function: F, /) -> F: ...
    # fmt: on

    def on(  # pyright: ignore[reportInconsistentOverload]
        self,
        *types: Any,
        concurrency: int | None = None,
        key: str | Callable[[Any], Hashable] | None = None,
        latest: bool = False,
        on_leave: OnLeave = "finish",
        timeout: float | None = None,
        summary: str | None = None,
        description: str | None = None,
        tags: Iterable[str] = (),
        output: Any = (),
    ) -> Any:
        """Register a function for one or more messages: `@chat.on(Say)`, `@chat.on(Say, Shout)`, or `@chat.on`
        with the message read off the first parameter.

        What it returns is sent: one message, a list of several, or nothing. An async generator streams: each message
        goes out as it is yielded. A parameter `AsyncIterator[Chunk]` is what the client streams.

        Messages of one connection are handled one at a time, in order. With `concurrency`, `key` or `latest`
        those of this function are handled beside the others.

        Args:
            types: message classes: pydantic models or msgspec structs with a literal tag.
            concurrency: so many at once; `Limits.handlers` where only `key` is given.
            key: a field, or a function of the message: one at a time where it is equal.
            latest: a new message cancels the one that is being handled, with the same `key` if there is one. It
                begins when the old one has closed its dependencies and its `ref` was answered with `cancelled`.
            on_leave: `"cancel"` cancels a running handler as soon as its client has left, or sends `cancel`; else it
                may finish. A stream is always cancelled.
            timeout: in seconds; then the handler is cancelled, and its message answered with `timeout`. Left out,
                `Limits.handler_timeout`; `math.inf` for no limit.
            summary: one line for documents; the docstring's first when left out.
            description: for documents; the docstring when left out.
            tags: for documents.
            output: what it sends otherwise than by returning it, for documents: a class, a union, or a list of them.

        Raises:
            ConfigurationError: the channel is compiled already, or an argument is wrong.
        """
        where = f"on at {frame_place(caller())}"
        if on_leave not in ("finish", "cancel"):
            raise ConfigurationError(f'{where}: on_leave={on_leave!r}; it is "finish" or "cancel"')
        return self._decorate(
            "on",
            types,
            order=_order(where, concurrency, key, latest),
            cancel_on_leave=on_leave == "cancel",
            timeout=_timeout(where, timeout),
            summary=summary,
            description=description,
            tags=tuple(tags),
            output=_output(where, output),
        )

    # fmt: off
    @overload
    def event(self, a: type[A], /, **options: Unpack[EventOptions]) -> Registers[A]: ...
    @overload
    def event(self, a: type[A], b: type[B], /, **options: Unpack[EventOptions]) -> Registers[A | B]: ...
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], /, **options: Unpack[EventOptions]) -> Registers[A | B | C]: ...
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], /, **options: Unpack[EventOptions]) -> Registers[A | B | C | D]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /, **options: Unpack[EventOptions]) -> Registers[A | B | C | D | E]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], /, **options: Unpack[EventOptions]) -> Registers[A | B | C | D | E | G]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], /, **options: Unpack[EventOptions]) -> Registers[A | B | C | D | E | G | H]: ...  # noqa: E501
    @overload
    def event(self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], g: type[G], h: type[H], i: type[I], /, **options: Unpack[EventOptions]) -> Registers[A | B | C | D | E | G | H | I]: ...  # noqa: E501
    @overload
    def event(self, **options: Unpack[EventOptions]) -> Callable[[F], F]: ...
    @overload
    def event(self, function: F, /) -> F: ...
    # fmt: on

    def event(  # pyright: ignore[reportInconsistentOverload]
        self,
        *types: Any,
        serial: bool = False,
        timeout: float | None = None,
        summary: str | None = None,
        description: str | None = None,
        tags: Iterable[str] = (),
        output: Any = (),
    ) -> Any:
        """Register a function for events that server code emits to groups; clients cannot send them.

        Events of one connection are handled one at a time, in order, beside its messages.

        Args:
            types: event classes.
            serial: they wait among the messages instead, so that neither overtakes the other.
            timeout: in seconds; then the handler is cancelled.
            summary: one line for documents; the docstring's first when left out.
            description: for documents; the docstring when left out.
            tags: for documents.
            output: what it sends otherwise than by returning it, for documents: a class, a union, or a list of them.

        Raises:
            ConfigurationError: the channel is compiled already, or an argument is wrong.
        """
        where = f"event at {frame_place(caller())}"
        limit = _timeout(where, timeout)
        if not isinstance(serial, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{where}: serial={serial!r}; it is True or False")
        options = {"summary": summary, "description": description, "tags": tuple(tags)}
        told = _output(where, output)
        return self._decorate("event", types, serial=serial, timeout=limit, output=told, **options)

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


def _output(where: str, output: Any) -> tuple[Any, ...]:
    """What `output=` names, each a class or what stands for classes."""
    named: tuple[Any, ...] = (output,)
    if isinstance(output, (list, tuple)):
        named = tuple(cast("Iterable[Any]", output))
    for one in named:
        parts = members(one) or (one,)
        if not all(_is_class(part) for part in parts):
            raise ConfigurationError(f"{where}: output={output!r}; give a message class, a union, or a list of them")
    return named


def _order(where: str, concurrency: Any, key: Any, latest: Any) -> Order | None:
    if not isinstance(latest, bool):
        raise ConfigurationError(f"{where}: latest={latest!r}; it is True or False")
    if concurrency is None and key is None and not latest:
        return None
    if concurrency is not None and (
        isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1
    ):
        raise ConfigurationError(f"{where}: concurrency={concurrency!r}; give a number of at least 1")
    if key is not None and not isinstance(key, str) and not callable(key):
        raise ConfigurationError(f"{where}: key={key!r}; give the name of a field, or a function of the message")
    if latest and key is None and concurrency is not None:
        raise ConfigurationError(f"{where}: latest=True runs one at a time; drop concurrency=, or give a key=")
    return Order(concurrency, key, latest)


def _timeout(where: str, timeout: Any) -> float | None:
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0):
        raise ConfigurationError(f"{where}: timeout={timeout!r}; give a number of seconds, or None")
    return timeout
