"""Which topics a consumer has, and with which parameters their methods are called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, cast

from chanx._topics.pattern import Pattern, parse
from chanx.compat.compiled import Route
from chanx.compat.handlers import Handlers
from chanx.exceptions import ConfigurationError


async def called(method: Any, params: Mapping[str, str]) -> Any:
    """Call a method with those parameters of its topic that it takes."""
    names = taken(method.__func__)
    return await method(**(params if names is None else {name: params[name] for name in names if name in params}))


@functools.lru_cache(1024)
def taken(function: Any) -> tuple[str, ...] | None:
    """The names of the parameters that a method takes; None for any."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return tuple(one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY))


def routes_of(consumer: Any) -> tuple[Route, ...]:
    """The topics of a consumer class, those without parameters first.

    Raises:
        ConfigurationError: one is none, or cannot be told from another.
    """
    found: dict[str, Route] = {}
    for topic in consumer.topics or ():
        name = getattr(topic, "__qualname__", repr(topic))
        where = f"{consumer.__qualname__}.topics: {name}"
        if not (isinstance(topic, type) and issubclass(topic, Handlers) and hasattr(topic, "pattern")):
            raise ConfigurationError(f"{where} is no class of topics; list subclasses of Topic")
        made = Route(parse(cast(Any, topic).pattern, name), topic)
        other = found.setdefault(made.pattern.shape, made)
        if other is not made:
            raise ConfigurationError(f"{where} is for the same names as {other.topic.__qualname__}: change a pattern")
        for attribute in ("discriminator_field", "channel_layer_alias"):
            own, theirs = getattr(topic, attribute), getattr(consumer, attribute)
            if own != theirs:
                raise ConfigurationError(f"{where} has the {attribute} {own!r}, and the consumer {theirs!r}: use one")
    return tuple(sorted(found.values(), key=lambda one: bool(one.pattern.names)))


def filled(pattern: Pattern, values: Mapping[str, Any], where: str) -> dict[str, str] | None:
    """The parameters of a pattern out of a URL; None where one of them can stand in no topic's name.

    Raises:
        ConfigurationError: the URL does not have them.
    """
    missing = [name for name in pattern.names if name not in values]
    if missing:
        raise ConfigurationError(
            f"{where}: the topic {pattern.text!r} needs {', '.join(missing)} from the URL: name it in the route's path"
        )
    params = {name: str(values[name]) for name in pattern.names}
    match = pattern.regex.fullmatch(pattern.text.format_map(params))
    return params if match is not None and match.groupdict() == params else None
