"""A group with history that one connection's client knows of by a public name.

Rules: its frames go out in the order of their positions, each once. What comes live while something older is still to
be sent is held, so many and so much; what comes after that is asked for again. What is held goes out as answers do,
which wait for room: who catches up is not taken for one who is too slow.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

import msgspec

from chanx import _frames

if TYPE_CHECKING:
    from chanx._streams import Streams
    from chanx.groups.history import Kept

#: What may come live while a stream catches up.
HELD, HELD_BYTES = 100, 256 * 1024


class Stream:
    """See above.

    Attributes:
        group: its name.
        name: what the client calls it.
        epoch: the life of its count.
        seq: the position that the client has been told.
        held: what came live while something older is still to be sent; None while nothing is.
        again: something did not come, or could not be held.
        gone: it was left.
    """

    __slots__ = ("_held_bytes", "_streams", "again", "epoch", "gone", "group", "held", "name", "seq")

    def __init__(self, streams: Streams, group: str, name: str) -> None:
        self._streams = streams
        self._held_bytes = 0
        self.group = group
        self.name = name
        self.epoch = ""
        self.seq = 0
        self.held: deque[Kept] | None = deque()
        self.again = self.gone = False

    def take(self, kept: Kept) -> None:
        """One that comes live."""
        if self.held is not None:
            if self.again or len(self.held) >= HELD or self._held_bytes + kept.size > HELD_BYTES:
                self.again = True
            else:
                self.held.append(kept)
                self._held_bytes += kept.size
        elif kept.epoch != self.epoch or kept.seq > self.seq + 1:
            self.check()
        elif kept.seq > self.seq:
            self.seq = kept.seq
            connection = self._streams.connection
            if not connection.outbox.push(self._framed(kept)):
                connection.overloaded("its outbox is full")

    def check(self) -> None:
        """Something may not have come."""
        if self.held is None:
            self.hold()
            self._streams.catch_up(self)
        self.again = True

    def hold(self) -> None:
        """From here on, hold what comes live; what was held so far is asked for."""
        self.held = deque()
        self._held_bytes = 0
        self.again = False

    def live(self) -> bool:
        """Is nothing held, and nothing missing? Then what comes goes out at once."""
        if self.held or self.again:
            return False
        self.held = None
        return True

    async def settle(self) -> bool:
        """Send what is held until nothing is; False where something is missing before it.

        Raises:
            ConnectionClosed: the connection has ended.
        """
        while self.held and not self.gone:
            kept = self.held.popleft()
            self._held_bytes -= kept.size
            if kept.epoch != self.epoch or kept.seq > self.seq + 1:
                self.again = True
                return False
            if kept.seq > self.seq:
                self.seq = kept.seq
                await self._streams.connection.send_text(self._framed(kept).body)
        return self.gone or self.live()

    async def send_again(self, kept: Kept) -> None:
        """Send one that the history has kept.

        Raises:
            ConnectionClosed: the connection has ended.
        """
        self.seq = kept.seq
        streams, users = self._streams, kept.users  # ids of connections are among them: it may be the same one still
        excluded = bool(users) and (streams.connection.id in users or (streams.user or None) in users)
        text = self.told() if excluded else with_place(kept, self.name)
        await streams.connection.send_text(text)

    def told(self, action: str = "position", lost: bool = False) -> str:
        """The frame that tells where the client stands."""
        return _frames.position(self._streams.connection.plan, action, self.name, self.seq, self.epoch, lost)

    def _framed(self, kept: Kept) -> Kept:
        """A push with the envelope, or what tells of its place; made once for all members with the same name."""
        streams, made = self._streams, kept.framed
        if made is None:
            made = {}
            msgspec.structs.force_setattr(kept, "framed", made)
        exclude = kept.exclude
        excluded = bool(exclude) and (streams.connection.id in exclude or (streams.user or None) in exclude)
        key = f"{self.name}\n{excluded}\n{streams.connection.plan.discriminator}"
        framed = made.get(key)
        if framed is None:
            text = self.told() if excluded else with_place(kept, self.name)
            notice = self.told(lost=not excluded)
            framed = made[key] = type(kept)(text, seq=kept.seq, stream=self.name, notice=notice)
        return cast("Kept", framed)


def with_place(kept: Kept, name: str) -> str:
    """A broadcast as the frame of a stream."""
    return kept.body[:-1] + _frames.stream_envelope(name, kept.seq)
