"""Broadcasts and events from a channel, and the group layers that carry them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, cast

from chanx import _publish, _runtime
from chanx._plan import Plan
from chanx._service import Service
from chanx._source import Source
from chanx.exceptions import ConfigurationError
from chanx.groups.history import History, HistoryLayer
from chanx.groups.layer import GroupLayer, Publication
from chanx.groups.memory import MemoryLayer

logger = logging.getLogger("chanx")


class Publisher:
    """The publishing half of `Channel`: to the members of every application that the channel is part of."""

    name: str
    _own_layer: GroupLayer | None
    _histories: Mapping[str, History]
    _parents: list[Publisher]
    _service: Service | None
    _compiling: threading.RLock
    _source: Source
    _looked = False  # has it been seen that there is somebody to publish to?

    def _compiled(self, where: str) -> Service:
        """What the channel compiles into, at its first use."""
        raise NotImplementedError

    async def broadcast(
        self,
        message: Any,
        *,
        group: str | None = None,
        groups: Iterable[str] | None = None,
        connection: str | None = None,
        exclude: str | Iterable[str] = (),
        key: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """Send a message straight to the clients of groups, in every application this channel is part of.

        Args:
            message: a model or struct with a literal tag.
            group: one group.
            groups: several; a member of more than one gets the message once, but once for each that has a history.
            connection: the id of a single connection.
            exclude: ids of connections that do not get it.
            key: what the message is about, as in `key="price:AAPL"`. With `Channel(overflow="coalesce")` it takes
                the place of an earlier one with the same key that still waits for a slow client; else ignored.
            idempotency_key: a group with history gets the message once, however often it is sent with this key
                within the `ttl` of its history.

        Raises:
            ConfigurationError: it is no message.
            TypeError: it names no target, or a name, id or key is no string.
            ValueError: there is an `idempotency_key`, and a target that has no history.
        """
        plan = self._publishing_plan("broadcast")
        publication = _publish.frame(plan, message, _publish.targets(group, groups, connection, exclude, key))
        if idempotency_key is not None:
            publication = _publish.once(publication, idempotency_key, self.layers())
        await self._publish(publication, message)

    async def emit(
        self,
        event: Any,
        *,
        group: str | None = None,
        groups: Iterable[str] | None = None,
        connection: str | None = None,
        exclude: str | Iterable[str] = (),
        key: str | None = None,
    ) -> None:
        """Send an event to the `event` functions of the members of groups; see `broadcast`."""
        plan = self._publishing_plan("emit")
        publication = _publish.event(plan, event, _publish.targets(group, groups, connection, exclude, key))
        await self._publish(publication, event)

    def broadcast_sync(
        self,
        message: Any,
        *,
        group: str | None = None,
        groups: Iterable[str] | None = None,
        connection: str | None = None,
        exclude: str | Iterable[str] = (),
        key: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """`broadcast` from a thread without an event loop; returns once it is queued.

        Raises:
            RuntimeError: this thread runs an event loop.
        """
        _refuse_loop("broadcast")
        plan = self._publishing_plan("broadcast_sync")
        publication = _publish.frame(plan, message, _publish.targets(group, groups, connection, exclude, key))
        if idempotency_key is not None:
            publication = _publish.once(publication, idempotency_key, self.layers())
        for layer in self._publishing(message, publication):
            layer.publish_sync(publication)

    def emit_sync(
        self,
        event: Any,
        *,
        group: str | None = None,
        groups: Iterable[str] | None = None,
        connection: str | None = None,
        exclude: str | Iterable[str] = (),
        key: str | None = None,
    ) -> None:
        """`emit` from a thread without an event loop; returns once it is queued.

        Raises:
            RuntimeError: this thread runs an event loop.
        """
        _refuse_loop("emit")
        plan = self._publishing_plan("emit_sync")
        publication = _publish.event(plan, event, _publish.targets(group, groups, connection, exclude, key))
        for layer in self._publishing(event, publication):
            layer.publish_sync(publication)

    def layers(self) -> list[GroupLayer]:
        """Every group layer on which this channel's members may be: its own, and its parents'."""
        if not self._parents and self._own_layer is not None:
            return [self._own_layer]
        found: dict[int, GroupLayer] = {}
        for parent in self._parents:
            found.update({id(layer): layer for layer in parent.layers()})
        if self._own_layer is not None or not found:
            found[id(self._layer())] = self._layer()
        return list(found.values())

    def healthy(self) -> bool:
        """Are the links of all its group layers up? For the route that tells whether this process is ready.

        Where nothing is connected yet, as before the first connection of a client, the question begins it: ask again.
        """
        links = [layer.healthy() for layer in self.layers()]  # all are asked
        return all(links)

    def _layer(self) -> GroupLayer:
        """The layer of connections that this channel serves itself."""
        with self._compiling:
            if self._own_layer is not None:
                return self._own_layer
            if self._parents:
                return self._parents[0]._layer()
            self._own_layer = MemoryLayer()
            self._own_layer.keep(self._histories)
            return self._own_layer

    def _keep(self, rules: Mapping[str, History]) -> None:
        """Keep histories, on every layer on which this channel's members may be.

        Raises:
            ConfigurationError: a layer keeps none, or another one for the same pattern.
        """
        if not rules:
            return
        self._histories = {**self._histories, **rules}
        if self._own_layer is not None:
            where = f"Channel at {self._source.where}"
            if not hasattr(self._own_layer, "keep"):
                raise ConfigurationError(
                    f"{where}: a {type(self._own_layer).__name__} keeps no history; leave history= out, or give another"
                )
            try:
                cast("HistoryLayer", self._own_layer).keep(rules)
            except ConfigurationError as error:
                raise ConfigurationError(f"{where}: {error}") from None
        for parent in self._parents:
            parent._keep(rules)

    def _publishing_plan(self, where: str) -> Plan:
        """A plan to encode with: that of an application this channel is part of, which may give it its state."""
        if self._service is None and self._parents:
            return self._parents[0]._publishing_plan(where)
        return self._compiled(where).plan

    async def _publish(self, publication: Publication, message: Any) -> None:
        for layer in self._publishing(message, publication):
            await layer.publish(publication)

    def _publishing(self, message: Any, publication: Publication) -> list[GroupLayer]:
        layers = self.layers()
        if not self._looked:
            self._look(layers)
        for layer in layers:
            for observe in layer.members.observers:
                observe(message, publication)
        return layers

    def _look(self, layers: list[GroupLayer]) -> None:
        """Warn once where nobody can hear, and look no more once somebody may."""
        members = [layer.members for layer in layers if isinstance(layer, MemoryLayer)]
        if len(members) < len(layers) or any(one.served for one in members):
            self._looked = True
        elif not any(one.warned for one in members):
            logger.warning(
                "%s published on a memory layer that has served no connection in this process: nobody can hear it. "
                "Publish in the process that serves the connections; channels that are served separately share groups "
                "through one layer: Channel(groups=…)",
                self.name,
            )
            for one in members:
                one.warned = True


def _refuse_loop(name: str) -> None:
    if _runtime.on_a_loop():
        raise RuntimeError(f"{name}_sync would block the event loop of this thread; write `await channel.{name}(…)`")
