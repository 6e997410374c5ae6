"""The decorators of chanx 2.x: they mark a function or a class, and return it unchanged (document 002, "Core")."""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from types import FrameType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, get_type_hints, overload

import msgspec
from asgiref.sync import iscoroutinefunction
from pydantic import BaseModel

from chanx._signature import members
from chanx._source import caller, frame_locals

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])
Class = TypeVar("Class", bound=type[Any])

#: What `input_type` and `output_type` may be: a class, a union of classes, or several of either.
Types: TypeAlias = type[BaseModel] | UnionType | list[type[BaseModel]] | tuple[type[BaseModel], ...]

#: Where a mark is kept on a function, and on a class.
HANDLER = "__chanx_handler__"
CHANNEL = "__chanx_channel__"


class Mark(msgspec.Struct, frozen=True, eq=False):
    """What a decorator says of a method.

    Attributes:
        function: the method, as it was decorated.
        localns: names that its annotations may use, and only the function knew that it was written in.
        generated: it was made for `passthrough_events`.
    """

    kind: Literal["on", "event"]
    function: Callable[..., Any]
    action: str | None = None
    input_type: Any = None
    output_type: Any = None
    description: str | None = None
    summary: str | None = None
    tags: tuple[str, ...] = ()
    localns: Mapping[str, Any] = {}
    generated: bool = False

    def inputs(self) -> tuple[Any, ...]:
        """The classes that the method handles.

        Raises:
            NameError: they cannot be resolved, or cannot yet.
            TypeError: the method does not say them.
        """
        if self.input_type is not None:
            return classes(self.input_type)
        parameters = list(inspect.signature(self.function).parameters.values())
        where = f"{self.function.__qualname__} ({inspect.unwrap(self.function).__code__.co_filename})"
        if len(parameters) < 2:
            raise TypeError(f"{where} takes no message; write `async def {self.function.__name__}(self, message: …)`")
        found = classes(self._hint(parameters[1].name))
        if not found:
            name = parameters[1].name
            raise TypeError(f"{where} does not say what it handles: annotate {name!r}, or give input_type=")
        return found

    def outputs(self) -> tuple[Any, bool]:
        """What the method says it returns, and whether it may return nothing; nothing where it cannot be resolved."""
        try:
            told = self._hint("return")
        except NameError:
            return None, True
        return told, told is None or type(None) in getattr(told, "__args__", ())

    def _hint(self, name: str) -> Any:
        target: Any = inspect.unwrap(self.function)
        told = target.__annotations__.get(name)
        bare = types.SimpleNamespace(__annotations__={name: told}, __globals__=target.__globals__)
        return get_type_hints(bare, localns=dict(self.localns), include_extras=True)[name] if told is not None else None


def classes(given: Any) -> tuple[Any, ...]:
    """The classes that a type, a union, or a list of these names."""
    several: tuple[Any, ...] = tuple(given) if isinstance(given, list | tuple) else (given,)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return tuple(dict.fromkeys(cls for one in several for cls in members(one)))


@overload
def ws_handler(
    func: None = None,
    *,
    action: str | None = None,
    input_type: Types | None = None,
    output_type: Types | None = None,
    description: str | None = None,
    summary: str | None = None,
    tags: list[str] | None = None,
) -> Callable[[Handler], Handler]: ...
@overload
def ws_handler(
    func: Handler,
    *,
    action: str | None = None,
    input_type: Types | None = None,
    output_type: Types | None = None,
    description: str | None = None,
    summary: str | None = None,
    tags: list[str] | None = None,
) -> Handler: ...
def ws_handler(
    func: Any = None,
    *,
    action: str | None = None,
    input_type: Any = None,
    output_type: Any = None,
    description: str | None = None,
    summary: str | None = None,
    tags: list[str] | None = None,
) -> Any:
    """Mark a method as the handler of a client's message; what it returns is sent to that client.

    Args:
        func: the method, where the decorator stands without parentheses.
        action: the name of the operation in documents; the method's own when left out. Which messages the method gets
            is told by their class alone.
        input_type: the class of the message, or a union; when left out, the annotation of the method's parameter.
        output_type: for documents, what the method sends otherwise than by returning it.
        description: for documents; the docstring when left out.
        summary: one line for documents; the docstring's first when left out.
        tags: for documents.
    """
    options = {"action": action, "input_type": input_type, "output_type": output_type}
    return _marking("on", func, options, description, summary, tags)


@overload
def event_handler(
    func: None = None,
    *,
    input_type: Types | None = None,
    output_type: Types | None = None,
    description: str | None = None,
    summary: str | None = None,
    tags: list[str] | None = None,
) -> Callable[[Handler], Handler]: ...
@overload
def event_handler(
    func: Handler,
    *,
    input_type: Types | None = None,
    output_type: Types | None = None,
    description: str | None = None,
    summary: str | None = None,
    tags: list[str] | None = None,
) -> Handler: ...
def event_handler(
    func: Any = None,
    *,
    input_type: Any = None,
    output_type: Any = None,
    description: str | None = None,
    summary: str | None = None,
    tags: list[str] | None = None,
) -> Any:
    """Mark a method as the handler of an event from server code; what it returns is sent to the consumer's client.

    Args:
        func: the method, where the decorator stands without parentheses.
        input_type: the class of the event, or a union; when left out, the annotation of the method's parameter.
        output_type: for documents, what the method sends otherwise than by returning it.
        description: for documents; the docstring when left out.
        summary: one line for documents; the docstring's first when left out.
        tags: for documents.
    """
    return _marking("event", func, {"input_type": input_type, "output_type": output_type}, description, summary, tags)


def _marking(
    kind: Literal["on", "event"],
    func: Any,
    options: dict[str, Any],
    description: str | None,
    summary: str | None,
    tags: list[str] | None,
) -> Any:
    localns = _names_of(caller(3))
    options |= {"description": description, "summary": summary, "tags": tuple(tags or ()), "localns": localns}

    def mark(function: Any) -> Any:
        if not callable(function) or isinstance(function, type | classmethod | staticmethod):
            raise TypeError(f"a handler is an `async def` in a class, and not {function!r}")
        _refuse_odd(kind, function)
        setattr(function, HANDLER, Mark(kind, function, **options))
        return function

    return mark if func is None else mark(func)


def _refuse_odd(kind: str, function: Any) -> None:
    """Refuse a method that cannot be called with a message alone, or that is marked both ways.

    Raises:
        TypeError: naming the method, and what to do.
    """
    where = getattr(function, "__qualname__", repr(function))
    marked: Mark | None = getattr(function, HANDLER, None)  # also what a decorator in between has copied
    if marked is not None and marked.kind != kind:
        raise TypeError(f"{where} is marked by ws_handler and by event_handler; write a method for each")
    if not inspect.isfunction(function):  # such as what `sync_to_async` makes, which takes anything
        return
    # As it is called: what a decorator in between gives to the function that it wraps is its own affair.
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    needed = [
        one for one in parameters if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if more := [one.name for index, one in enumerate(needed) if index > 1 or one.kind is one.KEYWORD_ONLY]:
        raise TypeError(
            f"{where} is called with a message and nothing else: give {', '.join(map(repr, more))} a default, or take "
            f"what it needs from self, such as self.scope or self.url_params"
        )


def is_coroutine_function(function: Any) -> bool:
    """Is it one, or what wraps one, or what `sync_to_async` has made of a plain function?"""
    by_asgiref = iscoroutinefunction(function)  # pyright: ignore[reportDeprecated] - it knows what it makes itself
    if by_asgiref or inspect.iscoroutinefunction(inspect.unwrap(function)):
        return True
    # what a decorator has made without telling what it wraps may return a coroutine all the same
    return inspect.isfunction(function) and function.__qualname__.endswith(f"<locals>.{function.__name__}")


def _names_of(frame: FrameType) -> Mapping[str, Any]:
    """What the body of a class, and the function that it stands in, call by name; nothing where it is a module."""
    found: dict[str, Any] = {}
    one: FrameType | None = frame
    while one is not None and (names := frame_locals(one)):
        found = {**names, **found}
        if one.f_code.co_flags & inspect.CO_OPTIMIZED:  # it is a function, and no longer the body of a class
            break
        one = one.f_back
    return found


class Described(msgspec.Struct, frozen=True, eq=False):
    """What `channel` says of a consumer class."""

    name: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()


@overload
def channel(
    cls: None = None, *, name: str | None = None, description: str | None = None, tags: list[str] | None = None
) -> Callable[[Class], Class]: ...
@overload
def channel(cls: Class) -> Class: ...
def channel(
    cls: Any = None, *, name: str | None = None, description: str | None = None, tags: list[str] | None = None
) -> Any:
    """Say for documents what a consumer class is.

    Args:
        cls: the class, where the decorator stands without parentheses.
        name: of the channel; that of the class when left out.
        description: the docstring of the class when left out.
        tags: of the channel.
    """

    def mark(consumer: Any) -> Any:
        if not isinstance(consumer, type):
            told = f"name={consumer!r}" if isinstance(consumer, str) else 'name="…"'
            raise TypeError(
                f"@channel describes a class, and not {consumer!r}; its options have names: @channel({told})"
            )
        setattr(consumer, CHANNEL, Described(name, description, tuple(tags or ())))
        return consumer

    return mark if cls is None else mark(cls)


def described(consumer: type[Any]) -> Described:
    """What `channel` says of a class itself, and not of one that it extends."""
    found: Described | None = consumer.__dict__.get(CHANNEL)
    return Described() if found is None else found
