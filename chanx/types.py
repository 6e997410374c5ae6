"""Small shared types: limits, counters and what a place in the source is called."""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any

import msgspec

from chanx.exceptions import ConfigurationError

#: Keys of a frame that belong to the envelope, not to the message (DESIGN, "On the wire").
RESERVED_KEYS = frozenset({"ref", "ask", "topic", "stream", "seq", "epoch", "version"})

#: Tags that control frames use; no message may carry one.
CONTROL_ACTIONS = frozenset(
    {"ack", "error", "complete", "cancel", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "recover"}
    | {"recovered", "gap", "heartbeat"}
)

#: Close codes of the protocol that an application may send (RFC 6455, section 7.4.1, and its registry).
_PROTOCOL_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


_MAY_BE_OFF = frozenset({"handler_timeout", "heartbeat", "idle"})
_COUNTS = frozenset(
    {"max_size", "strikes", "read_ahead", "read_ahead_bytes", "outbox", "outbox_bytes", "inbox", "inbox_bytes"}
    | {"threads", "handlers", "topics"}
)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may use. Times are seconds.

    Attributes:
        max_size: the largest frame a client may send, in bytes; a larger one closes with 1009.
        strikes: bad frames within `strikes_window` that are answered; one more closes with 1008.
        strikes_window: how long bad frames are added up, from the first one on; then the count begins anew.
        read_ahead: frames read ahead while a handler is suspended, and messages with `concurrency=`, `key=` or
            `latest=` that wait for their turn; past it the client has to wait.
        read_ahead_bytes: the same in bytes.
        outbox: frames that may wait to be written to the client.
        outbox_bytes: the same in bytes.
        inbox: events that may wait for the connection's event handlers.
        inbox_bytes: the same in bytes.
        send_timeout: how long one frame may take to be written, or may wait for room; then 1013.
        connect_timeout: how long dependencies and `on_connect` may take before the connection is refused.
        linger: how long what a client had sent before it left may still be handled.
        cleanup: how long `on_disconnect` and closing dependencies may take, shielded from cancellation; a
            function whose turn comes after that still gets a tenth of it.
        threads: plain `def` functions of one channel that may run at once, per event loop.
        handlers: messages with `concurrency=`, `key=` or `latest=` that may be handled at once.
        handler_timeout: how long a handler of a message or event may run before it is cancelled and its message
            answered with `timeout`; None for no limit. Plain `def` functions are not subject to it.
        ask_timeout: how long `Context.ask` waits where it is not told.
        heartbeat: after so long without a frame from the client it is asked for a sign of life; None to never ask.
        heartbeat_timeout: how long the client may then stay silent before the connection is closed with 1011.
        topics: subscriptions to topics that one connection may have, those that are ending included.
        idle: after so long without a message from the client, and without a handler running for it, the
            connection is closed with 1000; None to keep it.
    """

    max_size: int = 1024 * 1024
    strikes: int = 20
    strikes_window: float = 60.0
    read_ahead: int = 64
    read_ahead_bytes: int = 1024 * 1024
    outbox: int = 1000
    outbox_bytes: int = 8 * 1024 * 1024
    inbox: int = 1000
    inbox_bytes: int = 8 * 1024 * 1024
    send_timeout: float = 20.0
    connect_timeout: float = 10.0
    linger: float = 10.0
    cleanup: float = 5.0
    threads: int = 40
    handlers: int = 64
    handler_timeout: float | None = None
    ask_timeout: float = 60.0
    heartbeat: float | None = None
    heartbeat_timeout: float = 10.0
    idle: float | None = None
    topics: int = 100

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: Any = getattr(self, name)
            if value is None and name in _MAY_BE_OFF:
                continue
            counts = name in _COUNTS
            least: float = 0 if name == "strikes" else 1 if counts else 0.001
            fits = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= least
            if not fits or (counts and isinstance(value, float) and value != math.inf):
                what = f"give a {'whole number' if counts else 'number of seconds'} of at least {least}"
                off = ", or None to turn it off" if name in _MAY_BE_OFF else ""
                raise ConfigurationError(f"Limits({name}={value!r}): {what}{off}")


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one channel in this process, as `Channel.stats()` saw them.

    Attributes:
        connections: connections that are open now, hooks included.
        accepted: connections accepted so far.
        refused: connections refused so far.
        bad_frames: frames answered with an error because they could not be read or validated.
        handler_errors: exceptions of handlers, hooks and error handlers that were logged.
        events_skipped: events for which a member had no handler, or which its guards held back.
        frames_dropped: frames and events that were not delivered because a client was too slow, or had fallen silent.
        coalesced: frames and events in whose place a later one with the same key was delivered.
        slow_closed: connections closed with 1013.
        cancelled: handlers cancelled because they ran on for `Limits.linger` after the connection had ended.
        timed_out: connections closed because the client gave no sign of life (`Limits.heartbeat`).
        topics: subscriptions to topics that are open now, hooks included.
        subscribed: subscriptions answered with `subscribed` so far.
        topics_refused: subscriptions refused by their dependencies or hooks so far.
    """

    connections: int = 0
    accepted: int = 0
    refused: int = 0
    bad_frames: int = 0
    handler_errors: int = 0
    events_skipped: int = 0
    frames_dropped: int = 0
    coalesced: int = 0
    slow_closed: int = 0
    cancelled: int = 0
    timed_out: int = 0
    topics: int = 0
    subscribed: int = 0
    topics_refused: int = 0


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """What `Channel.drain` did.

    Attributes:
        closed: connections that ended in order, their hooks included.
        cut: connections of which something had to be cancelled, or had not ended when time was up: a handler, a hook,
            or frames that the client did not take.
    """

    closed: int = 0
    cut: int = 0


def may_be_sent(code: Any) -> bool:
    """Is this a close code that an application may send?"""
    return isinstance(code, int) and (code in _PROTOCOL_CODES or 3000 <= code <= 4999)


def size_of(text: str) -> int:
    """The bytes of a text on the wire."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def place(thing: Any) -> str:
    """Where a function or class was written: `name (file.py:12)`."""
    target: Any = thing
    if callable(target):
        target = inspect.unwrap(target)
    while isinstance(target, functools.partial):
        target = inspect.unwrap(target.func)
    if not (inspect.isfunction(target) or inspect.ismethod(target) or inspect.isclass(target)):
        target = target.__class__
    name = getattr(target, "__qualname__", repr(thing)).replace("<locals>.", "")
    code = getattr(target, "__code__", None)
    if code is not None:
        return f"{name} ({code.co_filename}:{code.co_firstlineno})"
    try:
        return f"{name} ({inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]})"
    except (OSError, TypeError):
        return f"{target.__module__}.{name}"
