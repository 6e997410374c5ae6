"""What a registration and its function's signature say about messages, read and checked."""

from __future__ import annotations

import inspect
import operator
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence
from typing import Any, get_args, get_origin

from chanx import _signature
from chanx._plan import Operation, Order
from chanx._signature import Ask, Signature
from chanx._source import Registration
from chanx._values import MISSING
from chanx.exceptions import ConfigurationError
from chanx.types import place

#: Where the classes live that say nothing about what is sent: `BaseModel`, `Struct`, `Any`.
_VAGUE = ("pydantic.main", "msgspec", "typing")

#: What a function returns, or is, that sends more than one message.
_MANY = (list, tuple, Sequence, AsyncIterator, AsyncIterable, AsyncGenerator)


def message_types(registration: Registration, signature: Signature) -> Sequence[Any]:
    """The classes that a function is registered for: those of the decorator, or of its first parameter.

    Raises:
        ConfigurationError: there is none, or the two contradict each other.
    """
    annotated = () if signature.first is MISSING else _signature.members(signature.first)
    if not registration.types:
        if not annotated:
            raise ConfigurationError(
                f"{registration.where}: annotate the first parameter with the message, or name it in the decorator"
            )
        return annotated
    # `Any` is a class since Python 3.11; whether a class fits a protocol is for type checkers to say
    classes = [
        one for one in annotated if isinstance(one, type) and one is not Any and not getattr(one, "_is_protocol", False)
    ]
    for cls in registration.types:
        if classes and isinstance(cls, type) and len(classes) == len(annotated) and not issubclass(cls, tuple(classes)):
            raise ConfigurationError(
                f"{registration.where} is registered for {place(cls)}, but its first parameter takes "
                f"{' | '.join(place(one) for one in classes)}; make them agree"
            )
    return registration.types


def exception_types(registration: Registration, signature: Signature) -> tuple[type[BaseException], ...]:
    """The classes of exceptions that an error handler is registered for.

    Raises:
        ConfigurationError: there is none, or it is no exception.
    """
    types = registration.types or (() if signature.first is MISSING else _signature.members(signature.first))
    for one in types:
        if not (isinstance(one, type) and issubclass(one, Exception)):
            raise ConfigurationError(f"{registration.where}: on_error takes exception classes, not {one!r}")
    if not types:
        raise ConfigurationError(f"{registration.where}: name the exception, as in @channel.on_error(ValueError)")
    return types


def returned(annotation: Any) -> Iterator[Any]:
    """The message classes in a return annotation; what cannot be told apart from here is left to run time."""
    for one in _signature.members(annotation):
        cls: Any = get_origin(one) or one
        if cls in _MANY:
            for arg in get_args(one):  # of an AsyncGenerator the second is what is sent into it: nothing
                yield from returned(arg)
        elif isinstance(cls, type) and cls is not object and cls.__module__ not in _VAGUE:
            yield one


def operation(registration: Registration, signature: Signature, prefix: str, tags: tuple[str, ...]) -> Operation:
    """What documents tell of a function; what stands there is checked elsewhere."""
    kind: Any = registration.kind
    told: Any = None if signature.returns is MISSING else signature.returns
    doc = inspect.getdoc(registration.function) or ""
    chunks = streamed(registration, signature)
    parts = _signature.members(told)
    many = [one for one in parts if (get_origin(one) or one) in _MANY]
    streams, order = signature.mode == "asyncgen", registration.order
    return Operation(
        kind=kind,
        name=_name(registration.function),
        where=registration.where,
        prefix=prefix,
        inputs=() if kind == "on_error" else tuple(message_types(registration, signature)),
        chunks=tuple(chunks),
        returns=tuple(dict.fromkeys(returned(told))),
        alone=tuple(dict.fromkeys(cls for one in parts if one not in many for cls in returned(one))),
        outputs=tuple(dict.fromkeys(cls for one in registration.output for cls in returned(one))),
        silent=not streams and _signature.optional(told),
        several=bool(many) and not streams,
        streams=streams,
        cancellable=streams or bool(chunks) or registration.cancel_on_leave or (order is not None and order.latest),
        summary=registration.summary if registration.summary is not None else doc.partition("\n")[0],
        description=registration.description if registration.description is not None else doc,
        tags=tuple(dict.fromkeys((*tags, *registration.tags))),
    )


def _name(function: Any) -> str:
    """What a function is called; of an object that can be called, its class."""
    while not hasattr(function, "__name__") and hasattr(function, "func"):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def streamed(registration: Registration, signature: Signature) -> list[Any]:
    """The classes of what the client streams to a handler of messages; none where it does not ask for that.

    Raises:
        ConfigurationError: it asks twice, or does not say for what.
    """
    asked = [parameter for parameter in signature.parameters if parameter.asks is Ask.CHUNKS]
    if not asked or registration.kind != "on" or signature.mode == "sync":
        return []  # injection tells what is wrong with the others
    if len(asked) > 1:
        raise ConfigurationError(f"{registration.where}: a client streams one thing for a message; keep one of them")
    classes = [one for arg in get_args(asked[0].annotation) for one in _signature.members(arg)]
    if not classes:
        raise ConfigurationError(
            f"{registration.where}: parameter {asked[0].name!r}: say what is streamed, as in AsyncIterator[Chunk]"
        )
    return classes


def order_of(registration: Registration, signature: Signature) -> Order | None:
    """How its messages run beside others, with the key as a function of the message.

    Raises:
        ConfigurationError: the key names no field of a message.
    """
    order = registration.order
    if order is None or order.key is None or callable(order.key):
        return order
    for cls in message_types(registration, signature):
        origin = get_origin(cls) or cls
        if not hasattr(origin, order.key) and order.key not in getattr(origin, "model_fields", ()):
            raise ConfigurationError(f"{registration.where}: key={order.key!r} is no field of {place(origin)}")
        if callable(getattr(origin, order.key, None)):  # a method is another object each time: nothing would be equal
            raise ConfigurationError(
                f"{registration.where}: key={order.key!r} is a method of {place(origin)}; name a field"
            )
    return Order(order.concurrency, operator.attrgetter(order.key), order.latest)


def check_options(registration: Registration, signature: Signature) -> None:
    """What a generator or a plain `def` cannot be."""
    where, order = registration.where, registration.order
    if signature.mode == "gen":
        raise ConfigurationError(f"{where} is a plain generator; make it async to stream, or return a list")
    if signature.mode != "sync":
        return
    for wrong, name in (
        (registration.cancel_on_leave, 'on_leave="cancel"'),
        (order is not None and order.latest, "latest=True"),
        (registration.timeout is not None, "timeout="),
    ):
        if wrong:
            raise ConfigurationError(
                f"{where}: a plain def runs in a thread, which nothing can cancel; make it async, or drop {name}"
            )
