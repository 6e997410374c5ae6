"""What the decorators of chanx 2.x say of a consumer class, all classes that it extends taken together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any

from pydantic import BaseModel

from chanx.compat.casing import snake_case
from chanx.compat.compiled import Entry, own_doc, tags_of
from chanx.compat.decorators import HANDLER, Mark, classes, is_coroutine_function
from chanx.exceptions import ConfigurationError
from chanx.messages.base import BaseMessage


def merged(cls: type[Any], name: str) -> tuple[Any, ...]:
    """A list of classes, with those of all classes that a class extends, each once."""
    given = (one.__dict__.get(name) or () for one in reversed(cls.__mro__))
    several = (one if isinstance(one, type | UnionType) else list(one) for one in given)
    return tuple(dict.fromkeys(found for one in several for found in classes(one)))


def explicit(cls: type[Any]) -> dict[str, Mark]:
    """The marks of methods by name, without those that were made for `passthrough_events`.

    A method that overrides a handler is one, with a decorator of its own or without.

    Raises:
        TypeError: a method that is marked is no coroutine function.
    """
    found: dict[str, Mark] = {}
    for one in reversed(cls.__mro__):
        for name, found_there in one.__dict__.items():
            value = getattr(found_there, "__func__", found_there)  # of a class method, or a static one
            mark: Mark | None = getattr(value, HANDLER, None) if callable(value) else None
            if mark is not None:
                if not is_coroutine_function(value):
                    raise TypeError(f"{one.__qualname__}.{name} is no coroutine function; a handler is an `async def`")
                found.pop(name, None)
                found[name] = mark
            elif name in found and not callable(value):
                del found[name]
    return {name: mark for name, mark in found.items() if not mark.generated}


def marks_of(cls: type[Any]) -> dict[str, Mark]:
    """All marks: an event that is passed through, and has a handler of its own, is left to that."""
    marks = explicit(cls)
    handled = {one for mark in marks.values() if mark.kind == "event" for one in mark.inputs()}
    for name, event in _generated(cls):
        if event not in handled:
            marks.setdefault(name, _passing(name, event))
    return marks


def _generated(cls: Any) -> Iterator[tuple[str, Any]]:
    for event in merged(cls, "passthrough_events"):
        if not _is_message(event):
            raise TypeError(
                f"{cls.__qualname__}.passthrough_events: {event!r} is no class of events; list message classes"
            )
        yield cls.passthrough_method_prefix + snake_case(event.__name__), event


def _passing(name: str, event: Any) -> Mark:
    async def handler(self: Any, event: Any) -> Any:  # noqa: ARG001
        return event

    handler.__name__ = name
    handler.__qualname__ = name
    handler.__module__ = event.__module__
    handler.__doc__ = own_doc(event)
    mark = Mark("event", handler, input_type=event, output_type=event, generated=True)
    setattr(handler, HANDLER, mark)
    return mark


def pass_through(cls: type[Any], marks: dict[str, Mark]) -> None:
    """Give a class the methods of its `passthrough_events`."""
    handled: set[Any] = set()
    for mark in marks.values():
        if mark.kind == "event" and (inputs := _inputs(mark)) is not None:
            handled.update(inputs)
    for name, event in _generated(cls):
        if event not in handled and not hasattr(cls, name):
            made: Callable[..., Any] = _passing(name, event).function
            made.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, made)


def _inputs(mark: Mark) -> tuple[Any, ...] | None:
    """What a method handles; None where that cannot be resolved yet."""
    try:
        return mark.inputs()
    except NameError:
        return None


def check(cls: type[Any], marks: dict[str, Mark], *, late: bool = False, served: bool = False) -> None:
    """Refuse two handlers for one action.

    Args:
        cls: the class.
        marks: of its methods.
        late: all that they name is there.
        served: the class is as it will be; what its messages and annotations name may still come.

    Raises:
        ConfigurationError: a name in an annotation cannot be resolved, where it is `late`; or a message has no literal
            tag, where it is `late` or `served`.
        TypeError: naming both methods.
    """
    owners: dict[tuple[str, str], str] = {}
    for name, mark in marks.items():
        try:
            inputs = mark.inputs()
        except NameError as error:
            if not late:
                continue
            raise ConfigurationError(
                f"{cls.__qualname__}.{name}: its annotations cannot be read: {error}. Import the name where the "
                f"method is defined, or give input_type="
            ) from error
        for one in inputs:
            try:
                tags = tags_of(one, cls.discriminator_field)
            except ConfigurationError:
                if late or (served and one.__pydantic_complete__):
                    raise
                continue
            for tag in tags:
                other = owners.setdefault((mark.kind, tag), name)
                if other != name:
                    what = "action" if mark.kind == "on" else "event"
                    raise TypeError(
                        f"{cls.__qualname__} has two handlers for the {what} {tag!r}: {other} and {name}; keep one"
                    )


def entry(name: str, mark: Mark) -> Entry:
    """What a mark says of a method, resolved."""
    told, silent = mark.outputs()
    if mark.generated:
        told, silent = mark.output_type, False
    messages = tuple(one for one in classes(told) if _is_message(one))
    return Entry(
        kind=mark.kind,
        method=name,
        name=mark.action or name,
        inputs=mark.inputs(),
        returns=messages,
        outputs=() if mark.output_type is None else classes(mark.output_type),
        silent=silent,
        summary=mark.summary,
        description=mark.description,
        tags=mark.tags,
        function=mark.function,
    )


def _is_message(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, BaseModel) and cls not in (BaseModel, BaseMessage)
