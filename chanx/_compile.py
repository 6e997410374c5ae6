"""From registrations to a plan: flatten the included channels, check everything, generate every call."""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from chanx import _signature
from chanx._dispatch import check_message, codec_of, make_peek
from chanx._inject import Graph, Node
from chanx._plan import Call, Event, Handler, Hook, Hooks, Operation, Plan, Section, Topic, section_of
from chanx._registered import check_options, exception_types, message_types, operation, order_of, returned, streamed
from chanx._signature import Ask, Signature
from chanx._source import Inclusion, Registration, Source
from chanx._units import Tree, Unit
from chanx._values import MISSING
from chanx.codecs.protocol import Codec
from chanx.exceptions import ConfigurationError
from chanx.types import place

#: What a channel has once, however often it is included.
_ONCE = ("event", "on_connect", "on_disconnect")


class _Compiler(msgspec.Struct, eq=False):
    codecs: tuple[Codec, ...]
    tree: Tree
    graph: Graph
    timeout: float | None
    discriminator: str
    envelope: bool
    handlers: dict[tuple[Codec, str], dict[type[Any], Handler]] = msgspec.field(
        default_factory=lambda: defaultdict(dict)
    )
    received: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    sent: dict[str, tuple[Any, str]] = msgspec.field(default_factory=dict[str, tuple[Any, str]])
    events: dict[str, Event] = msgspec.field(default_factory=dict[str, Event])
    event_owners: dict[str, Registration] = msgspec.field(default_factory=dict[str, Registration])
    chunks: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    hooks: list[Hooks] = msgspec.field(default_factory=list[Hooks])
    operations: dict[tuple[Registration, str], Operation] = msgspec.field(
        default_factory=dict[tuple[Registration, str], Operation]
    )
    first: dict[Source, Unit] = msgspec.field(default_factory=dict[Source, Unit])

    def plan(self) -> Plan:
        """The whole of it."""
        self.graph.check = self.check_state
        units = self.tree.units()
        if self.tree.outer is not None:
            self.graph.guards(self.tree.outer.guards, self.tree.outer.source.name, self.tree.localns)
        for unit in units:
            self.unit(unit)
        direct, routes = self.sections()
        slots = self.graph.slots()
        eager = {index for slot in self.graph.eager for index in (*slots[slot].needs, slot)}
        topics = self.topics(units)
        events = self.events.values()
        return Plan(
            discriminator=self.discriminator,
            envelope=self.envelope,
            direct=direct,
            routes=routes,
            known=frozenset(routes),
            peek=make_peek(self.discriminator),
            encoders={
                cls: codec.encoder(cls)
                for cls in [cls for cls, _ in self.sent.values()]
                if (codec := codec_of(self.codecs, cls)) is not None
            },
            codecs=self.codecs,
            events=self.events,
            hooks=tuple(self.hooks),
            slots=slots,
            eager=tuple(sorted(eager)),
            states=tuple(self.tree.states),
            uses_http=self.graph.uses_http,
            chunk_tags=frozenset(self.chunks),
            queued=bool(self.chunks or topics) or any(event.serial for event in events),
            operations=tuple(self.operations.values()),
            values=tuple(self.graph.values),
            topics=topics,
            history=any(unit.source.history for unit in units),
        )

    def topics(self, units: list[Unit]) -> tuple[Topic, ...]:
        """The plans of the topics, those without parameters first, as they win."""
        found: dict[str, tuple[Unit, Inclusion]] = {}
        made: list[Topic] = []
        for unit, inclusion, mount in [(u, one, one.topic) for u in units for one in u.source.inclusions if one.topic]:
            where = f"include at {inclusion.where}: the topic {mount.pattern.text!r}"
            if self.tree.outer is not None:
                raise ConfigurationError(f"{where} lies inside another topic; include it in the channel that is served")
            if not self.envelope:
                raise ConfigurationError(f"{where} needs the envelope to be told by; use Channel(envelope=True)")
            before, other = found.setdefault(mount.pattern.shape, (unit, inclusion))
            if before is not unit and other is inclusion and before.guards == unit.guards:
                continue  # in a channel that is included twice: once is enough
            if before is not unit or other is not inclusion:
                raise ConfigurationError(f"{where} is there already, by include at {other.where}; keep one")
            limit = self.timeout if mount.limits is None else mount.limits.handler_timeout
            tree = self.tree.topic(unit, inclusion)
            graph = Graph(self.graph.overrides)
            plan = _Compiler(self.codecs, tree, graph, limit, self.discriminator, self.envelope).plan()
            names = inclusion.source.name, mount.title, mount.description
            made.append(Topic(mount.pattern, plan, mount.limits, *names, (*unit.tags, *inclusion.tags)))
        return tuple(sorted(made, key=lambda topic: bool(topic.pattern.names)))

    def unit(self, unit: Unit) -> None:
        """Compile one channel of the tree."""
        # a guard of a channel that a function makes may have annotations which only that function can resolve
        owner = f"{unit.source.name} ({unit.source.where})"
        guards = self.graph.guards(unit.guards, owner, unit.source.localns())
        if unit.served:
            needed = (node.slot for guard in guards for node in guard.walk(deep=True))
            self.graph.eager.update(slot for slot in needed if slot is not None)
        errors: dict[type[BaseException], Call] = {}
        own: dict[type[BaseException], Registration] = {}
        for registration, state in unit.errors:  # the parents' come first, and are replaced by the channel's own
            signature = self.signature(registration)
            if signature.mode in ("asyncgen", "gen"):
                raise ConfigurationError(f"{registration.where} is a generator; return what answers the error")
            self.check_returns(registration, signature)
            run = self.graph.call(signature, (), state, eager=False)
            for cls in exception_types(registration, signature):
                errors[cls] = run
                if cls in own:
                    raise ConfigurationError(
                        f"{cls.__name__} has two error handlers: {own[cls].where} and {registration.where}; keep one"
                    )
                if registration in unit.source.registrations:
                    own[cls] = registration
            if unit.served or registration in unit.source.registrations:  # a topic's: those around it too
                self.tell(unit, registration, signature)
        for registration in unit.source.registrations:
            if registration.kind == "on":
                self.message(unit, registration, guards, errors)
            elif registration.kind == "event":
                self.event(unit, registration, guards, errors)
        first = self.first.setdefault(unit.source, unit)
        if first is unit:  # a channel included twice enters and leaves once, and gets an event once
            self.hook(unit, guards)
        elif first.guards != unit.guards and any(r.kind in _ONCE for r in unit.source.registrations):
            raise ConfigurationError(
                f"{unit.source.name} ({unit.source.where}) is included twice with different dependencies, but its "
                f"events and hooks run once; give both inclusions the same, or put the guards on its messages"
            )

    def signature(self, registration: Registration) -> Signature:
        takes_first = registration.kind in ("on", "event", "on_error")
        return _signature.read(registration.function, takes_first=takes_first, localns=registration.localns)

    def message(
        self, unit: Unit, registration: Registration, guards: tuple[Node, ...], errors: Mapping[Any, Call]
    ) -> None:
        signature = self.signature(registration)
        handler = self.handler(unit, registration, signature, guards, errors)
        self.tell(unit, registration, signature)
        for cls in message_types(registration, signature):
            codec = self.codec(cls, registration.where)
            for tag in check_message(codec, cls, self.discriminator, self.envelope):
                _claim(self.received, unit.prefix + tag, registration.where)
                if unit.prefix + tag in self.chunks:
                    _claim(self.chunks, unit.prefix + tag, registration.where)
            self.handlers[codec, unit.prefix][cls] = handler

    def event(
        self, unit: Unit, registration: Registration, guards: tuple[Node, ...], errors: Mapping[Any, Call]
    ) -> None:
        signature = self.signature(registration)
        for cls in message_types(registration, signature):
            codec = self.codec(cls, registration.where)
            for tag in codec.tags(cls, self.discriminator):
                owner = self.event_owners.setdefault(tag, registration)
                if owner is registration and tag not in self.events:
                    handler = self.handler(unit, registration, signature, guards, errors)
                    self.events[tag] = Event(codec.single(cls), handler, registration.serial)
                    self.tell(unit, registration, signature)
                elif owner is not registration:
                    raise ConfigurationError(
                        f"the event {tag!r} has two handlers: {owner.where} and {registration.where}; keep one"
                    )

    def handler(
        self,
        unit: Unit,
        registration: Registration,
        signature: Signature,
        guards: tuple[Node, ...],
        errors: Mapping[Any, Call],
    ) -> Handler:
        check_options(registration, signature)
        self.check_returns(registration, signature)
        streams = signature.mode == "asyncgen"
        chunks = self.stream_of_client(unit, registration, signature)
        wide = streams or chunks is not None
        run: Call = self.graph.call(signature, guards, unit.state, eager=unit.served, wide=wide)
        if registration.kind == "on":
            for middleware, state in reversed(unit.middleware):
                run = _wrapped(middleware, run, state)
        order, ends_on_leave = order_of(registration, signature), registration.cancel_on_leave or streams
        cancellable = ends_on_leave or chunks is not None or (order is not None and order.latest)
        timeout = registration.timeout or self.timeout
        if signature.mode == "sync" or timeout == math.inf:
            timeout = None
        return Handler(
            run=run,
            where=registration.where,
            errors=errors,
            plain=not (wide or cancellable) and order is None and timeout is None,
            wide=wide,
            streams=streams,
            chunks=chunks,
            order=order,
            cancellable=cancellable,
            ends_on_leave=ends_on_leave,
            timeout=timeout,
        )

    def tell(self, unit: Unit, registration: Registration, signature: Signature) -> None:
        """Keep what documents tell of a function: once, and of a handler once for each prefix."""
        prefix = unit.prefix if registration.kind == "on" else ""
        self.operations.setdefault((registration, prefix), operation(registration, signature, prefix, unit.tags))

    def stream_of_client(self, unit: Unit, registration: Registration, signature: Signature) -> Section | None:
        """The validator of what the client streams to a handler, where it asks for that."""
        classes = streamed(registration, signature)
        if not classes:
            return None
        where = f"{registration.where}, what its client streams"
        if not self.envelope:
            raise ConfigurationError(f"{where}: its frames are told by their ref; use Channel(envelope=True)")
        codec = self.codec(classes[0], where)
        for cls in classes:
            if self.codec(cls, where) is not codec:
                raise ConfigurationError(f"{where}: {place(cls)} and {place(classes[0])} are of two families; use one")
            for tag in check_message(codec, cls, self.discriminator, self.envelope):
                if unit.prefix + tag in self.received:
                    _claim(self.received, unit.prefix + tag, where)
                self.chunks[unit.prefix + tag] = where
        return section_of(codec, classes, self.discriminator, unit.prefix)

    def hook(self, unit: Unit, guards: tuple[Node, ...]) -> None:
        made: dict[str, list[Hook]] = {"on_connect": [], "on_disconnect": []}
        for registration in unit.source.registrations:
            if registration.kind not in made:
                continue
            signature = self.signature(registration)
            generator = signature.mode == "asyncgen"
            if signature.mode == "gen" or (generator and registration.kind == "on_disconnect"):
                raise ConfigurationError(
                    f"{registration.where} is a generator; only an async on_connect may be one, yielding once"
                )
            run = self.graph.call(signature, guards, unit.state, eager=unit.served, marks=not unit.served)
            if generator:
                self.check_generator_hook(unit, registration, signature, guards)
            made[registration.kind].append(Hook(run, registration.where, generator, not unit.served))
        if made["on_connect"] or made["on_disconnect"]:
            self.hooks.append(Hooks(tuple(made["on_connect"]), tuple(made["on_disconnect"])))

    def check_generator_hook(
        self, unit: Unit, registration: Registration, signature: Signature, guards: tuple[Node, ...]
    ) -> None:
        asked = [node for _, node in self.graph.args(signature, unit.state) if isinstance(node, Node)]
        for node in (one for root in (*guards, *asked) for one in root.walk(deep=False)):
            if node.slot is None and node.mode in ("asyncgen", "gen"):
                raise ConfigurationError(
                    f"{registration.where} lives as long as the connection, {node.where} only for one message; "
                    f'give the dependency scope="connection"'
                )

    def check_state(self, signature: Signature, state: int) -> None:
        """`Context[ChatState]` must ask for the state that the channel makes."""
        factory, owner = self.tree.states[state], self.tree.owners[state]
        for parameter in signature.parameters:
            wanted = get_args(parameter.annotation)
            if parameter.asks is not Ask.CONTEXT or not wanted or wanted[0] is Any or not isinstance(wanted[0], type):
                continue
            if factory is None:
                raise ConfigurationError(
                    f"{signature.where} asks for Context[{wanted[0].__name__}], but {owner.name} "
                    f"({owner.where}) has no state; write Channel(state={wanted[0].__name__})"
                )
            if isinstance(factory, type) and not issubclass(factory, wanted[0]):
                raise ConfigurationError(
                    f"{signature.where} asks for Context[{wanted[0].__name__}], but the state of {owner.name} "
                    f"({owner.where}) is {factory.__name__}; make them agree"
                )

    def check_returns(self, registration: Registration, signature: Signature) -> None:
        """What a handler says it returns or sends are messages, and no tag means two of them."""
        says = () if signature.returns is MISSING else returned(signature.returns)
        named = [(cls, "the return type of ") for cls in says]
        named += [(cls, "output= of ") for one in registration.output for cls in returned(one)]
        for one, what in named:
            codec = self.codec(one, f"{what}{registration.where}")
            cls = get_origin(one) or one
            for tag in check_message(codec, cls, self.discriminator, self.envelope):
                other, where = self.sent.setdefault(tag, (cls, registration.where))
                if other is not cls:
                    raise ConfigurationError(
                        f"two types are sent under the tag {tag!r}: {place(other)} by {where} and "
                        f"{place(cls)} by {registration.where}; give one of them another tag"
                    )

    def codec(self, cls: Any, where: str) -> Codec:
        codec = codec_of(self.codecs, cls)
        if codec is None:
            name = getattr(cls, "__qualname__", cls)
            raise ConfigurationError(
                f"{where}: {name} is no message; a message is a pydantic model or a msgspec.Struct "
                f"with a literal {self.discriminator!r}"
            )
        return codec

    def sections(self) -> tuple[Section | None, dict[str, Section]]:
        made: list[Section] = []
        routes: dict[str, Section] = {}
        for (codec, prefix), handlers in self.handlers.items():
            section = section_of(codec, handlers, self.discriminator, prefix, handlers)
            made.append(section)
            routes.update({prefix + tag: section for tag in section.tags})
        direct = made[0] if len(made) == 1 and not made[0].prefix else None
        return direct, routes


def compile_plan(
    root: Source, codecs: tuple[Codec, ...], overrides: Mapping[Any, Any], timeout: float | None = None
) -> Plan:
    """Compile a channel.

    Args:
        root: the registrations of the channel and of those it includes.
        codecs: the families of messages.
        overrides: dependencies by the one that they replace.
        timeout: of handlers that are not given one, in seconds.

    Raises:
        ConfigurationError: any mistake of set-up; the text names the culprits and what to do.
    """
    tree = Tree(root, root.discriminator, [root.state], [root])
    return _Compiler(codecs, tree, Graph(overrides), timeout, root.discriminator, root.envelope).plan()


def _claim(owners: dict[str, str], tag: str, where: str) -> None:
    if tag in owners:
        raise ConfigurationError(
            f"the tag {tag!r} has two handlers: {owners[tag]} and {where}; "
            f"remove one, or include one channel with a prefix"
        )
    owners[tag] = where


def _wrapped(registration: Registration, inner: Call, state: int) -> Call:
    """One middleware around a call; one closure per message, only where there is a middleware."""
    function = registration.function
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        raise ConfigurationError(
            f"{registration.where}: a middleware is `async def middleware(call_next, message, ctx)`"
        ) from None
    if not inspect.iscoroutinefunction(inspect.unwrap(function)):
        raise ConfigurationError(f"{registration.where}: a middleware is an async def")

    def run(message: Any, connection: Any) -> Any:
        def call_next(changed: Any) -> Any:
            return inner(changed, connection)

        return function(call_next, message, connection.context(state))

    return run
