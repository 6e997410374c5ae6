"""The groups with history that a connection's client knows of, each by a public name: its streams.

Rules: one thing at a time is sent out of turn, by one task. A client is given only what this connection has itself
joined. Of what is sent again, one page at a time is in memory, and so many connections of one event loop ask for one
at a time, so that those who publish are not kept waiting.
"""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Annotated, Any, cast

import anyio
import msgspec

from chanx import _answers, _frames
from chanx._states import State
from chanx._stream import Stream
from chanx.exceptions import ConnectionClosed, LayerUnavailable
from chanx.groups.history import MOST, PAGE

if TYPE_CHECKING:
    from chanx.connection import Connection
    from chanx.groups.history import HistoryLayer, Recalled

logger = logging.getLogger("chanx")

#: Streams that one connection may have, and that one `recover` may name.
MOST_STREAMS = 100
#: Frames that one `recover`, or one join, may bring.
BACKLOG = 1000
#: How often what comes live may be more than a stream can hold while it catches up.
ROUNDS = 10
#: Pages that the connections of one event loop may ask for at a time, and how long one waits for its turn, in seconds.
READS, TURN = 50, 30.0

_reads: weakref.WeakKeyDictionary[Any, anyio.Semaphore] = weakref.WeakKeyDictionary()


class _Position(msgspec.Struct):
    """Where a client stands in a stream."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    epoch: Annotated[str, msgspec.Meta(max_length=64)]


class _Recover(msgspec.Struct):
    """What `recover` says."""

    streams: dict[str, _Position]


_recover = msgspec.json.Decoder(_Recover).decode


class Streams:
    """The streams of one connection.

    Attributes:
        connection: whose they are.
        groups: by name of the group.
        names: by public name.
        user: the key of the connection's user, which `exclude=` goes by in what is sent again.
        recovering: the ref of the `recover` that has no answer yet; empty where there is none.
    """

    __slots__ = ("_behind", "_lock", "connection", "groups", "names", "recovering", "user")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.groups: dict[str, Stream] = {}
        self.names: dict[str, Stream] = {}
        self.user = self.recovering = ""
        self._lock = anyio.Lock()
        self._behind: dict[Stream, None] = {}  # a task catches up with these

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
        connection = self.connection
        async with self._lock:
            self._check(group, name)
            self.user = user or self.user
            if group in self.groups:
                await connection.join(group)
                return
            was_member = group in connection.groups
            stream = self.groups[group] = self.names[name] = Stream(self, group, name)
            try:
                await connection.join(group)
                opened = connection.state is not State.HANDSHAKE
                recalled = await self._read(group, last=min(last, BACKLOG), page=PAGE if opened else 1)
                entries = recalled.entries
                stream.epoch, stream.seq = recalled.epoch, entries[0].seq - 1 if entries else recalled.seq
                await connection.send_text(stream.told("joined"))
                if entries and not opened:  # before the accept there may be no room for all
                    stream.check()
                elif entries:
                    await self._send_all(stream, recalled)
                    if not await self._send_missing(stream, recalled.seq):
                        await connection.send_text(stream.told(lost=True))
            except BaseException:
                if self.groups.get(group) is stream:
                    self.drop(group)
                    if not was_member:
                        connection.leave(group)
                raise
        if not stream.gone and not stream.live():
            self.catch_up(stream)

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
        """Something did not come, or is held."""
        idle = not self._behind
        self._behind[stream] = None
        if idle:
            connection = self.connection
            connection.home.spawn(self._safely, self._catch_up, context=connection.variables)

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
        elif self.recovering:
            detail = "another recover has no answer yet"
            await _answers.refuse(connection, _frames.error_frame(plan, "overloaded", detail, None, ref))
        else:
            self.recovering = ref
            connection.home.spawn(self._safely, self._recover, wanted, ref, context=connection.variables)

    # -- in the background ----------------------------------------------------------------------------

    async def _safely(self, work: Any, *args: Any) -> None:
        """Do it; where that fails, the client is to come back, so nothing is lost without a word."""
        connection = self.connection
        try:
            await work(*args)
        except ConnectionClosed:
            pass
        except LayerUnavailable as error:
            logger.info("connection %s cannot catch up: %s", connection.id, error)
            connection.close(1012, "messages may have been lost")
        except Exception as error:  # noqa: BLE001 - whatever it is: what comes after would wait for ever
            connection.report("sending what was missed", error)
            connection.close(1012, "messages may have been lost")

    async def _catch_up(self) -> None:
        """Send what comes after the last position of each stream, until nothing is missing any more."""
        try:
            while self._behind:
                async with self._lock:
                    stream = next(iter(self._behind))
                    if not await self._caught_up(stream):
                        self.connection.overloaded(f"it does not catch up with {stream.name!r}")
                        return
                    del self._behind[stream]
        finally:
            self._behind.clear()

    async def _caught_up(self, stream: Stream) -> bool:
        for _ in range(ROUNDS):
            if stream.gone or stream.held is None or await stream.settle():
                return True
            if not await self._send_missing(stream):
                await self.connection.send_text(stream.told(lost=True))
        return stream.gone or await stream.settle()

    async def _send_missing(
        self, stream: Stream, end: int | None = None, most: int = BACKLOG, *, answered: bool = False
    ) -> bool:
        """Send what comes after the position of a stream; False where that cannot be had, and it stands at the end.

        Args:
            stream: which.
            end: up to where, if that has been asked already.
            most: so many; more cannot be had.
            answered: an answer will tell the epoch.
        """
        if end is None and stream.again:
            stream.hold()
        while end is None or (stream.seq < end and not stream.gone):
            allowed = most if end is None else MOST
            recalled = await self._read(stream.group, after=stream.seq, epoch=stream.epoch, most=allowed, page=PAGE)
            if recalled.epoch != stream.epoch:
                self.connection.outbox.forgive(stream.name)
            if not recalled.complete:
                stream.epoch, stream.seq = recalled.epoch, recalled.seq
                return False
            if recalled.epoch != stream.epoch:  # the count goes on under another name
                stream.epoch = recalled.epoch
                if not answered:
                    await self.connection.send_text(stream.told())
            end = recalled.seq if end is None else end  # what came since is held
            await self._send_all(stream, recalled)
        return True

    async def _send_all(self, stream: Stream, recalled: Recalled) -> None:
        for kept in recalled.entries:
            if stream.gone:
                return
            await stream.send_again(kept)

    async def _read(self, group: str, **options: Any) -> Recalled:
        """A page of a history, when it is one's turn.

        Raises:
            LayerUnavailable: the broker cannot be reached, or has too much to do.
        """
        home = self.connection.home
        turns = _reads.get(home)
        if turns is None:
            turns = _reads[home] = anyio.Semaphore(READS)
        try:
            turns.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(TURN) as waiting:
                await turns.acquire()
            if waiting.cancelled_caught:
                raise LayerUnavailable("too many ask for what they have missed") from None
        try:
            return await self._layer.recall(group, **options)
        finally:
            turns.release()

    async def _recover(self, wanted: dict[str, _Position], ref: str) -> None:
        try:
            async with self._lock:
                streams = {name: stream for name in wanted if (stream := self.names.get(name)) is not None}
                for stream in streams.values():
                    self.connection.outbox.forgive(stream.name)
                    if stream.held is None:
                        stream.hold()
                answer = await self._backlogs(wanted, streams)
                self.recovering = ""  # the answer may be read before this task goes on
                await self.connection.send_text(_frames.recovered(self.connection.plan, answer, ref))
            for stream in streams.values():
                if not stream.gone and not stream.live():
                    self.catch_up(stream)
        finally:
            if self.recovering == ref:
                self.recovering = ""

    async def _backlogs(self, wanted: dict[str, _Position], streams: dict[str, Stream]) -> dict[str, dict[str, Any]]:
        """Send what was missed, as far as it can be had; returns where each stream stands."""
        answer: dict[str, dict[str, Any]] = {}
        room = BACKLOG
        for name, position in wanted.items():
            stream = streams.get(name)
            if stream is None:
                answer[name] = {"recovered": False}
                continue
            before, again = (stream.epoch, stream.seq), stream.again
            stream.epoch, stream.seq = position.epoch, position.seq
            try:
                whole = await self._send_missing(stream, most=room, answered=True)
            except LayerUnavailable:
                whole = False
                stream.epoch, stream.seq = before
                stream.again = stream.again or again
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
            raise ValueError(f"{group!r} is the stream {stream.name!r} of this connection already; leave it first")
        if stream is None and name in self.names:
            raise ValueError(
                f"the stream {name!r} is another group of this connection already; give this one another name"
            )
        if stream is None and len(self.groups) >= MOST_STREAMS:
            raise ValueError(f"a connection may have {MOST_STREAMS} streams")
