"""The streams of a client: how far it has heard each group with history, and what it asks for when it comes back.

Rules, which are those of `history.js`: of each stream every push is heard once, in order. One that comes before its
turn is not heard yet: it comes again with what was missed. Where that cannot be had, the client is told, and what is
new goes on. Nothing here reads or writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from pydantic import BaseModel

#: What the refs of `recover` begin with.
REF = "chanx-resume-"


class Place(BaseModel):
    """How far a client has heard a stream.

    Attributes:
        stream: the public name of a group with history.
        seq: the position of the last push.
        epoch: the life of the count.
        topic: the one that the stream belongs to, if any.
    """

    stream: str
    seq: int
    epoch: str
    topic: str | None = None


class Heard(NamedTuple):
    """What becomes of a frame.

    Attributes:
        passes: it is a message like any other, or a push whose turn it is.
        lost: streams of which something cannot be had.
        asks: a frame to send.
    """

    passes: bool = False
    lost: tuple[str, ...] = ()
    asks: Mapping[str, Any] | None = None


class Streams:
    """The streams of one connection, or of one topic on it.

    Attributes:
        places: by the streams' names.
    """

    def __init__(self, discriminator: str, topic: str | None = None) -> None:
        self.places: dict[str, Place] = {}
        self._discriminator = discriminator
        self._topic = topic
        self._missing: dict[str, None] = {}  # what waits for a backlog
        self._asked: list[str] | None = None  # what was asked for, and has no answer yet
        self._count = 0

    def begin(self) -> None:
        """The connection is a new one: `joined` tells where each stream stands."""
        self._missing.clear()
        self._asked = None

    def hear(self, frame: Mapping[str, Any]) -> Heard:
        """A frame has come."""
        tag = frame.get(self._discriminator)
        if self._asked is not None and frame.get("ref") == f"{REF}{self._count}":
            return self._answered(tag, frame)
        if tag == "unsubscribed":
            self.begin()
        name, seq, epoch = frame.get("stream"), frame.get("seq"), frame.get("epoch")
        if not isinstance(name, str) or not isinstance(seq, int):
            return Heard(passes=True)
        told = epoch if isinstance(epoch, str) else None  # `joined` or `position`
        place = self.places.get(name)
        if told is not None and tag == "joined":
            return self._joined(name, seq, told, place)
        if told is not None and frame.get("recovered") is False:
            behind = place is not None and place.epoch == told and seq <= place.seq
            if behind or name in self._missing:  # then the answer tells
                return Heard()
            self._put(name, seq, told)
            return Heard(lost=(name,))
        return self._taken(name, seq, told, place)

    def _joined(self, name: str, seq: int, epoch: str, place: Place | None) -> Heard:
        self._missing.pop(name, None)
        if place is None:
            self._put(name, seq, epoch)
        elif place.epoch != epoch or place.seq < seq:
            return self._ask(name)
        return Heard()

    def _taken(self, name: str, seq: int, told: str | None, place: Place | None) -> Heard:
        if place is None:
            self._put(name, seq, told or "")
        elif told is not None and seq == place.seq:
            place.epoch = told  # the count goes on under this one
        elif seq <= place.seq:
            return Heard()
        elif seq == place.seq + 1 and told in (None, place.epoch):
            place.seq = seq
        else:
            return Heard() if name in self._missing else self._ask(name)
        return Heard(passes=told is None)

    def _ask(self, *names: str) -> Heard:
        self._missing.update(dict.fromkeys(names))
        if self._asked is not None:  # one at a time
            return Heard()
        return Heard(asks=self._recover())

    def _recover(self) -> Mapping[str, Any] | None:
        if not self._missing:
            return None
        self._asked = [*self._missing]
        self._count += 1
        streams = {name: self.places[name].model_dump(include={"seq", "epoch"}) for name in self._asked}
        topic = {} if self._topic is None else {"topic": self._topic, "version": 1}
        return {self._discriminator: "recover", "streams": streams, **topic, "ref": f"{REF}{self._count}"}

    def _answered(self, tag: Any, frame: Mapping[str, Any]) -> Heard:
        asked, self._asked = self._asked or [], None
        payload = frame.get("payload")
        if tag == "error" and isinstance(payload, dict):
            error = cast("dict[str, Any]", payload)
            if error.get("code") == "not_subscribed":  # what is heard when it is subscribed again begins with `joined`
                self.begin()
                return Heard()
        streams = frame.get("streams")
        answers = cast("dict[str, Any]", streams) if isinstance(streams, dict) else {}
        lost = tuple(name for name in asked if not self._settled(name, answers.get(name)))
        return Heard(lost=lost, asks=self._recover())

    def _settled(self, name: str, told: Any) -> bool:
        if name not in self._missing:  # it was joined anew meanwhile
            return True
        del self._missing[name]
        answer = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
        seq, epoch = answer.get("seq"), answer.get("epoch")
        if answer.get("recovered") is True:
            if isinstance(epoch, str):  # another one, under which the count goes on
                self.places[name].epoch = epoch
            return True
        if isinstance(seq, int) and isinstance(epoch, str):
            self._put(name, seq, epoch)
        else:
            self.places.pop(name, None)
        return False

    def _put(self, name: str, seq: int, epoch: str) -> None:
        self.places[name] = Place(stream=name, seq=seq, epoch=epoch, topic=self._topic)


class Resumed:
    """The streams of a connection, and of the topics on it."""

    def __init__(self, discriminator: str, places: Iterable[Place]) -> None:
        self._discriminator = discriminator
        self._topics: dict[str | None, Streams] = {}
        for place in places:
            self._of(place.topic).places[place.stream] = place.model_copy()

    def begin(self) -> None:
        """The connection is a new one."""
        for one in self._topics.values():
            one.begin()

    def places(self) -> list[Place]:
        """How far each stream was heard."""
        return [place.model_copy() for one in self._topics.values() for place in one.places.values()]

    def hear(self, frame: Mapping[str, Any]) -> Heard:
        """A frame has come."""
        topic: Any = frame.get("topic")
        topic = topic if isinstance(topic, str) else None
        return self._of(topic).hear(frame) if topic in self._topics or "stream" in frame else Heard(passes=True)

    def _of(self, topic: str | None) -> Streams:
        if topic not in self._topics:
            self._topics[topic] = Streams(self._discriminator, topic)
        return self._topics[topic]
