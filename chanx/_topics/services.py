"""The services of a channel's topics, and its counters with theirs."""

from __future__ import annotations

from typing import Any

import msgspec

from chanx._plan import Topic
from chanx._service import Counters, Service
from chanx._topics import frames
from chanx._topics.hub import Hub
from chanx.types import Stats

#: Limits of a socket: those of the channel that is served hold for all of its topics together.
_OF_THE_SOCKET = (
    *("max_size", "strikes", "strikes_window", "read_ahead", "read_ahead_bytes"),
    *("outbox", "outbox_bytes", "send_timeout", "topics"),
)

#: Counters of topics that count the same things in both.
_COMMON = ("handler_errors", "events_skipped", "frames_dropped", "coalesced", "cancelled")


def served_with_topics(service: Service, counters: Counters) -> Service:
    """The service of a channel whose plan has topics."""
    topics = tuple((topic.pattern, _service(service, topic, counters)) for topic in service.plan.topics)
    peek = frames.make_peek(service.plan.discriminator)
    return msgspec.structs.replace(service, connection=Hub, topics=topics, peek_topic=peek)


def _service(hub: Service, topic: Topic, counters: Counters) -> Service:
    limits = hub.limits if topic.limits is None else topic.limits
    kept: dict[str, Any] = {name: getattr(hub.limits, name) for name in _OF_THE_SOCKET}
    return msgspec.structs.replace(
        hub,
        plan=topic.plan,
        limits=msgspec.structs.replace(limits, heartbeat=None, idle=None, **kept),
        counters=counters,
        refuse="http",
        subprotocols=(),
        answers={},
    )


def stats_of(own: Counters, topics: Counters) -> Stats:
    """The counters of a channel and of its topics as they are now."""
    common = {name: getattr(own, name) + getattr(topics, name) for name in _COMMON}
    counts = {"topics": topics.connections, "subscribed": topics.accepted, "topics_refused": topics.refused}
    return msgspec.structs.replace(own.snapshot(), **common, **counts)
