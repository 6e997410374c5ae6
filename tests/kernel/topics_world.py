"""Connections and topics, everything that may happen to them, and an exact account of what must come of it.

The account knows for each topic of each connection whether it is subscribed. Where two things that decide it were
sent without waiting in between, either may come first; then the account asks what the client was told, and holds the
server to that. What is published is required, allowed or forbidden for each subscription, at the moment it is
published.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import anyio
import anyio.lowlevel
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Limits, Path, Reject, _runtime
from chanx.connection import Connection
from tests.kernel.messages import Boom, Done, Said, Say, Wait
from tests.kernel.wire import Wire, websocket_scope

#: The topics, and the groups that subscribers of each are in. None stands for a route of its own, that of room 1.
TOPICS: dict[str | None, frozenset[str]] = {
    "room:1": frozenset({"1", "all"}),
    "room:2": frozenset({"2", "all"}),
    "news": frozenset({"news", "all"}),
    None: frozenset({"1", "all"}),
}
GROUPS = [["1"], ["2"], ["news"], ["all"], ["1", "2"], ["1", "all"], ["2", "news", "all"]]

Number = Annotated[str, Path("pk")]
Where = Literal["enter", "leave", "work"]


class Shout(BaseModel):
    action: Literal["shout"] = "shout"
    group: str
    others: bool


class Bye(BaseModel):
    action: Literal["bye"] = "bye"


@dataclass(eq=False)
class Seat:
    """One topic of one connection.

    Attributes:
        open: it is subscribed, as far as is known.
        changes: so many things that decide it have happened since that was last certain.
        required: publications that must arrive.
        allowed: those that may.
        asked: messages without an answer so far, by ref: what may answer them.
    """

    open: bool = False
    changes: int = 0
    required: set[int] = field(default_factory=set[int])
    allowed: set[int] = field(default_factory=set[int])
    asked: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def changed(self, open: bool) -> None:
        self.open = open
        self.changes += 1
        for outcomes in self.asked.values():
            if "said" in outcomes or "done" in outcomes:
                outcomes.add("not_subscribed")

    def loses(self) -> None:
        """What is on its way may be lost."""
        self.allowed |= self.required
        self.required.clear()


@dataclass(eq=False)
class Visit:
    """One connection, from beginning to end."""

    wire: Wire
    number: int
    seats: dict[str | None, Seat]
    live: bool = True
    reads: bool = True

    def stop_reading(self) -> None:
        if self.reads:
            self.reads = False
            self.wire.hold()

    def read_on(self) -> None:
        self.reads = True
        self.wire.release()


class World(logging.Handler):
    """An application, its clients, and the account of them. It is told what is logged: errors must not be."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        logging.getLogger("chanx").addHandler(self)
        self.number = 0
        self.visits: list[Visit] = []
        self.refused: set[str] = {"news"}
        self.ids: dict[tuple[int, str | None], str] = {}
        self.joined: set[tuple[int, str | None]] = set()
        self.gates: dict[Where, anyio.Event] = {}
        self.inside = 0
        self.opened: dict[str, tuple[int, str | None]] = {}
        self.ever: set[str] = set()
        self.hubs: set[int] = set()
        self.problems: list[str] = []
        self.hub = self._made()
        self.app = Starlette(routes=[WebSocketRoute("/hub", self.hub), WebSocketRoute("/rooms/{pk}", self.room)])

    # -- the server ---------------------------------------------------------------------------------

    def _made(self) -> Channel:
        hub = Channel("hub", limits=Limits(strikes=10**6))
        self.room, self.news = Channel("room"), Channel("news")

        @hub.on_connect
        async def enter(ctx: Context) -> None:
            self.hubs.add(self._visit(ctx))

        @hub.on_disconnect
        async def leave(ctx: Context) -> None:
            number = self._visit(ctx)
            self.hubs.remove(number)
            self.must(number not in {visit for visit, _ in self.opened.values()}, "the hub ended before a topic of it")

        @hub.on(Bye)
        async def bye(message: Bye, ctx: Context) -> None:
            await ctx.close(4000, "bye")

        @hub.on(Say)
        async def say_hub(message: Say) -> Said:
            return Said(text=message.text)

        @self.room.on_connect
        async def enter_room(ctx: Context, pk: Number) -> None:
            await self.entering(ctx, pk, "all")

        @self.news.on_connect
        async def enter_news(ctx: Context) -> None:
            await self.entering(ctx, "news", "all")

        for channel in (self.room, self.news):
            channel.on_disconnect(self.leaving)
            channel.on(Bye)(bye)
            channel.on(Say)(self.say)
            channel.on(Wait)(self.wait)
            channel.on(Shout)(self.shout)
            channel.on(Boom)(self.boom)
        hub.include(self.room, topic="room:{pk}")
        hub.include(self.news, topic="news")
        return hub

    @staticmethod
    def _visit(ctx: Context) -> int:
        return int(ctx.connection.scope["number"])

    async def entering(self, ctx: Context, *groups: str) -> None:
        place, refuses = (self._visit(ctx), ctx.topic), ctx.topic in self.refused
        self.must(place not in self.opened.values(), "began before the old one had ended")
        await ctx.join(*groups)
        self.ids[place] = ctx.id
        if not refuses:
            self.joined.add(place)
        await self.held("enter")
        self.joined.discard(place)
        if refuses:
            raise Reject(403, "refused")
        self.must(ctx.id not in self.ever, "on_connect ran twice")
        self.ever.add(ctx.id)
        self.opened[ctx.id] = place

    async def leaving(self, ctx: Context) -> None:
        self.must(ctx.id in self.opened, "on_disconnect ran without on_connect, or twice")
        self.must(not ctx.groups, "on_disconnect ran in a group")
        await self.held("leave")
        del self.opened[ctx.id]

    async def say(self, message: Say) -> Said:
        return Said(text=message.text)

    async def wait(self, message: Wait) -> Done:
        await self.held("work")
        return Done(name=message.name)

    async def boom(self, message: Boom) -> None:
        raise Reject(418, "boom")

    async def shout(self, message: Shout, ctx: Context) -> None:
        number = self.published([message.group], but=(self._visit(ctx), ctx.topic) if message.others else None)
        await ctx.broadcast(Said(text=str(number)), group=message.group, exclude=ctx.id if message.others else ())

    async def held(self, where: Where) -> None:
        if where in self.gates:
            self.inside += 1
            try:
                await self.gates[where].wait()
            finally:
                self.inside -= 1

    def must(self, holds: bool, what: str) -> None:
        """For what is seen inside hooks and handlers, whose exceptions are the kernel's."""
        if not holds:
            self.problems.append(what)

    def emit(self, record: logging.LogRecord) -> None:
        self.problems.append(record.getMessage())

    # -- what happens -------------------------------------------------------------------------------

    def tick(self) -> int:
        self.number += 1
        return self.number

    def published(self, groups: list[str], but: tuple[int, str | None] | None = None) -> int:
        """Account for a publication that is made now."""
        number = self.tick()
        for visit in self.visits:
            for topic, seat in visit.seats.items():
                if TOPICS[topic] & set(groups) and (visit.number, topic) != but:
                    self.reaches(visit, topic, seat, number)
        return number

    def reaches(self, visit: Visit, topic: str | None, seat: Seat, number: int) -> None:
        """A publication is for this seat, where it is one."""
        joined = seat.changes == 1 and (visit.number, topic) in self.joined
        if seat.open and (seat.changes == 0 or joined):
            seat.required.add(number)
        elif seat.changes:
            seat.allowed.add(number)

    async def broadcast(self, groups: list[str]) -> None:
        await self.hub.broadcast(Said(text=str(self.published(groups))), groups=groups)

    async def whisper(self, visit: Visit, topic: str | None) -> None:
        """To the latest subscription alone, which may have ended."""
        if (visit.number, topic) in self.ids:
            number = self.tick()
            self.reaches(visit, topic, visit.seats[topic], number)
            await self.room.broadcast(Said(text=str(number)), connection=self.ids[visit.number, topic])

    def connect(self, routed: bool) -> Visit:
        """A client that comes; its wire is still to be run."""
        scope = websocket_scope(extra={"number": self.tick(), "path": "/rooms/1" if routed else "/hub"})
        seats: dict[str | None, Seat] = {topic: Seat() for topic in TOPICS if (topic is None) == routed}
        visit = Visit(Wire(self.app, scope, 5), scope["number"], seats)
        if routed:
            seats[None].changed(open=True)
        self.visits.append(visit)
        return visit

    async def accepted(self, visit: Visit) -> None:
        if None not in visit.seats or "enter" not in self.gates:
            await visit.wire.accepted()

    def live(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.live]

    async def end(self, visit: Visit, how: str) -> None:
        if how == "bye" and "work" in self.gates:  # on a route of its own it may wait behind a handler
            how = "leave"
        visit.live = False
        for seat in visit.seats.values():
            seat.changed(open=False)
            seat.loses()
        if how == "bye":
            visit.wire.say({"action": "bye"})
        elif how == "fails":
            visit.wire.fails = OSError("broken")
            visit.read_on()
            await self.broadcast(["all"])
            await anyio.wait_all_tasks_blocked()
            visit.wire.leave(1006)
        elif how == "cancel":
            visit.wire.cancel()
        else:
            visit.wire.leave()

    def say_to(self, visit: Visit, topic: str | None, action: str, ref: str | None = None, **fields: Any) -> None:
        envelope = {"topic": topic, "ref": ref}
        visit.wire.say({"action": action, **fields, **{key: one for key, one in envelope.items() if one is not None}})

    def ref(self, visit: Visit, topic: str | None, *outcomes: str) -> str:
        ref = f"r{self.tick()}"
        visit.seats[topic].asked[ref] = set(outcomes)
        return ref

    def subscribe(self, visit: Visit, topic: str) -> None:
        seat = visit.seats[topic]
        sure = seat.changes == 0
        outcomes = ["subscribed"] if sure and (seat.open or topic not in self.refused) else ["unauthorized"]
        if not sure:
            outcomes = ["subscribed", "unauthorized", "not_subscribed"]
        ref = self.ref(visit, topic, *outcomes)
        if not seat.open or not sure:
            seat.changed(open=topic not in self.refused)
        self.say_to(visit, topic, "subscribe", ref)

    def unsubscribe(self, visit: Visit, topic: str) -> None:
        seat = visit.seats[topic]
        outcomes = ["unsubscribed", "not_subscribed"]
        if not seat.changes:
            outcomes = outcomes[:1] if seat.open else outcomes[1:]
        if seat.changes or seat.open:
            seat.changed(open=False)
            for waiting in seat.asked.values():
                waiting.add("not_subscribed")
            seat.loses()
        ref = self.ref(visit, topic, *outcomes)
        self.say_to(visit, topic, "unsubscribe", ref)

    def message(self, visit: Visit, topic: str | None, action: str, **fields: Any) -> None:
        seat = visit.seats[topic]
        outcome = {"say": "said", "wait": "done", "shout": "ack", "bye": "ack", "boom": "unauthorized"}[action]
        outcomes = {outcome, "not_subscribed"}
        if not seat.changes:
            outcomes = {outcome} if seat.open else {"not_subscribed"}
        if action == "bye":
            outcomes |= {"not_subscribed"}
            if seat.changes or seat.open:
                seat.changed(open=False)
        ref = self.ref(visit, topic, *outcomes)
        self.say_to(visit, topic, action, ref, **fields)

    def hold(self, where: Where) -> None:
        self.gates.setdefault(where, anyio.Event())

    def let(self, where: Where) -> None:
        if where in self.gates:
            self.gates.pop(where).set()

    # -- what must hold -----------------------------------------------------------------------------

    async def settle(self) -> None:
        """Until nothing goes on; then all that is certain must be so."""
        calm = not self.gates and all(visit.reads for visit in self.visits)
        for visit in self.visits:
            wire = visit.wire
            if calm and not visit.live:
                await wire.end()
            elif visit.live and wire.sent:  # else it is not accepted yet
                await wire.until(lambda wire=wire: wire.ended or wire.listening or wire.sending)  # type: ignore[misc]
        for _ in range(4):
            await anyio.wait_all_tasks_blocked()
            await anyio.lowlevel.checkpoint()
        for visit in self.visits:
            self.check(visit, calm)
        self.check_groups()
        if calm:
            self.check_server()
        assert self.problems == []

    def check(self, visit: Visit, calm: bool) -> None:
        """What one client has heard."""
        view: dict[str | None, bool] = {topic: topic is None and visit.live for topic in visit.seats}
        pushed: dict[str | None, list[int]] = {topic: [] for topic in visit.seats}
        for frame in visit.wire.frames:
            topic, action, ref = frame.get("topic"), frame["action"], frame.get("ref")
            assert ("version" in frame) == (topic is not None)
            if ref is not None:
                self.answered(visit, topic, frame)
            if action == "subscribed":
                view[topic] = True
            elif action == "unsubscribed":
                # one that is asked for may also end what was not told yet
                assert view[topic] or ref is not None, f"{frame}, and was not subscribed"
                view[topic] = False
            elif action != "error" and topic is not None:
                assert view[topic], f"{frame}, and is not subscribed"
            if action == "said" and ref is None:
                pushed[topic].append(int(frame["text"]))
        for topic, seat in visit.seats.items():
            got = pushed[topic]
            assert len(set(got)) == len(got), f"twice: {got}"
            assert got == sorted(got), f"out of order: {got}"
            assert set(got) <= seat.required | seat.allowed, f"{topic} of {visit.number} may not get {got}: {seat}"
            if calm and visit.live:
                assert seat.required <= set(got), f"{topic} of {visit.number} lost {seat.required - set(got)}"
                assert seat.asked == {}, f"without an answer: {seat.asked}"
                if seat.changes <= 1:
                    assert view[topic] == seat.open, f"{topic} of {visit.number} should be {seat}"
                seat.open = view[topic]
            if calm:
                seat.open, seat.changes = seat.open and visit.live, 0
                visit.seats[topic].allowed &= set(got)

    def answered(self, visit: Visit, topic: str | None, frame: dict[str, Any]) -> None:
        """Each ref has one answer, of a kind that it may have."""
        ref = str(frame["ref"])
        what = frame["payload"]["code"] if frame["action"] == "error" else frame["action"]
        asked = visit.seats[topic].asked
        if ref in asked:
            assert what in asked[ref], f"{ref} was answered with {frame}, not with {asked[ref]}"
            del asked[ref]
        count = sum(json.dumps(ref) in event.get("text", "") for event in visit.wire.sent)
        assert count == 1, f"{ref} was answered {count} times"

    def check_groups(self) -> None:
        """Whatever still runs for a connection that has ended, it is in no group any more."""
        ended = {visit.number for visit in self.visits if not visit.live and visit.reads and None not in visit.seats}
        for member in self.hub.layers()[0].members.everyone():
            assert isinstance(member, Connection)
            assert member.scope["number"] not in ended or not member.groups

    def check_server(self) -> None:
        """What the server thinks of it all."""
        wanted = Counter(
            (visit.number, topic) for visit in self.visits for topic, seat in visit.seats.items() if seat.open
        )
        assert Counter(self.opened.values()) == wanted
        counted: Counter[str] = Counter()
        for _, topic in wanted.elements():
            counted.update(TOPICS[topic])
        members = self.hub.layers()[0].members
        assert {group: members.count(group) for group in members.groups()} == counted
        live = [visit for visit in self.visits if visit.live]
        routed = [visit for visit in live if None in visit.seats]
        assert self.hubs == {visit.number for visit in live if visit not in routed}
        stats = self.hub.stats()
        assert stats.topics == len(wanted) - len(routed)
        assert stats.connections == len(live) - len(routed)

    async def finish(self) -> None:
        """Everybody leaves, and nothing is left."""
        for where in list(self.gates):
            self.let(where)
        for visit in self.visits:
            visit.read_on()
        await self.settle()
        for visit in self.live():
            await self.end(visit, "leave")
        await self.settle()
        assert self.opened == {}
        assert self.hubs == set()
        assert self.inside == 0
        assert _runtime.current().connections == set()
        members = self.hub.layers()[0].members
        assert members.groups() == []
        assert members.everyone() == []
        assert self.problems == []
