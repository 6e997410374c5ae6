"""A channel layer in the sense of Django Channels, on a group layer of ours.

Its channels are members of the group layer, told by their names; so consumers and native channels that share a group
layer share groups. A delivery costs the same however many members a group has: a message is written once, and each
channel queues a reference to it.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

from chanx.compat import content
from chanx.compat.exceptions import ChannelFull
from chanx.compat.mailbox import Mailbox
from chanx.compat.names import capacities, check_channel, check_group
from chanx.groups.layer import GroupLayer, Publication
from chanx.groups.memory import MemoryLayer

logger = logging.getLogger("chanx")

#: So often, counted in new channels, those that nobody would miss are looked for.
_SWEEP = 1000


class ChannelLayer:
    """Channels and groups of channels, in this process.

    Args:
        expiry: how long a message may wait in a channel, in seconds.
        group_expiry: how long a channel may be in a group without being added anew, in seconds.
        capacity: how many messages may wait in a channel.
        channel_capacity: other capacities, by a pattern of names such as `"http.request*"`.
        groups: the group layer; share it with `Channel(groups=…)` to share groups. One in memory when left out.
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
        self._lock = threading.Lock()
        self._prefix = secrets.token_hex(8)
        self._number = 0

    # -- channels -----------------------------------------------------------------------------------

    async def new_channel(self, prefix: str = "specific") -> str:
        """A name that no other channel has, of a channel of this process."""
        with self._lock:
            self._number += 1
            if self._number % _SWEEP == 0:
                self._sweep()
            return f"{prefix}.{self._prefix}!{self._number:x}"

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Put a message into a channel.

        Raises:
            ChannelFull: as many wait there as may.
            TypeError: it is no name, or no message.
        """
        check_channel(channel)
        publication = _publication(message, connections=(channel,))
        if self.mailbox(channel).full:
            raise ChannelFull(f"{channel} is full: {self._capacity_of(channel)} messages wait in it")
        await self.group_layer.publish(publication)

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message of a channel; waits for one.

        Raises:
            TypeError: it is no name.
        """
        check_channel(channel, receive=True)
        mailbox = self.mailbox(channel)
        try:
            return await mailbox.receive()
        finally:
            self._forget_idle(mailbox)

    # -- groups -------------------------------------------------------------------------------------

    async def group_add(self, group: str, channel: str) -> None:
        """Put a channel into a group; one that is in it stays for another `group_expiry`.

        Raises:
            TypeError: either is no name.
        """
        check_group(group)
        check_channel(channel)
        mailbox = self.mailbox(channel)
        mailbox.groups[group] = time.monotonic()
        self.group_layer.members.join(group, mailbox)
        await self.group_layer.subscribe(group)

    async def group_discard(self, group: str, channel: str) -> None:
        """Take a channel out of a group; nothing happens where it is not in it.

        Raises:
            TypeError: either is no name.
        """
        check_group(group)
        check_channel(channel)
        mailbox = self._mailboxes.get(channel)
        if mailbox is not None:
            self._leave(group, mailbox)
            self._forget_idle(mailbox)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Put a message into all channels of a group; where there is no room it is dropped.

        Raises:
            TypeError: it is no name, or no message.
        """
        check_group(group)
        await self.group_layer.publish(_publication(message, groups=(group,)))

    async def flush(self) -> None:
        """Forget all channels and groups."""
        with self._lock:
            mailboxes = list(self._mailboxes.values())
        for mailbox in mailboxes:
            self.discard(mailbox)

    async def close(self) -> None:
        """Let go of the group layer."""
        await self.group_layer.aclose()

    # -- for consumers ------------------------------------------------------------------------------

    def mailbox(self, channel: str) -> Mailbox:
        """The messages that wait in a channel; made when it is needed."""
        with self._lock:
            mailbox = self._mailboxes.get(channel)
            if mailbox is None:
                mailbox = Mailbox(channel, self._capacity_of(channel), self.expiry, self.group_expiry)
                self._mailboxes[channel] = mailbox
                self.group_layer.members.add(mailbox)
            return mailbox

    def discard(self, mailbox: Mailbox) -> None:
        """A channel is no more; it leaves its groups."""
        for group in tuple(mailbox.groups):
            self._leave(group, mailbox)
        with self._lock:
            self._mailboxes.pop(mailbox.id, None)
        self.group_layer.members.remove(mailbox)
        if mailbox.dropped:
            logger.warning("channel %s: %d messages were dropped for want of room or time", mailbox.id, mailbox.dropped)

    def _leave(self, group: str, mailbox: Mailbox) -> None:
        if mailbox.groups.pop(group, None) is not None and self.group_layer.members.leave(group, mailbox):
            self.group_layer.unsubscribe(group)

    def _forget_idle(self, mailbox: Mailbox) -> None:
        if mailbox.idle:
            self.discard(mailbox)

    def _sweep(self) -> None:
        """Drop messages that have waited too long, and channels that nobody would miss."""
        for mailbox in list(self._mailboxes.values()):
            if not mailbox.full and mailbox.idle:
                self._mailboxes.pop(mailbox.id)
                self.group_layer.members.remove(mailbox)


def _publication(message: Any, **addressed: Any) -> Publication:
    if not isinstance(message, dict):
        raise TypeError(f"{message!r} is no message: a message on a channel layer is a dictionary")
    kind: Any = message.get("type")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return Publication(content.write(message), event=kind if isinstance(kind, str) else "", **addressed)  # pyright: ignore[reportUnknownArgumentType]
