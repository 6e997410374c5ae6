"""What goes out for one subscription: through the outbox of the connection that it is a part of.

Rules: until `subscribed` has been sent, what there is to say waits here, as before the accept of a socket, but not the
answer to a message that the client has cancelled. From then on all of it goes straight to the connection's outbox,
so that the bounds and the policy are those of the connection, for all topics together. After the subscription's end
nothing of it goes out any more.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from chanx._outbox import HELD, SHUT, Outbox
from chanx._queue import Item
from chanx.exceptions import ConnectionClosed
from chanx.groups.history import Kept
from chanx.groups.layer import Publication
from chanx.types import size_of

if TYPE_CHECKING:
    from chanx._topics.subscription import Subscription

#: Stands in `writing` while the subscription lasts: nobody may write by himself, and nothing waits here.
THROUGH = "through"


class TopicOutbox(Outbox):
    """The outbox of a subscription.

    Args:
        subscription: whose it is.
        envelope: what stands in each of its frames, in place of the closing brace.
    """

    __slots__ = ("_direct", "_envelope", "_extra", "_roomless", "_status", "_subscription")

    def __init__(self, subscription: Subscription, envelope: str) -> None:
        super().__init__(self._carry, subscription)
        self._subscription = subscription
        self._envelope = envelope
        self._extra = size_of(envelope) - 1
        self._direct = ""  # the final answer, or push, that is written at this moment
        self._roomless: dict[anyio.CancelScope, str] = {}  # what waits for room
        self._status = 0

    @property
    def _known(self) -> bool:
        """The client knows that it is subscribed, or that it is not."""
        return self.writing is THROUGH or not self._subscription.hub.topics.has(self._subscription)

    @property
    def busy(self) -> str | None:
        """Never: what is written, and what is stuck, is the connection's."""
        return None

    def release(self) -> None:
        """It is subscribed, and all that waited has gone out."""
        if self.writing is HELD:
            self.writing = SHUT if self.closed else THROUGH

    async def put(self, text: str, more: bool = False) -> None:
        if not self._known and self._ref(text):
            # the reader's answer to a frame that acts at once: it speaks of a message, and the reader waits for no hook
            await self._forward(text, more)
            return
        if not self.closed and self.writing is not THROUGH:
            size = size_of(text)
            if self.crowded(size):
                await self.room_for(size)
            if self.writing is not THROUGH:  # else all that was before it has gone out meanwhile
                self.add(text, size)
                return
        if self.closed:
            raise ConnectionClosed
        await self._forward(text, more)

    async def _forward(self, text: str, more: bool = False) -> None:
        """Send a frame with the envelope, or queue it, when there is room."""
        hub = self._subscription.hub
        framed = text[:-1] + self._envelope
        hub.watch()
        if hub.outbox.writing is not None:
            await self._queue(text, framed)
            return
        self._direct = "" if more else text
        try:
            await hub.outbox.put(framed)
        finally:
            self._direct = ""

    async def _queue(self, text: str, framed: str) -> None:
        out = self._subscription.hub.outbox
        size = size_of(framed)
        if out.closed:
            raise ConnectionClosed
        if out.crowded(size):
            with anyio.CancelScope() as scope:
                self._roomless[scope] = text
                try:
                    await out.room_for(size)
                finally:
                    del self._roomless[scope]
            if scope.cancel_called:
                raise ConnectionClosed
        out.add(framed, size)
        out.start()

    def _end(self) -> None:
        """What waits for room does not go out any more, and pushes of another subscription do not overtake its end."""
        for scope in self._roomless:
            scope.cancel()
        self._subscription.hub.outbox.seal(self._envelope)

    def push(self, publication: Publication) -> bool:
        if self.writing is not THROUGH:
            return super().push(publication)
        return self._subscription.hub.outbox.push(self._framed(publication))

    def forgive(self, stream: str) -> None:
        super().forgive(stream)
        self._subscription.hub.outbox.forgive(f"{self._envelope}{stream}")

    def _framed(self, publication: Publication) -> Publication:
        """A push with the envelope; made once for all members that have the same topic."""
        made = publication.framed
        if made is None:
            made = {}
            msgspec.structs.force_setattr(publication, "framed", made)
        framed = made.get(self._envelope)
        if framed is None and isinstance(publication, Kept) and publication.stream:
            notice = publication.notice[:-1] + self._envelope
            framed = made[self._envelope] = Kept(
                publication.body[:-1] + self._envelope,
                size=publication.size + self._extra,
                seq=publication.seq,
                stream=f"{self._envelope}{publication.stream}",
                notice=notice,
            )
        elif framed is None:
            framed = made[self._envelope] = Publication(
                publication.body[:-1] + self._envelope,
                # what a push is about, it is about within its topic
                key=None if publication.key is None else f"{self._envelope}{publication.key}",
                size=publication.size + self._extra,
            )
        return framed

    def answers(self, ref: str) -> bool:
        """Is the final answer to a message being written at this moment?"""
        return self._direct.endswith(f'"ref":{ref}}}')

    def refs(self) -> list[str]:
        """Of the answers that wait for room."""
        return [ref for ref in map(self._ref, self._roomless.values()) if ref]

    def _ref(self, text: str) -> str:
        ref = self._subscription.plan.peek(text).ref
        return "" if ref is msgspec.UNSET else bytes(ref).decode()

    def close(self, code: int, reason: str, *, now: bool = False) -> int:
        if self.closed or self.writing is not THROUGH:
            return super().close(code, reason, now=now)
        self.closed = True
        self.writing = SHUT
        self._subscription.tell_ended(code, reason)
        self._end()
        return 0

    def shut(self) -> None:
        self.closed = True
        self.clear()
        self.writing = SHUT
        self._wake()
        self._end()

    async def _carry(self, event: dict[str, Any]) -> None:
        """What a server does with the events of a socket.

        Raises:
            ConnectionClosed: the connection has ended, or the client wants the topic no more.
        """
        subscription = self._subscription
        kind: str = event["type"]
        if kind == "websocket.accept":
            if subscription.left:
                raise ConnectionClosed
            while subscription.refs or self.waiting:
                await subscription.tell_subscribed()
                if self.waiting:
                    await self._flush(self.take())
        elif kind == "websocket.http.response.start":
            self._status = event["status"]
        elif kind == "websocket.http.response.body":
            detail = json.loads(event["body"])["detail"]
            await subscription.tell_refused(self._status, detail if isinstance(detail, str) else json.dumps(detail))

    async def _flush(self, item: Item) -> None:
        """Send what has waited for the subscription."""
        self._next_turn()
        if isinstance(item, dict):
            self._subscription.tell_ended(item["code"], item["reason"])
        else:
            text = item if isinstance(item, str) else item.body
            await self._forward(text)
