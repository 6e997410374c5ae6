"""The tree of a channel and those that it includes, flattened: each channel with what its parents wrap around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from chanx._source import Inclusion, Registration, Source
from chanx.exceptions import ConfigurationError
from chanx.params import Depends


class Unit(msgspec.Struct, frozen=True, eq=False):
    """One channel at one place of the tree.

    What stands in a pair comes with the state of the channel that it was written for.

    Attributes:
        state: index of the state that the channel's own functions get.
        served: it is the channel that is served, or is a topic.
    """

    source: Source
    prefix: str
    guards: tuple[tuple[Depends, int], ...]
    tags: tuple[str, ...]
    middleware: tuple[tuple[Registration, int], ...]
    errors: tuple[tuple[Registration, int], ...]
    state: int
    served: bool

    def around(self, topic: Inclusion) -> Unit:
        """What stands around a topic that this channel includes, as the topic's own tree knows the states."""

        def moved(pairs: tuple[tuple[Any, int], ...]) -> tuple[tuple[Any, int], ...]:
            return tuple((one, state + 1) for one, state in pairs)

        guards = (*self.guards, *((one, self.state) for one in topic.dependencies))
        return Unit(
            source=self.source,
            prefix="",
            guards=moved(guards),
            tags=(*self.tags, *topic.tags),
            middleware=moved(self.middleware),
            errors=moved(self.errors),
            state=self.state + 1,
            served=False,
        )


class Tree(msgspec.Struct, eq=False):
    """One channel that is served, alone or as a topic.

    Attributes:
        discriminator: of the connection.
        states: factories of states: that of the root, those around a topic, then those of included channels.
        owners: the channels that they belong to.
        outer: what stands around a topic.
        localns: names that only the functions knew in which something around a topic was registered.
    """

    root: Source
    discriminator: str
    states: list[Callable[[], Any] | None]
    owners: list[Source]
    outer: Unit | None = None
    localns: Mapping[str, Any] = {}

    def topic(self, unit: Unit, inclusion: Inclusion) -> Tree:
        """The tree of a topic that one of the units includes; known states come after its own."""
        source = inclusion.source
        states, owners = [source.state, *self.states], [source, *self.owners]
        localns = {name: value for one in self.root.walk() for name, value in one.localns().items()}
        return Tree(source, self.discriminator, states, owners, unit.around(inclusion), localns)

    def units(self) -> list[Unit]:
        """The root and, in order of inclusion, the channels that it includes; topics are trees of their own.

        Raises:
            ConfigurationError: two of them tell messages apart by different fields.
        """
        return list(self._flatten(self.root, self.outer))

    def _flatten(self, source: Source, outer: Unit | None, prefix: str = "", **around: Any) -> Iterator[Unit]:
        if source.discriminator != self.discriminator:
            other = self.owners[1 if self.outer else 0]
            raise ConfigurationError(
                f"{source.name} ({source.where}) tells messages apart by {source.discriminator!r}, "
                f"{other.name} ({other.where}) by {self.discriminator!r}; use one field for both"
            )
        served = source is self.root
        if source.state is not None and not served:
            state = len(self.states)
            self.states.append(source.state)
            self.owners.append(source)
        else:
            state = 0 if outer is None or source.state is not None else outer.state
        own = [(one, state) for one in source.registrations]
        guards = [(one, state) for one in (*around.get("guards", ()), *source.dependencies)]
        unit = Unit(
            source=source,
            prefix=(outer.prefix if outer else "") + prefix,
            guards=(*(outer.guards if outer else ()), *guards),
            tags=(*(outer.tags if outer else ()), *around.get("tags", ())),
            middleware=(*(outer.middleware if outer else ()), *(one for one in own if one[0].kind == "middleware")),
            errors=(*(outer.errors if outer else ()), *(one for one in own if one[0].kind == "on_error")),
            state=state,
            served=served,
        )
        yield unit
        for one in source.inclusions:
            if one.topic is None:
                yield from self._flatten(one.source, unit, one.prefix, guards=one.dependencies, tags=one.tags)
