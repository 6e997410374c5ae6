"""What a client gets for its message: the handler's answer, that of an error function, or an error."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from chanx import _dispatch, _frames
from chanx.exceptions import AskFailed, ConnectionClosed

if TYPE_CHECKING:
    from chanx._plan import Handler
    from chanx.connection import Connection

logger = logging.getLogger("chanx")


class Stopped(Exception):
    """A handler was cancelled by its client, by a newer message, or by its time limit.

    Attributes:
        code: of the error frame that answers the message.
        detail: of the same.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


async def refuse(connection: Connection, frame: str) -> None:
    """Answer a frame that cannot be handled, until its sender has struck out."""
    if connection.strike():
        with contextlib.suppress(ConnectionClosed):
            await connection.send_text(frame)


async def answer(connection: Connection, result: Any, ref: str) -> None:
    """Send what a handler returned: one message, several, or nothing.

    Raises:
        ConfigurationError: it returned something that is no message.
        ConnectionClosed: nothing more can be sent.
    """
    await _send(connection, _dispatch.answer(connection.plan, result, ref))


async def _send(connection: Connection, frames: list[str]) -> None:
    """Send the frames that answer one message."""
    follow = len(frames)
    for frame in frames:
        follow -= 1
        await connection.send_text(frame, follow > 0)


async def failed(connection: Connection, handler: Handler, error: Exception, ref: str) -> None:
    """Answer a message whose handler raised."""
    if isinstance(error, ConnectionClosed) and connection.outbox.closed:
        return
    code, detail = "internal_error", "the server could not handle this message"
    frames: list[str] | None = None
    if isinstance(error, _dispatch.BadFrame):  # in the stream of the client that the handler read
        frames = [error.frame]
        if error.fault is not None:
            connection.report(handler.where, error.fault)
    elif isinstance(error, Stopped):
        code, detail = error.code, error.detail
        if code == "timeout":
            logger.warning("%s was cancelled after its time limit; connection %s", handler.where, connection.id)
    else:
        frames = await recovered(connection, handler, error, ref)
        if isinstance(error, HTTPException):
            code, detail = "unauthorized", str(error.detail)
        elif isinstance(error, AskFailed):
            code, detail = error.code, error.detail
        elif frames is None:
            connection.report(handler.where, error)
    if frames is None:
        frames = [_frames.error_frame(connection.plan, code, detail, None, ref)]
    with contextlib.suppress(ConnectionClosed):
        await _send(connection, frames)


async def recovered(connection: Connection, handler: Handler, error: Exception, ref: str) -> list[str] | None:
    """The frames of what the matching `on_error` function returns; None where there is none, or it failed too."""
    for cls in type(error).__mro__ if handler.errors else ():
        recover = handler.errors.get(cls)
        if recover is not None:
            try:
                return _dispatch.answer(connection.plan, await recover(error, connection), ref)
            except ConnectionClosed:
                return []
            except BaseException as second:  # noqa: BLE001 - then the message fails as without it
                connection.report(f"the error handler of {handler.where}", connection.home.ordinary(second))
                return None
    return None
