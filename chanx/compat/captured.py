"""What consumers and topics broadcast, for tests that look at it: `chanx.core.testing` of 2.x."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


class Tap:
    """Tells those who look at it of all that is broadcast in this process."""

    def __init__(self) -> None:
        self._observers: list[Callable[..., None]] = []

    def tell(self, *what: Any) -> None:
        """Something is about to be broadcast."""
        for observer in tuple(self._observers):
            observer(*what)

    @contextlib.contextmanager
    def observed(self, observer: Callable[..., None]) -> Generator[None, None, None]:
        """Call a function with all that is broadcast within the block."""
        self._observers.append(observer)
        try:
            yield
        finally:
            self._observers.remove(observer)


events = Tap()
topics = Tap()


@dataclass(frozen=True)
class CapturedBroadcastEvent:
    """One event that was broadcast.

    Attributes:
        event: the object that was given to `broadcast_event`.
        groups: that it went to.
        consumer: the class whose `broadcast_event` it was.
    """

    event: BaseModel
    groups: list[str] = field(default_factory=list[str])
    consumer: Any = None


@dataclass(frozen=True)
class CapturedTopicBroadcast:
    """One event that was broadcast to a topic.

    Attributes:
        topic: the topic's name.
        event: the object that was given to `broadcast`.
        seq: its position in the topic; None where none was given.
        topic_class: the class whose `broadcast` it was.
    """

    topic: str
    event: BaseModel
    seq: int | None = None
    topic_class: Any = None


@contextlib.contextmanager
def capture_broadcast_events(*consumers: type[Any]) -> Generator[list[CapturedBroadcastEvent], None, None]:
    """Collect the events that are broadcast inside the `with` block, from this process; they are sent as well.

    Args:
        consumers: only those of these classes, and of their subclasses; those of all when left out.
    """
    found: list[CapturedBroadcastEvent] = []

    def observe(consumer: type[Any], event: BaseModel, groups: list[str]) -> None:
        if not consumers or issubclass(consumer, consumers):
            found.append(CapturedBroadcastEvent(event, list(groups), consumer))

    with events.observed(observe):
        yield found


@contextlib.contextmanager
def capture_topic_broadcasts(*classes: type[Any]) -> Generator[list[CapturedTopicBroadcast], None, None]:
    """Collect the events that are broadcast to topics inside the `with` block, likewise.

    Args:
        classes: only those of these classes of topics, and of their subclasses; those of all when left out.
    """
    found: list[CapturedTopicBroadcast] = []

    def observe(cls: type[Any], topic: str, event: BaseModel, seq: int | None) -> None:
        if not classes or issubclass(cls, classes):
            found.append(CapturedTopicBroadcast(topic, event, seq, cls))

    with topics.observed(observe):
        yield found
