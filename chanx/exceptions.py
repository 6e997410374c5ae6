"""Everything that chanx raises, in one tree under `ChanxError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException


class ChanxError(Exception):
    """The root of all exceptions of chanx."""


class ConfigurationError(ChanxError):
    """The set-up of a channel is wrong; the text names each culprit with file and line, and what to do.

    Raised while registering, and by `Channel.compile()` or the first use of the channel. Never raised
    because of what a client sent.
    """


class ConnectionClosed(ChanxError):
    """The connection cannot carry another frame: it was closed by either side, or broke.

    Attributes:
        code: the close code (RFC 6455, section 7.4), or None while it is not known.
        reason: the close reason; empty when there was none.
    """

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        self.code = code
        self.reason = reason
        told = "" if code is None else f" (code {code}{f', {reason}' if reason else ''})"
        super().__init__(f"the connection is closed{told}; nothing more can be sent on it")


class AskFailed(ChanxError):
    """`Context.ask` got no valid answer from the client. A handler that lets it go answers its `ref` with the code.

    Attributes:
        code: `"timeout"`, `"overloaded"` (the client sent so much that its answer could not be read), or the code
            with which the client declined.
        detail: what the client said, or why.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"the client gave no answer ({code}): {detail}")


class LayerUnavailable(ChanxError):
    """The group layer cannot reach its broker: raised by `join`, `broadcast` and `emit`, and by their `_sync` forms.

    Attributes:
        sent: was the command on its way already? Then it may have taken effect; else it has not.
    """

    def __init__(self, why: str, *, sent: bool = False) -> None:
        self.sent = sent
        super().__init__(f"the group layer is unavailable: {why}")


class Reject(ChanxError, HTTPException):
    """Refuse a connection, or one message, from a dependency or from `on_connect`.

    It is a `starlette.exceptions.HTTPException`, so the same function may raise it in a FastAPI route.

    Args:
        status_code: the HTTP status of the refusal, 400 to 599.
        detail: what the client may know; the status's own phrase when left out.
        headers: HTTP headers of the refusal, where the server can send one.

    Raises:
        ValueError: the status is no refusal.
    """

    def __init__(self, status_code: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        status: Any = status_code  # `Reject("not you")` is easily written
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ValueError(f"Reject({status_code!r}): the first argument is a status from 400 to 599")
        HTTPException.__init__(self, status_code, detail, headers)
