"""From a message to a publication: whom it is for, and its one encoding."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from chanx import _dispatch
from chanx._plan import Plan
from chanx.exceptions import ConfigurationError
from chanx.groups.layer import Publication


def targets(
    group: str | None,
    groups: Iterable[str] | None,
    connection: str | None,
    exclude: str | Iterable[str],
    key: str | None,
) -> dict[str, Any]:
    """The addressing of a publication.

    Raises:
        TypeError: it names nobody, or something is no string where a name or an id is meant.
    """
    if isinstance(groups, str):
        raise TypeError(f"groups={groups!r} is one name; write group={groups!r}")
    if group is None and groups is None and connection is None:
        raise TypeError("say whom it is for: group=, groups= or connection=")
    if key is not None and not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"key={key!r}; it is a string")
    if group is not None and not isinstance(group, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"group={group!r}; it is one name, a string; several are given as groups=[…]")
    if connection is not None and not isinstance(connection, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"connection={connection!r}; it is the id of one, as in connection=ctx.id")
    try:
        excluded = frozenset((exclude,) if isinstance(exclude, str) else exclude)
    except TypeError:
        raise TypeError(f"exclude={exclude!r}; give ids of connections, as in exclude=ctx.id") from None
    return {
        "groups": (*(() if group is None else (group,)), *(groups or ())),
        "connections": () if connection is None else (connection,),
        "exclude": excluded,
        "key": key,
    }


def names(groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups to join or leave.

    Raises:
        TypeError: a name is no string.
    """
    for group in groups:
        if not isinstance(group, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{group!r} is no name of a group; give strings, several as in join(*names)")
    return groups


def frame(plan: Plan, message: Any, addressed: dict[str, Any]) -> Publication:
    """A message that goes straight to clients.

    Raises:
        ConfigurationError: it is no message.
    """
    return Publication(_dispatch.encode(plan, message), **addressed)


def event(plan: Plan, message: Any, addressed: dict[str, Any]) -> Publication:
    """An event that the members' handlers get, written by field name, so that it reads back whatever its aliases.

    What a model excludes or hides when it is serialised (`Field(exclude=True)`, `SecretStr`) does not travel.

    Raises:
        ConfigurationError: it has no tag.
    """
    codec = _dispatch.codec_of(plan.codecs, type(message))
    if codec is None:
        raise ConfigurationError(f"{type(message).__qualname__} is no event; emit a pydantic model or a msgspec.Struct")
    codec.tags(type(message), plan.discriminator)
    body = codec.encoder(type(message), names=True)(message).decode()
    tag = getattr(message, plan.discriminator, None)
    if not isinstance(tag, str):  # a struct keeps its tag in the class
        tag = json.loads(body)[plan.discriminator]
    return Publication(body, event=tag, **addressed)
