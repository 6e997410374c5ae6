"""The `Channel`: registration, composition, and the entry for ASGI servers."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Mapping
from typing import Any, Literal

from chanx import _handshake
from chanx._compile import compile_plan
from chanx._drain import Drain
from chanx._gate import Gate
from chanx._publisher import Publisher
from chanx._registry import Registrar
from chanx._service import Counters, Service
from chanx._source import Inclusion, Mount, Source, caller, frame_place
from chanx._topics import pattern
from chanx._topics.services import served_with_topics, stats_of
from chanx.codecs.msgspec import MsgspecCodec
from chanx.codecs.protocol import Codec
from chanx.codecs.pydantic import PydanticCodec
from chanx.connection import Connection
from chanx.exceptions import ConfigurationError
from chanx.groups.history import History, rules_of
from chanx.groups.layer import GroupLayer
from chanx.params import Depends
from chanx.types import RESERVED_KEYS, Drained, Limits, Stats

logger = logging.getLogger("chanx")

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\\\sA-Z]+")
_CODECS: tuple[Codec, ...] = (PydanticCodec(), MsgspecCodec())


class Channel(Registrar, Publisher):
    """A router for messages and events, and an ASGI application.

    Functions are collected with `on`, `event`, `on_connect`, `on_disconnect`, `on_error` and `middleware`;
    other channels with `include`. The first use, or `compile`, turns all of it into an immutable plan.

    Args:
        name: a short name for logs and errors.
        title: a name for people.
        description: what the channel is for.
        discriminator: the field that tells messages apart.
        state: called without arguments for every connection; the result is `Context.state`.
        dependencies: run before every handler, event and hook of this channel and of those it includes.
        limits: what one connection may use.
        refuse: `"http"` answers a refused connection with an HTTP status; `"close"` accepts and closes at
            once with 4000 + status, which is all that a browser's code can see.
        allowed_origins: exact origins, such as `"https://example.com"`, in place of the same-host rule.
        subprotocols: in order of preference; the first that the client offers is chosen.
        groups: the group layer, or the URL of a Redis server, as in `"redis://localhost"`, which all channels of a
            process share; left out, the parent's, or one in memory.
        history: which groups keep what they are sent, by pattern, as in `{"room:*": History(size=100)}`; a `*` stands
            for any characters. Processes that share a layer say the same.
        on_gap: what becomes of a connection whose groups may have missed something, because the layer's link was
            broken: `"notify"` sends `{"action": "gap"}`; `"close"` closes with 1012. Left out, `"notify"`, but
            `"close"` where `envelope=False` leaves no frame to notify with.
        overflow: what becomes of a broadcast or an event for a connection whose outbox, or inbox, is full:
            `"close"` closes the connection with 1013; `"drop_oldest"` drops the broadcast or event that has
            waited longest; `"coalesce"` lets those with a `key=` take the place of an earlier one with the
            same key that still waits, and closes when there is no room all the same. Answers are never
            dropped. The connections of an included channel follow the channel that serves them.
        envelope: False to give up `ref` and the other reserved keys, and let messages use their names.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        title: str | None = None,
        description: str | None = None,
        discriminator: str = "action",
        state: Callable[[], Any] | None = None,
        dependencies: Iterable[Depends] = (),
        limits: Limits | None = None,
        refuse: Literal["http", "close"] = "http",
        allowed_origins: Iterable[str] | None = None,
        subprotocols: Iterable[str] = (),
        groups: GroupLayer | str | None = None,
        history: Mapping[str, History] | None = None,
        on_gap: Literal["notify", "close"] | None = None,
        overflow: Literal["close", "drop_oldest", "coalesce"] = "close",
        envelope: bool = True,
    ) -> None:
        where = frame_place(caller())
        self.name = "channel" if name is None else name
        self.title = title
        self.description = description
        self.limits = Limits() if limits is None else limits
        self._given_limits = limits
        self._source = Source(
            name=self.name,
            discriminator=discriminator,
            envelope=envelope,
            state=state,
            dependencies=_list(f"Channel at {where}", "dependencies", dependencies, Depends),
            where=where,
            history=bool(history),
        )
        origins, subprotocols = _listed(allowed_origins), _listed(subprotocols)
        lists = {"allowed_origins": origins, "subprotocols": subprotocols}
        _check(where, self._source, refuse, self.limits, groups, overflow, on_gap, **lists)
        self._refuse = refuse
        self._overflow = overflow
        self._allowed_origins: Collection[str] | None = None if allowed_origins is None else frozenset(origins)
        self._subprotocols: tuple[str, ...] = tuple(subprotocols)
        layer = _layer_of(where, groups)
        self._given_layer = layer
        self._own_layer: GroupLayer | None = layer
        self._on_gap = on_gap or ("notify" if envelope else "close")
        self._parents: list[Publisher] = []
        self._histories: Mapping[str, History] = {}
        self._keep(rules_of(where, history, envelope))
        self._overrides: dict[Any, Any] = {}
        self._service: Service | None = None
        self._counters = Counters()
        self._topic_counters = Counters()
        self._gate = Gate()
        self._compiling = threading.RLock()

    # -- composition and compilation ----------------------------------------------------------------

    def include(
        self,
        channel: Channel,
        *,
        prefix: str = "",
        topic: str | None = None,
        dependencies: Iterable[Depends] = (),
        tags: Iterable[str] = (),
    ) -> None:
        """Take another channel's handlers, events, hooks and error handlers into this one.

        The other stays usable alone and may be included in many parents. The first use of this channel
        compiles both, and neither takes registrations from then on.

        With `topic`, it becomes a stream of its own on the connections of this channel: a client subscribes to it,
        and each subscription is served as a connection, with hooks, dependencies, state and groups of its own.

        Args:
            channel: what to include.
            prefix: put in front of the tags of the messages it receives, on the wire only.
            topic: the pattern of the topics, such as `"discussion:{pk}"`. A parameter matches anything but a colon,
                and is a path parameter, as in `Annotated[int, Path("pk")]`.
            dependencies: guards in front of its handlers, events and hooks.
            tags: put on its handlers, for documents.

        Raises:
            ConfigurationError: too late, in a circle, it has another group layer, or the pattern is wrong.
        """
        where = frame_place(caller())
        owner = f"include at {where}"
        if not isinstance(channel, Channel):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{owner}: {channel!r} is no Channel")
        if not isinstance(prefix, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{owner}: prefix={prefix!r}; it is a string")
        mount: Mount | None = None
        if topic is not None:
            if prefix:
                raise ConfigurationError(f"{owner}: a topic's tags are its own already; drop prefix={prefix!r}")
            read = pattern.parse(topic, owner)
            mount = Mount(read, channel._given_limits, channel.title, channel.description)
        guards, labels = _list(owner, "dependencies", dependencies, Depends), _list(owner, "tags", tags, str)
        layer = channel._given_layer
        if layer is not None and layer is not self._given_layer:
            raise ConfigurationError(
                f"{owner}: {channel.name} ({channel._source.where}) has a group layer other than that of "
                f"{self.name} ({self._source.where}); give both the same groups=, or only {self.name}"
            )
        self._source.include(Inclusion(channel._source, prefix, guards, labels, where, mount))
        channel._parents.append(self)
        self._keep(channel._histories)

    def compile(self) -> None:
        """Check everything and build the plan now, not at the first connection.

        Raises:
            ConfigurationError: any mistake of set-up.
        """
        self._compiled(frame_place(caller()))

    @contextlib.contextmanager
    def override(self, dependencies: Mapping[Callable[..., Any], Callable[..., Any]]) -> Generator[None, None, None]:
        """Replace dependencies, in tests, for connections that this channel accepts inside the `with` block.

        Included channels' functions get the replacements too; a parent's connections do not.
        """
        before = self._overrides, self._service
        self._overrides, self._service = {**self._overrides, **dependencies}, None
        try:
            yield
        finally:
            self._overrides, self._service = before

    def _compiled(self, where: str) -> Service:
        if self._service is not None:
            return self._service
        with self._compiling:
            plan = compile_plan(self._source, _CODECS, self._overrides, self.limits.handler_timeout)
            for source in self._source.walk():
                source.frozen = source.frozen or where
            self._service = Service(
                plan=plan,
                limits=self.limits,
                layer=self._layer(),
                counters=self._counters,
                gate=self._gate,
                refuse=self._refuse,
                allowed_origins=self._allowed_origins,
                subprotocols=self._subprotocols,
                overflow=self._overflow,
                on_gap=self._on_gap,
                connection=Connection,
            )
            if plan.topics:
                self._service = served_with_topics(self._service, self._topic_counters)
        return self._service

    def stats(self) -> Stats:
        """The counters of the connections that this channel served, in this process."""
        return stats_of(self._counters, self._topic_counters)

    async def drain(
        self,
        *,
        batch: int = 100,
        interval: float = 0.1,
        code: int = 1012,
        reason: str = "restarting",
        timeout: float = 25.0,
    ) -> Drained:
        """Take no more connections, and close those that are open in this process, spread out over some time.

        A connection that comes from now on is refused with 503 and `Retry-After`. Each open one is closed as by
        `Context.close`: its handlers may finish for `Limits.linger`, what waits for the client is sent, and its
        hooks run. When this returns, all of that has happened, or time was up. A second call joins the first.
        The drain goes on if the caller is cancelled. The channel opens again where its `lifespan` begins anew.

        Only connections that this channel serves count: those of an application that it is included in are
        drained by draining that.

        Args:
            batch: how many connections are closed at once; more, where all of them would take over half of `timeout`.
            interval: seconds between two batches.
            code: the close code; 1012 tells clients to come back.
            reason: for people; cut to the 123 bytes that fit.
            timeout: seconds until this returns, whatever hangs. What has not ended `Limits.cleanup` before that, or
                after half of it if that is later, is cancelled.

        Raises:
            ValueError: an argument is wrong.
        """
        with self._compiling:
            drain = self._gate.drain
            if drain is None:
                options = {"batch": batch, "interval": interval, "code": code, "reason": reason, "timeout": timeout}
                drain = Drain(self.name, self._served, self.limits.cleanup, options)
                self._gate.drain = drain
                drain.start()
        if self._parents and not self._counters.accepted:
            logger.warning(
                "drained %s, which has served no connection itself: those of %s, which it is included in, stay open",
                self.name, ", ".join(parent.name for parent in self._parents),
            )  # fmt: skip
        return await drain.result()

    def _served(self) -> list[Connection]:
        """The connections that this channel serves, on all loops."""
        members: Any = self._layer().members.everyone()
        connections = (one for one in members if isinstance(one, Connection) and one.topic is None)
        return [one for one in connections if one.service.gate is self._gate]

    # -- ASGI ---------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope: `websocket`, `http` (answered 426) or `lifespan`.

        Raises:
            ConfigurationError: any mistake of set-up, at the first use.
            ValueError: another type of scope.
        """
        kind = scope["type"]
        if kind == "websocket":
            service = self._service or self._compiled("its first connection")
            await service.connection(service, scope, receive, send).run()
        elif kind == "http":
            await _handshake.upgrade_required(send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            raise ValueError(f"{self.name} serves websocket, http and lifespan scopes, not {kind!r}")

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncGenerator[None, None]:  # noqa: ARG002 - Starlette gives it
        """For `Starlette(lifespan=chat.lifespan)`: compile at start, and let the group layer begin to connect; let go
        of it at the end.
        """
        service = self._compiled("its lifespan")
        if self._gate.drain is not None and self._gate.drain.over:
            self._gate.drain = None  # the same program serves again, as in tests
        service.layer.healthy()
        try:
            yield
        finally:
            await service.layer.aclose()

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.lifespan())
            except ConfigurationError as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _layer_of(where: str, groups: GroupLayer | str | None) -> GroupLayer | None:
    if not isinstance(groups, str):
        return groups
    from chanx.groups.redis import layer_at

    try:
        return layer_at(groups)
    except ConfigurationError as error:
        raise ConfigurationError(f"Channel at {where}: {error}") from None


def _check(
    where: str, source: Source, refuse: Any, limits: Any, groups: Any, overflow: Any, on_gap: Any, **lists: Any
) -> None:
    """Refuse wrong arguments where they were written, not at the first connection."""
    wrong: str | None = None
    name: Any = source.name
    discriminator: Any = source.discriminator
    state: Any = source.state
    if not isinstance(name, str):
        wrong = f"the name is a string, not {name!r}"
    elif not isinstance(discriminator, str) or not discriminator:
        wrong = f"discriminator={discriminator!r}; it is the name of a field"
    elif source.discriminator in RESERVED_KEYS:
        wrong = f"discriminator={source.discriminator!r} is a key of the envelope; choose another"
    elif state is not None and (not callable(state) or inspect.iscoroutinefunction(state)):
        wrong = f"state={state!r}; give a class or function that makes the state of one connection"
    elif refuse not in ("http", "close"):
        wrong = f'refuse={refuse!r}; it is "http" or "close"'
    elif not isinstance(limits, Limits):
        wrong = f"limits={limits!r}; give Limits(…)"
    elif limits.heartbeat is not None and not source.envelope:
        wrong = (
            "Limits(heartbeat=…) asks clients with a frame of the envelope; leave envelope=False or the heartbeat out"
        )
    elif groups is not None and not isinstance(groups, str) and not hasattr(groups, "members"):
        wrong = f"groups={groups!r} is no group layer; give an object such as MemoryLayer(), or a URL"
    elif on_gap not in (None, "notify", "close"):
        wrong = f'on_gap={on_gap!r}; it is "notify" or "close"'
    elif on_gap == "notify" and not source.envelope:
        wrong = 'on_gap="notify" sends a frame of the envelope; leave envelope=False or on_gap= out'
    elif overflow not in ("close", "drop_oldest", "coalesce"):
        wrong = f'overflow={overflow!r}; it is "close", "drop_oldest" or "coalesce"'
    if wrong is not None:
        raise ConfigurationError(f"Channel at {where}: {wrong}")
    for key, value in lists.items():
        for one in _list(f"Channel at {where}", key, value, str):
            if key == "allowed_origins" and not _ORIGIN.fullmatch(one):
                raise ConfigurationError(
                    f"Channel at {where}: the origin {one!r} can never match; browsers send "
                    f'"scheme://host" or "scheme://host:port" in lower case, without a path'
                )


def _listed(value: Any) -> Any:
    """Read an iterator once; a wrong value stays as it is, to be refused by `_check`."""
    if value is None:
        return ()
    return value if isinstance(value, str) or not hasattr(value, "__iter__") else tuple(value)


def _list(owner: str, key: str, value: Any, of: type[Any]) -> tuple[Any, ...]:
    """A list argument as a tuple."""
    if isinstance(value, of) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{owner}: {key}={value!r}; give a list, as in {key}=[{value!r}]")
    found = tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    for one in found:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(one, of):
            raise ConfigurationError(f"{owner}: {key} holds {one!r}; each is a {of.__name__}")
    return found  # pyright: ignore[reportUnknownVariableType]
