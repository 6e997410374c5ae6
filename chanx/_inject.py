"""From signatures to calls: the dependency graph of one plan, and the code that fills a function's parameters.

A call is generated once, in the smallest form that does the work, so that what a function does not ask
for costs nothing when a message arrives:

    lambda m, c: f(m, c.ctx)                     # nothing to wait for
    async def call(m, c):                        # message-scoped dependencies
        d0 = await f0(c.http)
        return await f(m, d0)

`m` is the message (or event, or exception), `c` the connection. Connection-scoped values stand in
`c.values`; those of the served channel are there before the socket is accepted ("eager"), those of
included channels are resolved by `c.resolve(i)` at first use.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec

from chanx import _signature
from chanx._signature import Ask, Mode, Parameter, Signature
from chanx._values import MISSING, name_of, reader
from chanx.exceptions import ConfigurationError
from chanx.params import Depends, Param
from chanx.types import place

#: Arguments of a call: the keyword, or None for one by position, and what fills it.
Args = tuple[tuple[str | None, "Node | Ask"], ...]


class Node(msgspec.Struct, eq=False):
    """One dependency or value of the graph, made at most once per scope."""

    where: str
    mode: Mode | Literal["read"]
    function: Callable[..., Any]
    args: Args = ()
    slot: int | None = None
    state: int | None = None

    def walk(self, *, deep: bool) -> list[Node]:
        """This node and what it stands on, in the order of making; below connection scope only if `deep`."""
        found: dict[Node, None] = {}
        for _, arg in self.args if deep or self.slot is None else ():
            if isinstance(arg, Node):
                found.update(dict.fromkeys(arg.walk(deep=deep)))
        found[self] = None
        return list(found)


class Slot(msgspec.Struct, frozen=True, eq=False):
    """How one connection-scoped value is made: `read` from the scope, or `make` (async) for the connection."""

    read: Callable[[Mapping[str, Any]], Any] | None
    make: Callable[[Any], Awaitable[Any]]
    generator: bool
    needs: tuple[int, ...]


class Value(msgspec.Struct, frozen=True, eq=False):
    """A value of the opening handshake that some function asks for; for documents.

    Attributes:
        name: the name in the handshake.
        default: `MISSING` where there is none.
        slot: its index among the connection-scoped values.
    """

    marker: type[Param]
    name: str
    annotation: Any
    default: Any
    slot: int


class Graph(msgspec.Struct, eq=False):
    """All nodes of one plan, and the code made for its functions.

    Attributes:
        check: called with every signature, and with the index of the state that its `Context` will have.
    """

    overrides: Mapping[Any, Any]
    check: Callable[[Signature, int], None] = lambda _signature, _state: None
    nodes: dict[Any, Node] = msgspec.field(default_factory=dict[Any, Node])
    slotted: list[Node] = msgspec.field(default_factory=list[Node])
    values: list[Value] = msgspec.field(default_factory=list[Value])
    eager: set[int] = msgspec.field(default_factory=set[int])
    building: set[Any] = msgspec.field(default_factory=set[Any])
    uses_http: bool = False

    def guards(
        self, dependencies: tuple[tuple[Depends, int], ...], owner: str, localns: Mapping[str, Any]
    ) -> tuple[Node, ...]:
        """The nodes of channels' own dependencies, each with its channel's state; nobody takes their values."""
        found: list[Node] = []
        for one, state in dependencies:
            if not callable(getattr(one, "dependency", None)):
                raise ConfigurationError(f"dependencies= of {owner}: give Depends(a function), not {one!r}")
            found.append(self._depends(one, owner, state, None, localns))
        return tuple(found)

    def call(
        self,
        signature: Signature,
        guards: tuple[Node, ...],
        state: int,
        *,
        eager: bool,
        marks: bool = False,
        wide: bool = False,
    ) -> Callable[[Any, Any], Any]:
        """Generate the call of one handler, hook or error handler.

        Args:
            signature: of the function.
            guards: the dependencies of its channel, made first; nobody takes their values.
            state: the index of the state of its `Context`.
            eager: it belongs to the served channel, so its connection-scoped values come before accept.
            marks: set `c.entered` just before the function itself is called.
            wide: the call gets the `Run` of a message, `r`, in place of the connection.
        """
        args = self.args(signature, state, wide=wide)
        roots = [*guards, *(arg for _, arg in args if isinstance(arg, Node))]
        if eager:
            needed = (node.slot for root in roots for node in root.walk(deep=True))
            self.eager.update(slot for slot in needed if slot is not None)
        nodes = list(dict.fromkeys(node for root in roots for node in root.walk(deep=False)))
        return _generate(signature, args, nodes, state, eager, marks, wide)

    def slots(self) -> tuple[Slot, ...]:
        """The connection-scoped values of the plan, in the order of their index."""
        return tuple(
            Slot(
                read=node.function if node.mode == "read" else None,
                make=_generate_slot(node),
                generator=node.mode in ("asyncgen", "gen"),
                needs=tuple(one.slot for one in node.walk(deep=True)[:-1] if one.slot is not None),
            )
            for node in self.slotted
        )

    def args(self, signature: Signature, state: int, scope: str = "message", *, wide: bool = False) -> Args:
        """What fills each parameter of a function."""
        self.check(signature, state)
        if not wide and any(parameter.asks is Ask.CHUNKS for parameter in signature.parameters):
            raise ConfigurationError(
                f"{signature.where} asks for an AsyncIterator of what the client streams; "
                f"only an async handler of messages (@channel.on) has one"
            )
        return tuple(
            (parameter.name if parameter.keyword else None, self._arg(parameter, state, scope, signature))
            for parameter in signature.parameters
        )

    def _arg(self, parameter: Parameter, state: int, scope: str, signature: Signature) -> Node | Ask:
        asks = parameter.asks
        if isinstance(asks, Ask):
            self.uses_http = self.uses_http or asks is Ask.CONNECTION
            return asks
        if isinstance(asks, Param):
            return self._param(asks, parameter, signature.where)
        if parameter.inherits_scope:
            asks = Depends(asks.dependency, "connection" if scope == "connection" else "message")
        return self._depends(asks, signature.where, state, scope, signature.localns)

    def _param(self, marker: Param, parameter: Parameter, where: str) -> Node:
        default: Any = parameter.default
        kind: Any = default.__class__  # True and 1 are equal, and not the same default
        try:
            key = (type(marker), marker.name or parameter.name, parameter.annotation, kind, default)
            hash(key)
        except TypeError:  # an unhashable default or constraint: a node of its own
            key = (id(parameter),)  # type: ignore[assignment]
        if key not in self.nodes:
            read = reader(marker, parameter.name, parameter.annotation, default, where)
            node = Node(where, "read", read, slot=len(self.slotted))
            name = name_of(marker, parameter.name)
            self.values.append(Value(type(marker), name, parameter.annotation, default, len(self.slotted)))
            self.nodes[key] = node
            self.slotted.append(node)
        return self.nodes[key]

    def _depends(self, asks: Depends, owner: str, state: int, inside: str | None, localns: Mapping[str, Any]) -> Node:
        wanted = asks.dependency
        if inside == "connection" and asks.scope == "message":
            raise ConfigurationError(
                f"{owner} lives for the connection but needs {place(wanted)}, which lives for one message; "
                f'write Depends({getattr(wanted, "__name__", wanted)}, scope="connection"), or shorten the first'
            )
        function: Any = self.overrides.get(wanted, wanted)
        shared, own = (function, asks.scope), (function, asks.scope, state)
        if shared in self.nodes or own in self.nodes:
            return self.nodes.get(shared) or self.nodes[own]
        if own in self.building:
            raise ConfigurationError(f"{owner} and {place(function)} depend on each other; break the circle")
        self.building.add(own)
        try:
            signature = _signature.read(function, takes_first=False, localns=localns)
            args = self.args(signature, state, asks.scope)
        finally:
            self.building.discard(own)
        node = Node(place(function), signature.mode, _enterable(signature), args)
        own_state = any(arg is Ask.CONTEXT or (isinstance(arg, Node) and arg.state is not None) for _, arg in args)
        node.state = state if own_state else None
        if asks.scope == "connection":
            node.slot = len(self.slotted)
            self.slotted.append(node)
        self.nodes[own if own_state else shared] = node
        return node


def _enterable(signature: Signature) -> Callable[..., Any]:
    """Generators become context managers; everything else, managers too, is called as it is."""
    if getattr(signature.function, "__globals__", None) is vars(contextlib):  # decorated with a function of it
        return signature.function
    if signature.mode == "asyncgen":
        return contextlib.asynccontextmanager(signature.function)
    if signature.mode == "gen":
        return contextlib.contextmanager(signature.function)
    return signature.function


def _generate(
    signature: Signature, args: Args, nodes: list[Node], state: int, eager: bool, marks: bool, wide: bool
) -> Callable[[Any, Any], Any]:
    names: dict[str, Any] = {"f": signature.function, "MISSING": MISSING}
    values: dict[Node, str] = {}
    lines: list[str] = ["c = r.connection"] if wide else []
    for index, node in enumerate(nodes):
        if node.slot is None:
            names[f"f{index}"] = node.function
            lines.append(f"d{index} = {_made(node, f'f{index}', _text(node.args, values, node.state))}")
            values[node] = f"d{index}"
        elif eager:
            values[node] = f"c.values[{node.slot}]"
        else:
            lines.append(f"d{index} = c.values[{node.slot}]")
            lines.append(f"if d{index} is MISSING: d{index} = await c.resolve({node.slot})")
            values[node] = f"d{index}"
    text = _text(args, values, state)
    if marks:
        lines.append("c.entered = True")
    final = f"c.in_thread(f, {text})" if signature.mode == "sync" else f"f({text})"
    if wide and signature.mode == "asyncgen":
        final = f"r.stream({final})"
    waits = wide or signature.mode in ("async", "sync")
    if waits and not lines:
        return eval(compile(f"lambda m, c: {final}", f"<call of {signature.where}>", "eval"), names)  # type: ignore[no-any-return]
    lines.append(f"return await {final}" if waits else f"return {final}")
    return _function("m, r" if wide else "m, c", lines, names, f"<call of {signature.where}>")


def _generate_slot(node: Node) -> Callable[[Any], Any]:
    names: dict[str, Any] = {"f": node.function}
    values: dict[Node, str] = {}
    lines: list[str] = []
    for _, arg in node.args:
        if isinstance(arg, Node):
            values[arg] = f"c.values[{arg.slot}]"
    call = _made(node, "f", _text(node.args, values, node.state), enter=f"c.enter({node.slot},")
    lines.append(f"return {call}")
    return _function("c", lines, names, f"<value of {node.where}>")


def _made(node: Node, name: str, text: str, enter: str = "s.enter_async_context(") -> str:
    """The expression that makes a node's value."""
    match node.mode:
        case "async":
            return f"await {name}({text})"
        case "sync":
            return f"await c.in_thread({name}, {text})"
        case "asyncgen":
            return f"await {enter}{name}({text}))"
        case "read":
            return f"{name}(c.scope)"
        case "gen":
            return f"await {enter}c.threaded({name}({text})))"


def _text(args: Args, values: Mapping[Node, str], state: int | None) -> str:
    parts: list[str] = []
    for keyword, arg in args:
        if isinstance(arg, Node):
            value = values[arg]
        elif arg is Ask.MESSAGE:
            value = "m"
        elif arg is Ask.CONNECTION:
            value = "c.http"
        elif arg is Ask.CHUNKS:
            value = "r.chunks"
        else:
            value = f"c.context({state})" if state else "c.ctx"
        parts.append(f"{keyword}={value}" if keyword else value)
    return ", ".join(parts)


def _function(parameters: str, lines: list[str], names: dict[str, Any], filename: str) -> Callable[..., Any]:
    if any("s.enter_async_context" in line for line in lines if not line.startswith("return")):
        names["Stack"] = contextlib.AsyncExitStack
        # a generator that catches what the handler raised and goes on does not hide it
        lines = [
            "raised = None",
            "try:",
            "    async with Stack() as s:",
            "        try:",
            *(f"            {line}" for line in lines),
            "        except Exception as error:",
            "            raised = error",
            "            raise",
            "    raise raised or TimeoutError('a dependency ended the function that asked for it')",
            "finally:",
            "    del raised",  # else frame and exception would hold each other
        ]
    source = f"async def call({parameters}):\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, filename, "exec"), names)  # noqa: S102
    return names["call"]  # type: ignore[no-any-return]
