"""A channel layer in the sense of Django Channels, on a group layer of ours.

Its channels are members of the group layer, told by their names; so consumers and native channels that share a group
layer share groups. A delivery costs the same however many members a group has: a message is written once, and each
channel queues a reference to it.

Rules: a lock guards the table of channels, and which groups each is in; so a channel that is found in the table is not
dropped from it before what is done with it is done. A consumer's channel lives as long as the consumer. Any other is
made when it is needed, and dropped when nobody would miss it: at once where it is empty, in no group and nobody
receives, else when messages in it have expired unread, or the memberships have.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from time import monotonic
from typing import Any

from chanx import _runtime
from chanx.compat import content
from chanx.compat.exceptions import ChannelFull
from chanx.compat.mailbox import Consumer, Listener, Mailbox, Message
from chanx.compat.names import capacities, check_channel, check_group
from chanx.groups.layer import GroupLayer
from chanx.groups.memory import MemoryLayer

#: When there are so many channels more than after the last look, those that nobody would miss are looked for.
_MANY = 1000


class ChannelLayer:
    """Channels and groups of channels, in this process, over all its event loops and threads.

    Args:
        expiry: how long a message may wait in a channel, in seconds.
        group_expiry: how long a channel may be in a group without being added anew, in seconds.
        capacity: how many messages may wait in a channel.
        channel_capacity: other capacities, by a pattern of names such as `"http.request*"`.
        groups: the group layer; one in memory when left out.

    Attributes:
        group_layer: give it to native channels, `Channel(groups=layer.group_layer)`, to share groups with them.

    Raises:
        ValueError: a capacity is no positive integer.
    """

    extensions = ("groups", "flush")

    def __init__(
        self,
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Any, int] | None = None,
        groups: GroupLayer | None = None,
    ) -> None:
        self.expiry = expiry
        self.group_expiry = group_expiry
        self.capacity = capacity
        self.group_layer: GroupLayer = MemoryLayer() if groups is None else groups
        self._capacity_of = capacities(capacity, channel_capacity)
        self._mailboxes: dict[str, Mailbox] = {}
        self._unheard: dict[str, Mailbox] = {}  # those that are no consumer's, the only ones to be looked through
        self._lock = threading.RLock()
        self._prefix = secrets.token_hex(8)
        self._number = 0
        self._dropped = 0
        self._look_at = (_MANY, monotonic() + expiry)

    @property
    def dropped(self) -> int:
        """How many messages were dropped for want of room or time."""
        with self._lock:
            return self._dropped + sum(mailbox.dropped for mailbox in self._mailboxes.values())

    # -- channels -----------------------------------------------------------------------------------

    async def new_channel(self, prefix: str = "specific") -> str:
        """A name that no other channel has, of a channel of this process.

        Raises:
            TypeError: such a prefix makes no name.
        """
        with self._lock:
            self._number += 1
            name = f"{prefix}.{self._prefix}!{self._number:x}"
        check_channel(name)
        return name

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Put a message into a channel; the id of a native connection is one, too.

        Raises:
            ChannelFull: as many wait there as may.
            TypeError: it is no name, or no message.
        """
        check_channel(channel)
        publication = _publication(message, connections=(channel,))
        with self._lock:
            mailbox = self._mailboxes.get(channel)
            if mailbox is None and self._is_here(channel):
                mailbox = self._made(channel)
            if mailbox is not None:
                mailbox.receivers += 1  # it stays, also when a thread looks for idle ones
        if mailbox is None:
            await self.group_layer.publish(publication)
            return
        try:
            if not mailbox.put(publication):
                raise ChannelFull(f"{channel} is full: {self._capacity_of(channel)} messages wait in it")
        finally:
            self._let_go(mailbox)

    def _is_here(self, channel: str) -> bool:
        """Are messages for it kept here? Else another process has it, or it is the id of a native connection."""
        return isinstance(self.group_layer, MemoryLayer) and not self.group_layer.members.has(channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message of a channel; waits for one. Each message goes to one receiver.

        Raises:
            TypeError: it is no name.
        """
        check_channel(channel)
        with self._lock:
            mailbox = self._mailboxes.get(channel) or self._made(channel)
            mailbox.receivers += 1
        try:
            return await mailbox.receive()
        finally:
            self._let_go(mailbox)

    def _let_go(self, mailbox: Mailbox) -> None:
        with self._lock:
            mailbox.receivers -= 1
            if mailbox.idle:
                self.discard(mailbox)

    # -- groups -------------------------------------------------------------------------------------

    async def group_add(self, group: str, channel: str) -> None:
        """Put a channel into a group; one that is in it stays for another `group_expiry`.

        Raises:
            TypeError: either is no name.
        """
        check_group(group)
        if channel not in self._mailboxes:  # where it is, it was checked
            check_channel(channel)
        with self._lock:
            mailbox = self._mailboxes.get(channel) or self._made(channel)
            first = group not in mailbox.groups
            mailbox.joined(group)
            self.group_layer.members.join(group, mailbox)
            subscribed = self.group_layer.subscribe(group)
        try:
            await subscribed
        except BaseException:
            if first:
                await self.group_discard(group, channel)
            raise

    async def group_discard(self, group: str, channel: str) -> None:
        """Take a channel out of a group; nothing happens where it is not in it.

        Raises:
            TypeError: either is no name.
        """
        check_group(group)
        if channel not in self._mailboxes:
            check_channel(channel)
        with self._lock:
            mailbox = self._mailboxes.get(channel)
            if mailbox is not None:
                self._leave(group, mailbox)
                if mailbox.idle:
                    self.discard(mailbox)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Put a message into all channels of a group; where there is no room it is dropped, and counted.

        Raises:
            TypeError: it is no name, or no message.
        """
        check_group(group)
        await self.group_layer.publish(_publication(message, groups=(group,)))

    # -- the whole ----------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Forget all messages and groups; consumers go on, and who waits for a message waits on."""
        with self._lock:
            for mailbox in tuple(self._mailboxes.values()):
                mailbox.clear()
                self.leave_all(mailbox)
                if mailbox.idle:
                    self.discard(mailbox)

    async def close(self) -> None:
        """Let go of the group layer."""
        await self.group_layer.aclose()

    # -- for consumers ------------------------------------------------------------------------------

    def listen(self, channel: str, home: _runtime.Runtime, consumer: Consumer, broadcasts: bool = False) -> Mailbox:
        """The channel of a consumer, until it is discarded.

        Args:
            channel: its name.
            home: the loop that the consumer runs on.
            consumer: is told there whenever a message has come.
            broadcasts: does it want what native channels send straight to clients?
        """
        with self._lock:
            mailbox = self._mailboxes.get(channel) or self._made(channel)
            mailbox.listener = Listener(home, consumer, self.discard, broadcasts)
            self._unheard.pop(channel, None)
            return mailbox

    def discard(self, mailbox: Mailbox) -> None:
        """A channel is no more; it leaves its groups."""
        with self._lock:
            if self._mailboxes.get(mailbox.id) is not mailbox:
                return
            self.leave_all(mailbox)
            del self._mailboxes[mailbox.id]
            self._unheard.pop(mailbox.id, None)
            self.group_layer.members.remove(mailbox)
            self._dropped += mailbox.dropped
            mailbox.listener = None  # which knows the mailbox: nothing is to wait for the collector of garbage

    def leave_all(self, mailbox: Mailbox) -> None:
        """Take a channel out of its groups."""
        with self._lock:
            for group in tuple(mailbox.groups):
                self._leave(group, mailbox)

    def _made(self, channel: str) -> Mailbox:
        many, late = self._look_at
        if len(self._unheard) >= many or monotonic() > late:
            self._tidy()
        mailbox = Mailbox(channel, self._capacity_of(channel), self.expiry, self.group_expiry)
        self._mailboxes[channel] = self._unheard[channel] = mailbox
        self.group_layer.members.add(mailbox)
        return mailbox

    def _leave(self, group: str, mailbox: Mailbox) -> None:
        if mailbox.groups.pop(group, None) is not None and self.group_layer.members.leave(group, mailbox):
            self.group_layer.unsubscribe(group)

    def _tidy(self) -> None:
        """Drop what has waited too long, and the channels that nobody would miss.

        Where a message has expired and nobody receives, nobody has for that long, and the memberships end as well
        (Channels specification, "Persistence").
        """
        for mailbox in tuple(self._unheard.values()):
            expired, groups = mailbox.tidy()
            for group in tuple(mailbox.groups) if expired and not mailbox.receivers else groups:
                self._leave(group, mailbox)
            if mailbox.idle:
                self.discard(mailbox)
        self._look_at = (2 * len(self._unheard) + _MANY, monotonic() + self.expiry)


def _publication(message: Any, **addressed: Any) -> Message:
    if not isinstance(message, dict):
        raise TypeError(f"{message!r} is no message: a message on a channel layer is a dictionary")
    kind: Any = message.get("type")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    event = str.__str__(kind) if isinstance(kind, str) else ""
    return Message(content.write(message), event=event, **addressed)  # pyright: ignore[reportUnknownArgumentType]
