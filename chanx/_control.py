"""Control frames: those that speak of other frames, and so act at once, never queued behind handlers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from chanx import _answers, _dispatch, _frames
from chanx._dispatch import Control
from chanx.exceptions import ConnectionClosed
from chanx.types import size_of

if TYPE_CHECKING:
    from chanx._ahead import Received
    from chanx.connection import Connection


async def sift(connection: Connection, event: Received) -> tuple[str, Control | None] | None:
    """Act on a frame that was read ahead if it is a control frame; else tell how it waits: its `ref`, and whether
    it belongs to a stream of the client.
    """
    text: str | None = event.get("text")
    if text is None or size_of(text) > connection.service.limits.max_size:  # in its turn it ends the connection
        return "", None
    control, ref = _dispatch.glance(connection.plan, text)
    if control is not None:
        if control.action in ("chunk", "complete"):
            return control.ref, control
        await act(connection, control, text)
        return None
    ahead = connection.ahead
    if ref and (connection.in_flight(ref) or (ahead is not None and ahead.holds(ref))):
        await duplicate(connection, ref)
        return None
    return ref, None


def streams(connection: Connection, ref: str) -> bool:
    """Is there a handler that reads, or will read, the client's stream with this ref?"""
    run = None if connection.runs is None else connection.runs.refs.get(ref)
    return run is not None and run.chunks is not None


async def act(connection: Connection, control: Control, text: str) -> None:
    """Do what a control frame says. What it speaks of may be over by now; then there is nothing to do."""
    ref = control.ref
    if control.action == "answer":
        if connection.asks is not None and connection.asks.asked(ref):
            await connection.asks.answered(ref, text)
        else:
            problem = {"loc": ["ask"], "type": "ask", "msg": "no question has this id"}
            frame = _frames.error_frame(connection.plan, "invalid_message", "the ask is invalid", [problem])
            await _answers.refuse(connection, frame)
    elif control.action == "heartbeat":  # also one that was not asked for: it does no harm
        if connection.silence is not None:
            connection.silence.beat()
    elif control.action == "recover":
        made = connection.made_streams()
        if connection.in_flight(ref) or ref == made.recovering:
            await duplicate(connection, ref)
        else:
            await made.recover(text, ref)
    elif control.action == "cancel":
        if connection.ahead is not None and connection.ahead.remove(ref):
            detail = "cancelled by the client"
            with contextlib.suppress(ConnectionClosed):
                await connection.send_text(_frames.error_frame(connection.plan, "cancelled", detail, None, ref))
        elif connection.runs is not None:
            await connection.runs.cancel(ref)


async def duplicate(connection: Connection, ref: str) -> None:
    """Refuse a frame whose `ref` is that of another one that has no answer yet."""
    detail = "another message with this ref has no answer yet"
    await _answers.refuse(connection, _frames.error_frame(connection.plan, "duplicate_ref", detail, None, ref))
