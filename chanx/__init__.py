"""chanx: a typed router for WebSocket messages, which is itself an ASGI application."""

from chanx._sigterm import drain_on_sigterm
from chanx.context import Context
from chanx.exceptions import AskFailed, ChanxError, ConfigurationError, ConnectionClosed, LayerUnavailable, Reject
from chanx.groups.history import History
from chanx.groups.layer import GroupLayer, Publication
from chanx.groups.memory import MemoryLayer
from chanx.params import Cookie, Depends, Header, Path, Query
from chanx.router import Channel
from chanx.types import Drained, Limits, Stats

__all__ = [
    "AskFailed",
    "Channel",
    "ChanxError",
    "ConfigurationError",
    "ConnectionClosed",
    "Context",
    "Cookie",
    "Depends",
    "Drained",
    "GroupLayer",
    "Header",
    "History",
    "LayerUnavailable",
    "Limits",
    "MemoryLayer",
    "Path",
    "Publication",
    "Query",
    "Reject",
    "Stats",
    "drain_on_sigterm",
]
