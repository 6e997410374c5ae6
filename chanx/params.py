"""Markers for what a function asks for, read from `Annotated[T, marker]`.

FastAPI's markers of the same names are read too, by their names and attributes, in dependency functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from chanx.exceptions import ConfigurationError

Scope = Literal["message", "connection"]


class Depends(msgspec.Struct, frozen=True):
    """The value of a function: `Annotated[User, Depends(current_user)]`.

    Args:
        dependency: an `async def`, a plain function (it runs in a worker thread), a generator of either
            kind that yields once, a class or a callable object. Left out, the annotated type itself.
        scope: how long the value lives: for one `"message"` or for the `"connection"`.

    Raises:
        ConfigurationError: the scope is neither of the two, or the dependency cannot be called.
    """

    dependency: Callable[..., Any] | None = None
    scope: Scope = "message"

    def __post_init__(self) -> None:
        if self.scope not in ("message", "connection"):
            raise ConfigurationError(f'Depends(scope={self.scope!r}): the scope is "message" or "connection"')
        if self.dependency is not None and not callable(self.dependency):
            raise ConfigurationError(f"Depends({self.dependency!r}): give the function itself, not its result")


class Param(msgspec.Struct, frozen=True):
    """What the four markers of request values share; use one of them."""

    name: str | None = None


class Path(Param, frozen=True):
    """A value of the route's path: Starlette's `path_params`, or Django's `url_route` kwargs.

    Args:
        name: the name in the route; the parameter's own name when left out.
    """


class Query(Param, frozen=True):
    """A value of the query string; a list type takes all values of the name.

    Args:
        name: the name in the query string; the parameter's own name when left out.
    """


class Header(Param, frozen=True):
    """A header of the opening handshake; a list type takes all values.

    Args:
        name: the header; the parameter's own name with `-` for `_` when left out.
    """


class Cookie(Param, frozen=True):
    """A cookie of the opening handshake.

    Args:
        name: the cookie; the parameter's own name when left out.
    """
