"""What consumers and channel layers raise (documents 003 and 004, COMPAT, "Django Channels 4.3")."""

from __future__ import annotations

from chanx.exceptions import ChanxError


class ChannelFull(ChanxError):
    """A message was not sent: so many wait in its channel already."""


class MessageTooLarge(ChanxError):
    """A message was not sent: it is larger than its channel layer takes."""


class InvalidChannelLayerError(ChanxError, ValueError):
    """There is no channel layer where one is needed, or it cannot do what is asked of it."""


class AcceptConnection(ChanxError):
    """Raised in `connect` of a WebSocket consumer: accept the connection."""


class DenyConnection(ChanxError):
    """Raised in `connect` of a WebSocket consumer: refuse the connection."""


class StopConsumer(ChanxError):
    """Raised in a consumer: it has cleaned up, and its application ends."""


class RequestAborted(ChanxError):
    """The client left before its request had been read."""


class RequestTimeout(RequestAborted):
    """The request took too long to read."""
