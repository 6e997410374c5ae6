"""The groups with history that a connection's client knows of, each by a public name: its streams.

Rules: a stream's frames go out in the order of their positions, each once. What comes live while something older is
still to be sent is held: so many, and what comes after them is asked for again. One thing at a time is sent out of
turn. A client is given only what this connection has itself joined.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any, cast

import anyio
import msgspec

from chanx import _answers, _frames
from chanx._states import State
from chanx.exceptions import ConnectionClosed, LayerUnavailable
from chanx.groups.history import MOST

if TYPE_CHECKING:
    from chanx.connection import Connection
    from chanx.groups.history import HistoryLayer, Kept, Recalled

logger = logging.getLogger("chanx")

#: Streams that one connection may have, and that one `recover` may name.
MOST_STREAMS = 100
#: Frames that one `recover`, or one join, may bring.
BACKLOG = 1000
#: So many are read at once: they are in memory until the client has taken them.
PAGE = 100
#: What may come live while a stream catches up, and how often it may have been too much.
HELD, ROUNDS = 100, 10


class _Position(msgspec.Struct):
    """Where a client stands in a stream."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    epoch: Annotated[str, msgspec.Meta(max_length=64)]


class _Recover(msgspec.Struct):
    """What `recover` says."""

    streams: dict[str, _Position]


_recover = msgspec.json.Decoder(_Recover).decode


class Stream:
    """One group with history, for one client.

    Attributes:
        group: its name.
        name: what the client calls it.
        epoch: the life of its count.
        seq: the position that the client has been told.
        held: what came live while something older is still to be sent; None while nothing is.
        again: more came than could be held.
        gone: it was left.
    """

    __slots__ = ("_streams", "again", "epoch", "gone", "group", "held", "name", "seq")

    def __init__(self, streams: Streams, group: str, name: str) -> None:
        self._streams = streams
        self.group = group
        self.name = name
        self.epoch = ""
        self.seq = 0
        self.held: deque[Kept] | None = deque()
        self.again = self.gone = False

    def take(self, kept: Kept) -> None:
        """One that comes live."""
        if self.held is not None:
            if len(self.held) < HELD:
                self.held.append(kept)
            else:
                self.again = True
        elif kept.epoch != self.epoch or kept.seq > self.seq + 1:  # something did not come
            self.held = deque((kept,))
            self._streams.catch_up(self)
        elif kept.seq > self.seq:
            self._send(kept)

    def check(self) -> None:
        """Something may not have come."""
        if self.held is None:
            self.held = deque()
            self._streams.catch_up(self)

    def release(self) -> bool:
        """Let go out what was held; False where something is missing before it."""
        held, self.held, again, self.again = self.held or (), None, self.again, False
        for kept in held:
            if kept.epoch != self.epoch or kept.seq > self.seq + 1:
                again = True
                break
            if kept.seq > self.seq:
                self._send(kept)
        if again:
            self.held = deque()
        return not again

    def excludes(self, kept: Kept, live: bool) -> bool:
        """Is it not for this client?"""
        user, connection = self._streams.user, self._streams.connection
        if live and connection.id in kept.exclude:
            return True
        return bool(user) and user in (kept.exclude if live else kept.users)

    def told(self, action: str = "position", lost: bool = False) -> str:
        """The frame that tells where the client stands."""
        return _frames.position(self._streams.connection.plan, action, self.name, self.seq, self.epoch, lost)

    def _send(self, kept: Kept) -> None:
        self.seq = kept.seq
        connection = self._streams.connection
        if not connection.outbox.push(self._framed(kept, self.excludes(kept, live=True))):
            connection.overloaded("its outbox is full")

    def _framed(self, kept: Kept, excluded: bool) -> Kept:
        """A push with the envelope, or what tells of its place; made once for all members with the same name."""
        made = kept.framed
        if made is None:
            made = {}
            msgspec.structs.force_setattr(kept, "framed", made)
        key = f"{self.name}\n{excluded}\n{self._streams.connection.plan.discriminator}"
        framed = made.get(key)
        if framed is None:
            text = self.told() if excluded else with_place(kept, self.name)
            framed = made[key] = type(kept)(text, stream=self.name, notice=self.told(lost=not excluded))
        return cast("Kept", framed)


def with_place(kept: Kept, name: str) -> str:
    """A broadcast as the frame of a stream."""
    return kept.body[:-1] + _frames.stream_envelope(name, kept.seq)


class Streams:
    """The streams of one connection.

    Attributes:
        connection: whose they are.
        groups: by name of the group.
        names: by public name.
        user: the key of the connection's user, which `exclude=` goes by in what is sent again.
    """

    __slots__ = ("_lock", "_recovering", "connection", "groups", "names", "user")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.groups: dict[str, Stream] = {}
        self.names: dict[str, Stream] = {}
        self.user = ""
        self._lock = anyio.Lock()
        self._recovering = False

    @property
    def _layer(self) -> HistoryLayer:
        return cast("HistoryLayer", self.connection.service.layer)

    async def join(self, group: str, name: str, last: int, user: str) -> None:
        """Join a group, and tell the client where it stands.

        Raises:
            ValueError: the group has no history, or it or the name is another stream already, or there are too many.
            ConnectionClosed: the connection has ended.
            LayerUnavailable: the broker cannot be reached.
        """
        self._check(group, name)
        self.user = user or self.user
        connection = self.connection
        if group in self.groups:
            await connection.join(group)
            return
        was_member = group in connection.groups
        stream = self.groups[group] = self.names[name] = Stream(self, group, name)
        try:
            await connection.join(group)
            async with self._lock:
                recalled = await self._layer.recall(group, last=min(last, BACKLOG), most=BACKLOG)
                stream.epoch, stream.seq = recalled.epoch, recalled.seq - len(recalled.entries)
                await connection.send_text(stream.told("joined"))
                caught_up = not recalled.entries or connection.state is not State.HANDSHAKE
                if caught_up:  # before the accept there may be no room for all
                    await self._send_all(stream, recalled)
                    caught_up = stream.gone or stream.release()
        except BaseException:
            self.drop(group)
            if not was_member:
                connection.leave(group)
            raise
        if not caught_up:
            self._spawn(stream)

    def drop(self, group: str) -> None:
        """It is left."""
        stream = self.groups.pop(group, None)
        if stream is not None:
            stream.gone = True
            del self.names[stream.name]

    def missed(self) -> bool:
        """Something that the connection's groups were sent may not have come; do its streams make up for all of it?"""
        for stream in self.groups.values():
            stream.check()
        return self.groups.keys() >= self.connection.groups and not self.connection.hears_events

    def catch_up(self, stream: Stream) -> None:
        """Something did not come."""
        self._spawn(stream)

    async def recover(self, text: str, ref: str) -> None:
        """A client that has come back asks for what it has missed."""
        connection, plan = self.connection, self.connection.plan
        try:
            wanted = _recover(text).streams
            problem = "" if len(wanted) <= MOST_STREAMS else f"at most {MOST_STREAMS} streams"
        except (msgspec.MsgspecError, ValueError, RecursionError):
            wanted, problem = {}, "an object of names, each with the last seq and its epoch"
        if problem:
            found = {"loc": ["streams"], "type": "streams", "msg": problem}
            frame = _frames.error_frame(plan, "invalid_message", "the streams are invalid", [found], ref)
            await _answers.refuse(connection, frame)
        elif self._recovering:
            detail = "another recover has no answer yet"
            await _answers.refuse(connection, _frames.error_frame(plan, "overloaded", detail, None, ref))
        else:
            self._recovering = True
            connection.home.spawn(self._recover, wanted, ref, context=connection.variables)

    # -- in the background ----------------------------------------------------------------------------

    def _spawn(self, stream: Stream) -> None:
        connection = self.connection
        connection.home.spawn(self._catch_up, stream, context=connection.variables)

    async def _catch_up(self, stream: Stream) -> None:
        """Send what comes after the last position, until nothing is missing any more."""
        try:
            async with self._lock:
                for _ in range(ROUNDS):
                    if stream.held is None:
                        return
                    if not await self._send_missing(stream):
                        await self.connection.send_text(stream.told(lost=True))
                    if stream.gone or stream.release():
                        return
            self.connection.overloaded(f"it does not catch up with {stream.name!r}")
        except ConnectionClosed:
            pass
        except LayerUnavailable as error:
            logger.info("connection %s cannot catch up with %r: %s", self.connection.id, stream.name, error)
            self.connection.close(1012, "messages may have been lost")

    async def _send_missing(self, stream: Stream, most: int = BACKLOG) -> bool:
        """Send what comes after the position of a stream; False where that cannot be had, and it stands at the end."""
        stream.again = False
        end: int | None = None
        while end is None or (stream.seq < end and not stream.gone):
            options = {"after": stream.seq, "most": most if end is None else MOST, "page": PAGE}
            recalled = await self._layer.recall(stream.group, epoch=stream.epoch, **options)
            if not recalled.complete:
                stream.epoch, stream.seq = recalled.epoch, recalled.seq
                return False
            end = recalled.seq if end is None else end  # what came since is held
            await self._send_all(stream, recalled)
        return True

    async def _send_all(self, stream: Stream, recalled: Recalled) -> None:
        for kept in recalled.entries:
            if stream.gone:
                return
            stream.seq = kept.seq
            excluded = stream.excludes(kept, live=False)
            await self.connection.send_text(stream.told() if excluded else with_place(kept, stream.name))

    async def _recover(self, wanted: dict[str, _Position], ref: str) -> None:
        answered = False
        try:
            async with self._lock:
                streams = {name: stream for name in wanted if (stream := self.names.get(name)) is not None}
                for stream in streams.values():
                    stream.held = deque() if stream.held is None else stream.held
                answer = await self._backlogs(wanted, streams)
                self._recovering, answered = False, True  # the answer may be read before this task goes on
                await self.connection.send_text(_frames.recovered(self.connection.plan, answer, ref))
                late = [one for one in streams.values() if not one.gone and not one.release()]
            for stream in late:
                self._spawn(stream)
        except ConnectionClosed:
            pass
        finally:
            if not answered:
                self._recovering = False

    async def _backlogs(self, wanted: dict[str, _Position], streams: dict[str, Stream]) -> dict[str, dict[str, Any]]:
        """Send what was missed, as far as it can be had; returns where each stream stands."""
        answer: dict[str, dict[str, Any]] = {}
        room = BACKLOG
        for name, position in wanted.items():
            stream = streams.get(name)
            if stream is None:
                answer[name] = {"recovered": False}
                continue
            before = stream.epoch, stream.seq
            stream.epoch, stream.seq = position.epoch, position.seq
            try:
                whole = await self._send_missing(stream, room)
            except LayerUnavailable:
                whole = False
                stream.epoch, stream.seq = before
            room -= stream.seq - position.seq if whole else 0
            answer[name] = {"recovered": whole, "seq": stream.seq, "epoch": stream.epoch}
        return answer

    def _check(self, group: str, name: str) -> None:
        """See `join`."""
        histories: Any = getattr(self._layer, "histories", None)
        if not histories or histories.find(group) is None:
            raise ValueError(f"{group!r} has no history; a stream is for groups of Channel(history=…)")
        stream = self.groups.get(group)
        if stream is not None and stream.name != name:
            raise ValueError(f"{group!r} is the stream {stream.name!r} of this connection already")
        if stream is None and name in self.names:
            raise ValueError(f"the stream {name!r} is another group of this connection already")
        if stream is None and len(self.groups) >= MOST_STREAMS:
            raise ValueError(f"a connection may have {MOST_STREAMS} streams")
