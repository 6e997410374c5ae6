"""One client's subscription to a topic: a connection within a connection.

Rules: a subscription is served as a connection of its own, in a task of its own, with hooks, dependencies, state and
groups of its own. Its frames come from the task that reads the connection it is a part of, its hub; they wait in a
queue of its own, in room that all of the hub's queues share. What it says goes out through the hub's outbox. A client
that unsubscribes is to it a client that has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from chanx import _frames
from chanx._ahead import ReadAhead, Received
from chanx._asks import Asks
from chanx._control import sift, streams
from chanx._dispatch import Control
from chanx._runs import Runs
from chanx._topics import frames
from chanx._topics.outbox import TopicOutbox
from chanx.connection import Connection
from chanx.context import Context
from chanx.types import size_of

if TYPE_CHECKING:
    from chanx._service import Service
    from chanx._topics.hub import Hub


class TopicFrames(ReadAhead):
    """The frames of one subscription that wait; the hub's reader puts them in."""

    __slots__ = ("_hub", "_subscription")

    def __init__(self, subscription: Subscription) -> None:
        hub = self._hub = subscription.hub
        self._subscription = subscription
        super().__init__(
            _nothing,
            hub.home,
            hub.queue_frames().room,
            hub.variables,
            sift=partial(sift, subscription),
            gone=subscription.gone,
            stuck=subscription.stuck_reading,
            streams=partial(streams, subscription),
            stays=True,
        )

    def start(self) -> None:
        """There may be room again: the hub's reader reads on."""
        self._hub.queue_frames().start()

    def stop(self) -> None:
        """Nothing more is handled: what waits makes room for others, once its senders are told."""
        super().stop()
        while self._queue and not self._hub.topics.has(self._subscription):
            self._pop(0)

    def feed(self, event: Received, ref: str, control: Control | None) -> bool:
        """Let a frame wait its turn; False when nothing more is handled."""
        if self._over:
            return False
        self.append(event, ref, control)
        self.wake()
        return True

    def refs(self) -> list[str]:
        """Of the messages that wait, in order; empty where one has none."""
        return [one.ref for one in self._queue if one.size and one.control is None]


class Subscription(Connection):
    """A subscription of the client of a hub; a member of groups, with an id of its own.

    Args:
        hub: the connection that it is a part of.
        service: of its topic.
        topic: its name.
        values: of the pattern's parameters.

    Attributes:
        name: its topic.
        refs: of the `subscribe` frames that have no answer yet, as JSON; empty where one has none.
        done: nothing of it is left.
    """

    __slots__ = ("done", "hub", "name", "refs", "topic", "topic_outbox")

    def __init__(self, hub: Hub, service: Service, topic: str, values: Mapping[str, str]) -> None:
        self.hub = hub
        self.topic = self.name = topic
        self.refs: list[str] = []
        self.done = anyio.Event()
        scope: dict[str, Any] = {
            **hub.scope,
            "path_params": {**(hub.scope.get("path_params") or {}), **values},
            "subprotocols": [],
            # a refusal is told with status and detail
            "extensions": {**(hub.scope.get("extensions") or {}), "websocket.http.response": {}},
        }
        super().__init__(service, scope, _connect, None)
        self.subprotocol = hub.subprotocol
        self.outbox = self.topic_outbox = TopicOutbox(self, _frames.topic_envelope(topic))
        self.queue_frames()

    def queue_frames(self) -> TopicFrames:
        if not isinstance(self.ahead, TopicFrames):
            self.ahead = TopicFrames(self)
            self.read = self._read_queued
        return self.ahead

    def made_context(self, state: int) -> Context[Any]:
        known = len(self.hub.plan.states)
        if 1 <= state <= known:  # a state of the hub's, or of a channel that it includes
            return Context(self, self.hub.context(state - 1).state)
        return super().made_context(state)

    def made_runs(self) -> Runs:
        if self.runs is None:
            self.runs = Runs(self, self.hub.made_runs().room)
        return self.runs

    def made_asks(self) -> Asks:
        if self.asks is None:
            self.asks = Asks(self, self.hub.made_asks().questions)
        return self.asks

    def expect_answer(self) -> None:
        """The hub's reader reads all the time."""

    def strike(self) -> bool:
        return self.hub.strike()

    def overloaded(self, why: str) -> None:
        self.hub.overloaded(f"the topic {self.name}: {why}")

    # -- how it ends ----------------------------------------------------------------------------------

    def lost(self, event: Received) -> None:
        """The client has left it, or is gone altogether; what it had sent before is still handled."""
        if not self.left:
            self.queue_frames().end(event)
            self.gone(event)
            self.topic_outbox.shut()  # also where it was closed before it was told that it is subscribed

    def depart(self, code: int, reason: str = "") -> None:
        super().depart(code, reason)
        if code == 1006 and self.hub.topics.has(self):  # nobody has ended it: a hook's own tasks have failed
            self.topic_outbox.shut()
            self.tell_ended(1011, "internal error")

    # -- what the client is told ----------------------------------------------------------------------

    async def tell_subscribed(self) -> None:
        """Answer the `subscribe` frames that have no answer yet."""
        while self.refs:
            await self.hub.send_text(_frames.topic_frame(self.plan, "subscribed", self.name, self.refs.pop(0)))

    async def tell_refused(self, status: int, detail: str) -> None:
        """Answer them with a refusal, and with another one what the client has sent in good hope."""
        if self.left:  # it has its answers
            return
        self.hub.topics.forget(self)
        asked, self.refs = self.refs, []
        for ref in asked:
            await self.hub.send_text(_frames.topic_error(self.plan, frames.reason_of(status), detail, self.name, ref))
        detail = "the subscription was refused"
        for ref in self.queue_frames().refs():
            await self.hub.send_text(_frames.topic_error(self.plan, "not_subscribed", detail, self.name, ref))

    def tell_unanswered(self) -> None:
        """Answer what the client still waits for, and will not get any more."""
        out = self.hub.outbox
        if out.closed:
            return
        runs = () if self.runs is None else self.runs.refs
        detail = "the subscription ended before this was answered"
        asked, self.refs = self.refs, []
        refs = dict.fromkeys((self.ref, *runs, *self.topic_outbox.refs(), *self.queue_frames().refs()))
        for ref in (*asked, *(one for one in refs if not self.topic_outbox.answers(one))):
            if ref:
                text = _frames.topic_error(self.plan, "not_subscribed", detail, self.name, ref)
                out.add(text, size_of(text))
        out.start()

    def tell_ended(self, code: int, reason: str) -> None:
        """The server has ended it."""
        self.hub.topics.forget(self)
        self.tell_unanswered()
        out = self.hub.outbox
        if not out.closed:
            payload = {"code": code, "reason": reason}
            text = _frames.topic_frame(self.plan, "unsubscribed", self.name, "", payload)
            out.add(text, size_of(text))
            out.start()


async def _connect() -> Received:
    """A subscription begins as a connection does."""
    return {"type": "websocket.connect"}


async def _nothing() -> Received:
    """Nobody reads for a subscription: its frames are brought."""
    raise RuntimeError("a subscription has no socket to read from")
