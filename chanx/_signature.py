"""A function's signature, read once: what each parameter asks for.

The result says nothing about when or how values are made; `_inject` turns it into code.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from chanx._values import MISSING
from chanx.exceptions import ConfigurationError
from chanx.params import Cookie, Depends, Header, Param, Path, Query
from chanx.types import place

Mode = Literal["async", "sync", "asyncgen", "gen"]


class Ask(Enum):
    """What a parameter can ask for without a marker."""

    MESSAGE = "message"
    CONTEXT = "context"
    CONNECTION = "connection"
    CHUNKS = "chunks"


class Parameter(msgspec.Struct, frozen=True, eq=False):
    """One parameter: its name, what it asks for, its type and its default."""

    name: str
    keyword: bool
    asks: Ask | Depends | Param
    annotation: Any = None
    default: Any = MISSING
    inherits_scope: bool = False


class Signature(msgspec.Struct, frozen=True, eq=False):
    """A function as injection sees it."""

    function: Callable[..., Any]
    mode: Mode
    parameters: tuple[Parameter, ...]
    first: Any
    returns: Any
    localns: Mapping[str, Any] = {}

    @property
    def where(self) -> str:
        return place(self.function)


#: How the kernel's `Context` is recognised here, without importing it (it stands on a higher line).
CONTEXT_MARK = "__chanx_context__"

_REFUSED: dict[type, str] = {
    Request: "a channel has no Request; ask for starlette.requests.HTTPConnection, which both give",
    WebSocket: "a channel owns its socket; ask for HTTPConnection to read the handshake, for Context to send",
    Response: "there is no response on a socket; return a message, or use Reject(headers=…) to refuse",
    BackgroundTasks: "there is no response to run after; await the work, or hand it to a worker",
}
_FASTAPI_PARAMS: dict[str, type[Param]] = {"Path": Path, "Query": Query, "Header": Header, "Cookie": Cookie}


def read(function: Callable[..., Any], *, takes_first: bool, localns: Mapping[str, Any] | None = None) -> Signature:
    """Read a function's signature.

    Args:
        function: a handler, hook or dependency.
        takes_first: whether its first parameter is the message (or event, or exception).
        localns: names that only the registering scope knew.

    Raises:
        ConfigurationError: an annotation cannot be resolved, or a parameter that nothing can provide.
    """
    target = _target(function)
    try:
        hints = _hints(target, dict(localns or {}), returns=takes_first)
        signature = inspect.signature(function)
    except (NameError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{place(function)}: its annotations cannot be read: {error}. Import the name where the function is defined"
        ) from error
    parameters: list[Parameter] = []
    first: Any = None
    bound = _bound(function)
    for index, parameter in enumerate(one for one in signature.parameters.values() if one.name not in bound):
        hint = hints.get(parameter.name, MISSING)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError(f"{place(function)}: *{parameter.name} cannot be filled; name each parameter")
        keyword = parameter.kind is parameter.KEYWORD_ONLY
        if index == 0 and takes_first:
            if keyword:
                raise ConfigurationError(f"{place(function)}: its first parameter is given by position; remove the `*`")
            first = hint
            parameters.append(Parameter(parameter.name, False, Ask.MESSAGE, hint))
        else:
            parameters.append(_parameter(function, parameter, hint, keyword))
    if takes_first and not parameters:
        raise ConfigurationError(f"{place(function)} takes no parameter; its first one is the message, event or error")
    returns = function if inspect.isclass(function) else hints.get("return", MISSING)
    return Signature(function, _mode(function), tuple(parameters), first, returns, localns or {})


def members(annotation: Any) -> tuple[Any, ...]:
    """The classes of a union, or the one class; `Annotated` and `None` left aside."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if hasattr(annotation, "__value__"):  # a `type X = …` alias
        return members(annotation.__value__)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(one for part in get_args(annotation) for one in members(part))
    return () if annotation in (None, type(None)) else (annotation,)


def optional(annotation: Any) -> bool:
    """May it be `None`?"""
    if get_origin(annotation) is Annotated:
        return optional(get_args(annotation)[0])
    if hasattr(annotation, "__value__"):
        return optional(annotation.__value__)
    if get_origin(annotation) in (Union, types.UnionType):
        return any(map(optional, get_args(annotation)))
    return annotation in (None, type(None))


def _target(function: Callable[..., Any]) -> Any:
    """Where a callable keeps its annotations."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if inspect.isclass(function):
        return function.__init__
    if inspect.isfunction(function) or inspect.ismethod(function):
        return function
    return type(function).__call__


def _bound(function: Any) -> frozenset[str]:
    """What a partial has filled by keyword already: it still stands in the signature, as a default."""
    found: frozenset[str] = frozenset()
    while isinstance(function, functools.partial):
        found |= function.keywords.keys()
        function = function.func
    return found


def _hints(target: Any, localns: dict[str, Any], *, returns: bool) -> dict[str, Any]:
    try:
        return get_type_hints(target, localns=localns, include_extras=True)
    except NameError:
        if returns:
            raise
    # What a dependency or hook returns is not looked at, and its type is often known to checkers only.
    told = {name: hint for name, hint in target.__annotations__.items() if name != "return"}
    bare = types.SimpleNamespace(__annotations__=told, __globals__=target.__globals__)
    return get_type_hints(bare, localns=localns, include_extras=True)


def _mode(function: Callable[..., Any]) -> Mode:
    target = function if inspect.isclass(function) else _target(function)
    if inspect.isasyncgenfunction(target):
        return "asyncgen"
    if inspect.iscoroutinefunction(target):
        return "async"
    return "gen" if inspect.isgeneratorfunction(target) else "sync"


def _parameter(function: Callable[..., Any], parameter: inspect.Parameter, hint: Any, keyword: bool) -> Parameter:
    name, default = parameter.name, MISSING if parameter.default is parameter.empty else parameter.default
    found: list[Any] = [mark for mark in getattr(hint, "__metadata__", ()) if _is_marker(mark)]
    if default is not MISSING and _is_marker(default):  # `user = Depends(f)`, as FastAPI also allows
        found.append(default)
        default = MISSING
    if len(found) > 1:
        raise ConfigurationError(f"{place(function)}: parameter {name!r} has {len(found)} markers; keep one")
    if found:
        return _marked(function, name, keyword, found[0], hint, default)
    bare = get_origin(hint) or hint
    bare = get_args(hint)[0] if bare is Annotated else bare
    bare = get_origin(bare) or bare
    if getattr(bare, CONTEXT_MARK, False):
        return Parameter(name, keyword, Ask.CONTEXT, hint)
    if bare is HTTPConnection:
        return Parameter(name, keyword, Ask.CONNECTION, hint)
    if bare in (AsyncIterator, AsyncIterable):
        return Parameter(name, keyword, Ask.CHUNKS, hint)
    for refused, advice in _REFUSED.items():
        if isinstance(bare, type) and issubclass(bare, refused):
            raise ConfigurationError(f"{place(function)}: parameter {name!r}: {advice}")
    for mark in getattr(hint, "__metadata__", ()):
        if inspect.isclass(mark) and (mark is Depends or issubclass(mark, Param)):
            raise ConfigurationError(
                f"{place(function)}: parameter {name!r}: {mark.__name__} is not called; write {mark.__name__}()"
            )
    told = (
        "has no annotation" if hint is MISSING else f"is a {getattr(bare, '__name__', bare)}, which nothing can provide"
    )
    raise ConfigurationError(
        f"{place(function)}: parameter {name!r} {told}. Ask for Context, "
        f"HTTPConnection, AsyncIterator[…] of what the client streams, "
        f"or Annotated[…, Depends(…) | Path() | Query() | Header() | Cookie()]; "
        f"a handler's message, event or error is its first parameter"
    )


def _marked(function: Callable[..., Any], name: str, keyword: bool, marker: Any, hint: Any, default: Any) -> Parameter:
    if isinstance(marker, Param):
        return Parameter(name, keyword, marker, str if hint is MISSING else hint, default)
    if not isinstance(marker, Depends):
        kind = _fastapi_kind(marker)
        if kind is not None and kind != "Depends":
            default = default if _is_undefined(marker.default) else marker.default
            if hint is not MISSING and marker not in getattr(hint, "__metadata__", ()):
                hint = Annotated[hint, marker]  # `q: str = Query("x", min_length=3)`: it holds the constraints
            alias = marker.alias
            if kind == "Header" and not alias and not marker.convert_underscores:
                alias = name
            return Parameter(name, keyword, _FASTAPI_PARAMS[kind](alias), str if hint is MISSING else hint, default)
    wanted = marker.dependency
    if wanted is None:
        wanted = members(hint)[0] if hint is not MISSING and members(hint) else None
    if not callable(wanted):
        raise ConfigurationError(f"{place(function)}: parameter {name!r}: Depends() needs a function or a class")
    ours = isinstance(marker, Depends)
    return Parameter(name, keyword, Depends(wanted, marker.scope if ours else "message"), hint, default, not ours)


def _is_marker(thing: Any) -> bool:
    return isinstance(thing, (Depends, Param)) or _fastapi_kind(thing) is not None


def _fastapi_kind(thing: Any) -> str | None:
    """Which of FastAPI's markers this is, told without importing FastAPI."""
    for cls in type(thing).__mro__:
        if cls.__module__ == "fastapi.params" and (cls.__name__ == "Depends" or cls.__name__ in _FASTAPI_PARAMS):
            return cls.__name__
    return None


def _is_undefined(value: Any) -> bool:
    return value is ... or type(value).__name__ == "PydanticUndefinedType"
