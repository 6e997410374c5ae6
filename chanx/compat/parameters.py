"""Type parameters of a generic class as its subclasses give them, also by way of generic classes of their own."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any, ForwardRef, TypeVar, get_args, get_origin, get_type_hints

from chanx._signature import members
from chanx.exceptions import ConfigurationError


def arguments(cls: type[Any], base: type[Any], inherited: str) -> tuple[Any, ...] | None:
    """What a class gives for the parameters of a class that it extends; None where it gives nothing.

    Args:
        cls: the class that is being made.
        base: the generic class.
        inherited: the attribute where classes in between keep what they have given.
    """
    for given in cls.__dict__.get("__orig_bases__", ()):
        origin = get_origin(given)
        if origin is base:
            return get_args(given)
        before: tuple[Any, ...] | None = getattr(origin, inherited, None)
        if before is not None:
            known: dict[Any, Any] = dict(zip(getattr(origin, "__parameters__", ()), get_args(given), strict=False))
            return tuple(_replaced(one, known) for one in before)
    found: tuple[Any, ...] | None = getattr(cls, inherited, None)
    return found


def _replaced(given: Any, known: dict[Any, Any]) -> Any:
    if isinstance(given, TypeVar):
        return known.get(given, given)
    inner = getattr(given, "__parameters__", ())
    return given[tuple(known.get(one, one) for one in inner)] if inner else given


def is_open(cls: Any, given: Any) -> bool:
    """Is a parameter left to subclasses, by a class that is generic itself?"""
    return isinstance(given, TypeVar) and given in getattr(cls, "__parameters__", ())


def parameter_classes(cls: type[Any], given: Any) -> tuple[Any, ...]:
    """The classes that a parameter names: one, a union, or an alias of either; also by names in quotes.

    Raises:
        ConfigurationError: a name in quotes cannot be resolved.
    """
    if isinstance(given, str | ForwardRef):
        names = getattr(sys.modules.get(cls.__module__), "__dict__", {})
        bare: Callable[..., Any] | Any = types.SimpleNamespace(__annotations__={"given": given}, __globals__=names)
        try:
            given = get_type_hints(bare, include_extras=True)["given"]
        except NameError as error:
            raise ConfigurationError(
                f"the parameters of {cls.__qualname__} cannot be read: {error}. Define the name in {cls.__module__}, "
                f"or write it without quotes"
            ) from error
    return () if isinstance(given, TypeVar) else members(given)
