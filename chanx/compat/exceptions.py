"""What consumers and channel layers raise (documents 003 and 004, COMPAT, "Django Channels 4.3").

Where Channels is installed, these names mean its own classes: layers of other people raise them, and what stands in
front of a consumer may catch or raise them, by either import path.
"""

from __future__ import annotations

import importlib
import importlib.util

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


class NoMethod(ChanxError, ValueError):
    """A consumer has no method for a type of messages; it is Channels' `ValueError`."""


_NAMES = (
    *("ChannelFull", "MessageTooLarge", "InvalidChannelLayerError", "AcceptConnection", "DenyConnection"),
    *("StopConsumer", "RequestAborted", "RequestTimeout"),
)


def _take_theirs() -> None:
    if importlib.util.find_spec("channels") is None:
        return
    try:
        theirs = importlib.import_module("channels.exceptions")
    except ImportError:  # a package of that name which is somebody else's
        return
    globals().update({name: getattr(theirs, name) for name in _NAMES if hasattr(theirs, name)})


_take_theirs()
