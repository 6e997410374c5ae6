"""What travels through the broker: names of its channels, packets, and commands as bytes (RESP 2).

Rules: a packet is data, checked by msgspec when it comes in; nothing in it is ever run. Fields are only ever added at
the end of a packet, with a default, so that processes of two versions understand each other while one is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from chanx.groups.history import Kept
from chanx.groups.layer import Publication


class Packet(msgspec.Struct, array_like=True, frozen=True):
    """A publication on its way. Names are bytes, since any string is a name, also one that UTF-8 has no form for.

    Attributes:
        body: the message as JSON.
        event: the event's tag; None for a frame.
        groups: left out where the broker's channel tells it.
        connections: ids of single connections.
        exclude: ids of connections that do not get it.
        key: what it is about.
        id: of a packet that goes to several of the broker's channels, so that it is taken once.
    """

    body: str
    event: str | None = None
    groups: tuple[bytes, ...] = ()
    connections: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()
    key: bytes | None = None
    id: bytes = b""


class KeptPacket(Packet, array_like=True, frozen=True):
    """A broadcast to a group with history.

    Attributes:
        users: keys of users who do not get it when it is sent again.
        place: its position in 16 digits, and the epoch; comes last, so that a script can write it.
    """

    users: tuple[bytes, ...] = ()
    place: bytes = b""


#: Room for a place.
NO_PLACE = bytes(32)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(KeptPacket).decode


def to_bytes(name: str) -> bytes:
    """A name as bytes; also one with half a surrogate pair."""
    return name.encode("utf-8", "surrogatepass")


def to_text(name: bytes) -> str:
    """The name again.

    Raises:
        UnicodeDecodeError: it is none.
    """
    return name.decode("utf-8", "surrogatepass")


def owner_of(name: str) -> str:
    """Who has the connection, or the channel, of this name.

    An id of a connection is `process-number`, a channel of a process is called `anything.owner!number` (Channels
    specification). Other names are addresses in themselves.
    """
    if "!" in name:
        return name.partition("!")[0].rpartition(".")[2]
    return name.partition("-")[0]


class Names:
    """The broker's channels of one layer. Layers with the same prefix, on one broker, hear each other.

    Args:
        prefix: what all of them begin with.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._group = to_bytes(f"{prefix}:group:")
        self._owner = to_bytes(f"{prefix}:owner:")
        self._control = to_bytes(f"{prefix}:control:")

    def group(self, name: str) -> bytes:
        """The channel that carries a group."""
        return self._group + to_bytes(name)

    def owner(self, name: str) -> bytes:
        """The channel that carries what is for single connections of one owner."""
        return self._owner + to_bytes(name)

    def control(self, name: str) -> bytes:
        """The channel on which a link hears itself."""
        return self._control + to_bytes(name)

    def group_of(self, channel: bytes) -> str | None:
        """The group that a channel carries; None when it carries none."""
        return to_text(channel[len(self._group) :]) if channel.startswith(self._group) else None

    def publishing(self, publication: Publication, number: str) -> list[bytes]:
        """The commands that publish: one for each of the broker's channels that it goes to, mostly one.

        Args:
            publication: what to publish.
            number: told apart by it where there are several.
        """
        channels = [self.group(group) for group in publication.groups]
        if publication.connections:
            channels += {self.owner(owner_of(one)): None for one in publication.connections}
        if len(channels) > 1:
            channels = list(dict.fromkeys(channels))
        several = len(channels) > 1
        packet = Packet(
            publication.body,
            publication.event,
            tuple(map(to_bytes, publication.groups)) if several else (),
            tuple(map(to_bytes, publication.connections)),
            tuple(map(to_bytes, publication.exclude)),
            None if publication.key is None else to_bytes(publication.key),
            number.encode() if several else b"",
        )
        payload = _encode(packet)
        return [command(b"PUBLISH", channel, payload) for channel in channels]

    def read(self, channel: bytes, payload: bytes) -> tuple[Publication, bytes]:
        """What came in through a channel, and its id.

        Raises:
            msgspec.DecodeError: it is no packet (`msgspec.ValidationError` is one).
            UnicodeDecodeError: a name in it is none.
        """
        packet = _decode(payload)
        groups = tuple(map(to_text, packet.groups))
        if not packet.id and (group := self.group_of(channel)) is not None:
            groups = (group,)
        exclude = frozenset(map(to_text, packet.exclude))
        if packet.place:
            return _kept(packet, groups, exclude), packet.id
        publication = Publication(
            packet.body,
            packet.event,
            groups,
            tuple(map(to_text, packet.connections)),
            exclude,
            None if packet.key is None else to_text(packet.key),
        )
        return publication, packet.id


def kept_packet(kept: Kept) -> bytes:
    """A broadcast to a group with history, with room for its place."""
    exclude, users = tuple(map(to_bytes, kept.exclude)), tuple(map(to_bytes, kept.users))
    return _encode(KeptPacket(kept.body, exclude=exclude, users=users, place=NO_PLACE))


def _kept(packet: KeptPacket, groups: tuple[str, ...], exclude: frozenset[str]) -> Kept:
    place = packet.place
    if len(place) != len(NO_PLACE) or not place[:16].isdigit() or len(groups) != 1:
        raise msgspec.ValidationError("the place is none")
    users = frozenset(map(to_text, packet.users))
    return Kept(packet.body, None, groups, (), exclude, seq=int(place[:16]), epoch=place[16:].decode(), users=users)


def command(*words: bytes, more: int = 0) -> bytes:
    """A command for Redis: an array of bulk strings (RESP, "Sending commands to a Redis server"), of which `more` are
    still to come.
    """
    parts = [b"*%d\r\n" % (len(words) + more)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def commands(word: bytes, channels: Iterable[bytes], most: int = 500) -> list[bytes]:
    """The same command for many channels, at most so many in each."""
    every = list(channels)
    return [command(word, *every[at : at + most]) for at in range(0, len(every), most)]
