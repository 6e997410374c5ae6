"""A connection whose client may subscribe to topics, and its subscriptions.

Rules: every frame passes the hub's reader, which runs all the time, so that `subscribe`, `unsubscribe` and what
belongs to a topic act at once, also while a handler of the hub or of another topic is suspended. At most one
subscription to a topic is live; another one to the same topic begins when nothing is left of the one before. All
of them have ended when the hub's own hooks do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio

from chanx import _answers, _control, _dispatch, _frames
from chanx._ahead import Received
from chanx._dispatch import BadFrame, Control
from chanx._states import Beside, State
from chanx._topics import frames
from chanx._topics.frames import Addressed
from chanx._topics.subscription import Subscription
from chanx.connection import Connection
from chanx.exceptions import ConnectionClosed
from chanx.types import size_of

if TYPE_CHECKING:
    from chanx._runtime import Cancel
    from chanx._service import Service

#: The client has ended a subscription, as it may end a connection (RFC 6455, section 7.4.1).
_UNSUBSCRIBED: Received = {"type": "websocket.disconnect", "code": 1000, "reason": "unsubscribed"}


class Hub(Connection):
    """A connection to a channel that includes topics.

    Attributes:
        topics: its subscriptions.
    """

    __slots__ = ("topics",)

    def __init__(self, service: Service, scope: Any, receive: Any, send: Any) -> None:
        self.topics = Topics(self)
        super().__init__(service, scope, receive, send)

    def sifting(self) -> Callable[[Received], Awaitable[tuple[str, Control | None] | None]]:
        return self.topics.sift

    def stuck_reading(self) -> None:
        super().stuck_reading()
        self.topics.stuck()

    @property
    def unfinished(self) -> bool:
        return not self.topics.idle or super().unfinished

    def beside(self) -> list[Beside]:
        return [self.topics, *super().beside()]

    @property
    def handling(self) -> bool:
        return super().handling or self.topics.handling

    def gone(self, event: Received) -> None:
        super().gone(event)
        self.topics.lost(event)

    def was_cut(self) -> None:
        super().was_cut()
        self.topics.were_cut()

    def close(self, code: int, reason: str, *, now: bool = False) -> int:
        dropped = super().close(code, reason, now=now)
        if self.closing:
            self.topics.close(code, reason, now=now)
        return dropped


class Topics:
    """The subscriptions of one connection."""

    __slots__ = ("_finished", "_hub", "_jobs", "_last", "_live")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._live: dict[str, Subscription] = {}
        self._last: dict[str, Subscription] = {}
        self._jobs: dict[Subscription, Cancel] = {}
        self._finished: anyio.Event | None = None

    @property
    def idle(self) -> bool:
        """Nothing is left of any subscription."""
        return not self._jobs

    @property
    def handling(self) -> bool:
        """Is a handler of a topic running?"""
        return any(one.handling for one in self._jobs)

    # -- what the client says -------------------------------------------------------------------------

    async def sift(self, event: Received) -> tuple[str, Control | None] | None:
        """Act on a frame that concerns a topic; else see `_control.sift`."""
        hub = self._hub
        text: str | None = event.get("text")
        # one that is too large ends the connection in its turn
        if text is not None and ('"topic"' in text or "\\" in text) and size_of(text) <= hub.service.limits.max_size:
            try:
                found = frames.read(hub.plan, hub.service.peek_topic, text)
            except BadFrame as bad:
                await _answers.refuse(hub, bad.frame)
                return None
            if found is not None:
                if hub.state is State.OPEN:
                    await self._act(found, event)
                return None
        return await _control.sift(hub, event)

    async def _act(self, found: Addressed, event: Received) -> None:
        topic, action, ref = found
        one = self._live.get(topic)
        if action == "subscribe":
            await self._subscribe(topic, ref, one)
        elif one is None:
            if action is not None or not self._too_late(topic, event["text"]):
                await self._unknown(topic, ref)
        elif action == "unsubscribe":
            await self._unsubscribe(one, ref)
        else:
            waits = await _control.sift(one, event)
            if waits is None or one.queue_frames().feed(event, *waits):
                return
            if waits[1] is None:  # it has ended meanwhile
                await self._unknown(topic, ref)

    def _too_late(self, topic: str, text: str) -> bool:
        """Does a frame for a topic that is not subscribed speak of another one? That has its answer, or never came."""
        found = self._hub.service.topic(topic)
        control = None if found is None else _dispatch.glance(found[0].plan, text)[0]
        if control is None or control.action == "recover":  # it speaks of streams, not of another frame
            return False
        if control.action != "answer":
            return True
        return self._hub.asks is not None and self._hub.asks.asked(control.ref)

    async def _unknown(self, topic: str, ref: str) -> None:
        """A frame is for a topic that is not subscribed; it may have ended while the frame was on its way."""
        hub = self._hub
        if hub.service.topic(topic) is not None:
            detail = "there is no subscription to this topic"
            await self._tell(_frames.topic_error(hub.plan, "not_subscribed", detail, topic, ref))
        else:
            await _answers.refuse(
                hub, _frames.topic_error(hub.plan, "unknown_topic", "there is no such topic", topic, ref)
            )

    async def _subscribe(self, topic: str, ref: str, one: Subscription | None) -> None:
        hub = self._hub
        limits = hub.service.limits
        if one is not None:
            if one.state is State.OPEN:
                await self._tell(_frames.topic_frame(hub.plan, "subscribed", topic, ref))
            elif len(one.refs) < limits.read_ahead:
                one.refs.append(ref)
            else:
                detail = "too many subscriptions to this topic wait for their answer"
                await self._tell(_frames.topic_error(hub.plan, "overloaded", detail, topic, ref))
            return
        found = hub.service.topic(topic)
        if found is None:
            await self._unknown(topic, ref)
            return
        if len(self._jobs) >= limits.topics:
            detail = f"a connection may have {limits.topics} topics; unsubscribe from one"
            await self._tell(_frames.topic_error(hub.plan, "overloaded", detail, topic, ref))
            return
        service, values = found
        one = Subscription(hub, service, topic, values)
        one.refs.append(ref)
        before = self._last.get(topic)
        self._live[topic] = self._last[topic] = one
        self._jobs[one] = hub.home.spawn(self._serve, one, before, context=hub.variables)

    async def _unsubscribe(self, one: Subscription, ref: str) -> None:
        self.forget(one)
        one.lost(_UNSUBSCRIBED)
        one.tell_unanswered()
        await self._tell(_frames.topic_frame(self._hub.plan, "unsubscribed", one.name, ref))

    async def _tell(self, text: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._hub.send_text(text)

    # -- their lives ----------------------------------------------------------------------------------

    async def _serve(self, one: Subscription, before: Subscription | None) -> None:
        try:
            if before is not None:
                await before.done.wait()
            if not one.left:
                await one.run()
        finally:
            if self.has(one):  # nobody has ended it: its refusal could not be told
                one.tell_ended(1011, "internal error")
            one.done.set()
            one.queue_frames().stop()
            if self._last.get(one.name) is one:
                del self._last[one.name]
            del self._jobs[one]
            if not self._jobs and self._finished is not None:
                self._finished.set()
                self._finished = None

    def has(self, one: Subscription) -> bool:
        """Are frames for this one?"""
        return self._live.get(one.name) is one

    def forget(self, one: Subscription) -> None:
        """Frames are no longer for this one."""
        if self.has(one):
            del self._live[one.name]

    def lost(self, event: Received) -> None:
        """The client is gone."""
        live, self._live = self._live, {}
        for one in live.values():
            one.lost(event)

    def close(self, code: int, reason: str, *, now: bool) -> None:
        """The server has begun to close the connection: nothing more is handled."""
        live, self._live = self._live, {}
        for one in live.values():
            one.close(code, reason, now=now)

    def stuck(self) -> None:
        """So much waits that nothing more is read."""
        for one in self._jobs:
            one.stuck_reading()
            one.queue_frames().wake()

    def were_cut(self) -> None:
        """The connection's time is over, and so is theirs."""
        for one in self._jobs:
            if one.handling:
                one.was_cut()

    def stop(self) -> None:
        """Cancel what still runs."""
        self.lost({"type": "websocket.disconnect", "code": 1006})
        for cancel in tuple(self._jobs.values()):
            cancel()

    async def finished(self) -> None:
        """Wait until nothing is left of any subscription."""
        while self._jobs:
            self._finished = self._finished or anyio.Event()
            await self._finished.wait()
