"""From a message to a publication: whom it is for, and its one encoding."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from chanx import _dispatch
from chanx._plan import Plan
from chanx.exceptions import ConfigurationError
from chanx.groups.history import Kept
from chanx.groups.layer import GroupLayer, Publication

#: Characters that the public name of a stream, and an idempotency key, may have.
MOST_NAME = 200


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


def stream(groups: tuple[str, ...], name: Any, last: Any, user: Any) -> tuple[str, str, int, str]:
    """The group to join as a stream, and how.

    Raises:
        TypeError: an argument is wrong.
    """
    if len(names(groups)) != 1:
        raise TypeError(f"stream={name!r} is the name of one group; join each with a name of its own")
    if not isinstance(name, str) or not 1 <= len(name) <= MOST_NAME:
        raise TypeError(f"stream={name!r}; it is a string of 1 to {MOST_NAME} characters")
    if not isinstance(last, int) or isinstance(last, bool) or last < 0:
        raise TypeError(f"last={last!r}; it is a whole number, 0 or more")
    if not isinstance(user, str):
        raise TypeError(f"user={user!r}; it is a string")
    return groups[0], name, last, user


def once(publication: Publication, key: Any, layers: Iterable[GroupLayer]) -> Publication:
    """A publication with an idempotency key.

    Raises:
        TypeError: the key is no string.
        ValueError: it has a target without history.
    """
    if not isinstance(key, str) or not 1 <= len(key) <= MOST_NAME:
        raise TypeError(f"idempotency_key={key!r}; it is a string of 1 to {MOST_NAME} characters")
    for layer in layers:
        histories: Any = getattr(layer, "histories", None)
        if publication.connections or not all(histories and histories.find(group) for group in publication.groups):
            raise ValueError("an idempotency_key is for groups with history alone; see Channel(history=…)")
    given = publication
    return Kept(
        given.body, None, given.groups, (), given.exclude, given.key, given.size, idempotency_key=key
    )  # fmt: skip


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
