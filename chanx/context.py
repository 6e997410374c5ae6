"""What a handler may ask for: its connection, its groups, and ways to answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, overload

from starlette.requests import HTTPConnection
from typing_extensions import TypeVar

from chanx import _dispatch, _publish
from chanx.types import may_be_sent

if TYPE_CHECKING:
    from chanx.connection import Connection

StateT = TypeVar("StateT", default=Any)
A = TypeVar("A")
B = TypeVar("B")


class Context(Generic[StateT]):
    """The connection as its handlers see it. One per connection and state, not per message.

    Attributes:
        state: what the channel's `state=` factory made for this connection, else None.
    """

    __slots__ = ("_connection", "state")
    __chanx_context__ = True

    def __init__(self, connection: Connection, state: StateT) -> None:
        self._connection = connection
        self.state = state

    @property
    def id(self) -> str:
        """The connection's id, unique over processes; for `exclude=` and `connection=`."""
        connection = self._connection
        members = connection.service.layer.members
        # others may send to it: it is told where they may have done so in vain; not after its end, or it would stay
        if members.begun is not None and members.has(connection.id):
            members.given.add(connection.id)
        return connection.id

    @property
    def connection(self) -> HTTPConnection:
        """The opening handshake: headers, query, path, `scope["user"]` and so on (Starlette's class)."""
        return self._connection.handshake()

    @property
    def topic(self) -> str | None:
        """The topic that this connection is a subscription to; None for one that has a socket of its own."""
        return self._connection.topic

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on (RFC 6455, section 1.9)."""
        return self._connection.subprotocol

    @property
    def groups(self) -> frozenset[str]:
        """The groups that the connection is in."""
        return frozenset(self._connection.groups)

    @property
    def left_groups(self) -> frozenset[str]:
        """In `on_disconnect`: the groups that the connection was in when it ended."""
        return frozenset(self._connection.left_groups)

    @property
    def is_open(self) -> bool:
        """Can something still be sent?"""
        return not self._connection.outbox.closed

    @property
    def close_code(self) -> int | None:
        """The close code (RFC 6455, section 7.4), once the connection has ended; 1006 for a broken one."""
        return self._connection.close_code

    @property
    def close_reason(self) -> str:
        """The close reason; empty when there was none."""
        return self._connection.close_reason

    async def send(self, message: Any) -> None:
        """Send a message to this client; waits for room, at most `Limits.send_timeout`.

        Before the connection is accepted the message waits, and goes out first after it.

        Raises:
            ConnectionClosed: the connection has ended, or took too long.
            ConfigurationError: it is no message.
        """
        connection = self._connection
        await connection.send_text(_dispatch.encode(connection.plan, message))

    @overload
    async def ask(self, question: Any, /, *, timeout: float | None = None) -> Any: ...
    @overload
    async def ask(self, question: Any, a: type[A], /, *, timeout: float | None = None) -> A: ...
    @overload
    async def ask(self, question: Any, a: type[A], b: type[B], /, *, timeout: float | None = None) -> A | B: ...
    @overload
    async def ask(self, question: Any, *answers: type[A], timeout: float | None = None) -> A: ...
    async def ask(self, question: Any, *answers: Any, timeout: float | None = None) -> Any:
        """Ask the client, and return its validated answer.

        The question goes out with an `ask` id; the client answers with a frame that carries the same one. An answer
        that is invalid is answered with an error, and the question stays open.

        Args:
            question: a model or struct with a literal tag.
            answers: classes of messages that answer it, all of one family; any message that the channel receives
                when left out. They need no handler.
            timeout: in seconds; `Limits.ask_timeout` when left out.

        Raises:
            AskFailed: no answer came in time, the client declined, or it sends so much that nothing more is read.
            ConnectionClosed: the connection has ended.
            RuntimeError: the connection is not accepted yet.
            ConfigurationError: it is no message, or the channel has `envelope=False`.
        """
        return await self._connection.ask(question, answers, timeout)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after what waits was sent; the running handler may finish.

        Args:
            code: 1000 or 3000 to 4999 for applications, or one of RFC 6455, section 7.4.1.
            reason: cut to the 123 bytes that fit.

        Raises:
            ValueError: the code may not be sent, or the reason is no string.
        """
        if not may_be_sent(code):
            raise ValueError(f"close code {code!r} cannot be sent; use 1000 or 3000 to 4999")
        if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"reason={reason!r}; give a string")  # noqa: TRY004 - as for the code
        self._connection.close(code, reason)

    async def join(self, *groups: str, stream: str | None = None, last: int = 0, user: str = "") -> None:
        """Enter groups; returns when the group layer has confirmed it.

        Args:
            groups: their names, which no client sees.
            stream: for one group with history (`Channel(history=…)`): the name by which the client knows it. The client
                is told its place with `joined`; each broadcast then carries `stream` and `seq`, and the client may
                ask for what it has missed.
            last: with `stream`: so many of the last broadcasts are sent first, as far as they are kept; at most 1,000.
            user: with `stream`: the key that `exclude=` goes by in what is sent again, since ids of connections die
                with them; one for each client, not for each person who may have several. A connection has one key:
                the last that was given, for all its streams.

        To join again what is joined already sends nothing.

        Raises:
            ConnectionClosed: the connection has ended, so nothing could be delivered.
            TypeError: a name is no string, or an argument is wrong.
            ValueError: the group has no history, or it or the name is another stream of this connection already.
        """
        if stream is not None:
            await self._connection.made_streams().join(*_publish.stream(groups, stream, last, user))
            return
        if last or user:
            raise TypeError("last= and user= are for a group that is joined as a stream: join(group, stream=…)")
        for group in _publish.names(groups):
            await self._connection.join(group)

    async def leave(self, *groups: str) -> None:
        """Leave groups; one that the connection is not in is ignored.

        Raises:
            TypeError: a name is no string.
        """
        for group in _publish.names(groups):
            self._connection.leave(group)

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
        """Send a message to the clients of groups, this one included unless excluded.

        Args:
            message: a model or struct with a literal tag.
            group: one group.
            groups: several; a member of more than one gets the message once, but once for each that has a history.
            connection: the id of a single connection.
            exclude: ids of connections that do not get it, as in `exclude=ctx.id`.
            key: what the message is about, as in `key="price:AAPL"`. With `Channel(overflow="coalesce")` it takes
                the place of an earlier one with the same key that still waits for a slow client; else ignored.
            idempotency_key: a group with history gets the message once, however often it is sent with this key
                within the `ttl` of its history.

        Raises:
            ConfigurationError: it is no message.
            TypeError: it names no target, or a name, id or key is no string.
            ValueError: there is an `idempotency_key`, and a target that has no history.
        """
        own = self._connection
        addressed = _publish.targets(group, groups, connection, exclude, key)
        publication = _publish.frame(own.plan, message, addressed)
        if idempotency_key is not None:
            publication = _publish.once(publication, idempotency_key, [own.service.layer])
        await own.publish(publication, message)

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
        """Send an event to the `@channel.event` functions of the members of groups; see `broadcast`."""
        own = self._connection
        addressed = _publish.targets(group, groups, connection, exclude, key)
        await own.publish(_publish.event(own.plan, event, addressed), event)
