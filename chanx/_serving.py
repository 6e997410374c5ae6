"""Frames in, answers out: the loop that serves one connection, and the handling of its events.

The common frame (small text, no envelope key, a handler that returns one message) takes no step here
that it does not need: each call that the loop does not make is a tenth of what the message costs.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from starlette.exceptions import HTTPException

from chanx import _control, _dispatch, _frames
from chanx._ahead import EVENT, Received
from chanx._answers import Stopped, failed, recovered, refuse
from chanx._answers import answer as send_answer
from chanx._dispatch import BadFrame, Control
from chanx._handshake import accept
from chanx._runs import Run
from chanx._runtime import Term
from chanx.exceptions import ConnectionClosed
from chanx.types import size_of

if TYPE_CHECKING:
    from chanx.connection import Connection
    from chanx.groups.layer import Publication

logger = logging.getLogger("chanx")

#: After these, whatever became of them, another frame may come.
_GOES_ON = ("websocket.receive", EVENT["type"])


async def begin(connection: Connection) -> bool:
    """Accept the socket and wait for the first frame; False when `serve` would have nothing to read.

    Nothing else is done in the connection's task meanwhile, so that it does without a cancel scope; see `Term`.
    On trio, where scopes are cheap, `serve` waits itself.
    """
    connection.waiting = task = connection.home.task()
    if task is None:
        connection.term = scope = anyio.CancelScope(deadline=connection.ends_at)
        with scope:
            return await accept(connection)
        return False
    if connection.ends_at != math.inf:
        connection.term = Term(task, connection.ends_at)
    event: Received | None = None
    try:
        goes_on = await accept(connection)
        if goes_on and connection.ahead is None and not connection.closing and not connection.left:
            connection.reading = True
            event = await connection.receive()
    except BaseException as error:
        if not _waited(connection):
            if not isinstance(error, Exception):
                raise
            connection.broke(error)
        return False
    _waited(connection)
    if event is None:
        return goes_on
    if event["type"] != "websocket.receive":
        connection.gone(event)
        return False
    if not connection.closing:
        connection.read = partial(_read_again, connection, event)
    return True


def _waited(connection: Connection) -> bool:
    """The waits of `begin` are over; was it its term that ended it?"""
    term, connection.term, connection.waiting = connection.term, None, None
    return isinstance(term, Term) and term.over()


async def _read_again(connection: Connection, event: Received) -> Received:
    connection.read = connection.receive
    return event


async def serve(connection: Connection) -> None:
    """Read, handle and answer, one frame at a time, in order, until either side has ended the connection."""
    plan, outbox = connection.plan, connection.outbox
    send, encoders, section = outbox.send, plan.encoders, plan.direct
    # without a section of its own, every frame takes the longer way
    direct = section is not None
    decode: Any = section.decode if section else None
    runs: Mapping[type[Any], Any] = section.runs if section else {}
    result: Any
    roomy = connection.service.limits.max_size // 4  # so many characters fit, whatever they are
    while True:
        read = connection.read  # a call through the attribute would be looked up as a method, at five times the cost
        try:
            event = await read()
        except Exception as error:  # noqa: BLE001 - a server that cannot be read from has lost the client
            connection.broke(error)
            return
        try:
            text: str = event["text"]
            if len(text) > roomy:
                raise TypeError
        except (KeyError, TypeError):  # no text, or too much of it
            if not await _acceptable(connection, event):
                if event["type"] not in _GOES_ON:
                    return
                continue
            text = event["text"]
        if not direct or '"ref"' in text or "\\" in text:
            await _long_way(connection, text)
            continue
        try:
            message = decode(text)
            run = runs[message.__class__]
        except Exception as error:  # noqa: BLE001 - each family has exceptions of its own
            answer = _invalid(connection, text, error)
            if answer is None:
                if not connection.closing:
                    await _long_way(connection, text)
                continue
            connection.running = text  # the answer may stick, as that of a handler may
            if not connection.watched:
                connection.watch()
        else:
            connection.running = message
            if not connection.watched:
                if connection.closing:  # what arrives after the server has closed is not handled
                    return
                connection.watch()
                if connection.asks is not None and '"ask"' in text:  # perhaps no message, but an answer
                    await _long_way(connection, text)
                    continue
            try:
                result = await run(message, connection)
                try:
                    encode = encoders[result.__class__]  # half the cost of a `get`
                except KeyError:
                    encode = None
                if encode is None:
                    if result is not None:
                        await send_answer(connection, result, "")
                    connection.running = None
                    continue
                answer = encode(result).decode()
            except BaseException as error:  # noqa: BLE001 - a handler may raise anything
                handler = section.handlers[message.__class__]  # type: ignore[union-attr]
                await failed(connection, handler, connection.home.ordinary(error), "")
                connection.running = None
                continue
        if outbox.writing is None:
            outbox.writing = answer
            try:
                await send({"type": "websocket.send", "text": answer})
            except BaseException as error:  # noqa: BLE001 - raised again, unless it is the server's
                outbox.interrupted(error)
            else:
                outbox.writing = None
                if outbox.waiting:
                    outbox.start()
        else:
            with contextlib.suppress(ConnectionClosed):
                await connection.send_text(answer)
        connection.running = None


async def settle(connection: Connection) -> None:
    """Before the hooks end: what runs beside the messages finishes, and a close that we began is written."""
    for beside in connection.beside():
        await beside.finished()
    if connection.closing:
        await connection.outbox.drained()


async def stop_beside(connection: Connection) -> BaseException | None:
    """Cancel what runs beside the messages, and wait for its end, as long as other cleaning up may take.

    Returns a cancellation that came up: no shield holds off `asyncio.Task.cancel`, and the hooks are still to come.
    """
    cancelled: BaseException | None = None
    scope = anyio.CancelScope(shield=True, deadline=connection.home.time() + connection.service.limits.cleanup)
    try:
        with scope:
            for beside in connection.beside():
                beside.stop()
            for beside in connection.beside():
                while not beside.idle:
                    try:
                        await beside.finished()
                    except BaseException as error:
                        if scope.cancel_called:
                            raise
                        cancelled = error
    except BaseException as error:  # noqa: BLE001 - the deadline's, which the scope lets pass after a cancellation
        cancelled = error
    return cancelled


async def handle_event(connection: Connection, publication: Publication) -> None:
    """Run one event's handler for one member; what it returns goes to the member's client."""
    assert publication.event is not None
    event = connection.plan.events[publication.event]
    handler = event.handler
    counters = connection.service.counters
    try:
        message = event.decode(publication.body)
    except Exception as error:  # noqa: BLE001 - another program published what this one does not understand
        counters.events_skipped += 1
        connection.report(f"reading an event for {handler.where}", error)
        return
    try:
        run = handler.run(message, connection) if handler.plain else Run(connection, handler, message).result()
        result = await run
        await send_answer(connection, result, "")
    except Stopped as stopped:
        if stopped.code == "timeout":
            logger.warning("%s was cancelled after its time limit; connection %s", handler.where, connection.id)
        return
    except BaseException as raised:  # noqa: BLE001 - a handler may raise anything
        failure = connection.home.ordinary(raised)
        if isinstance(failure, ConnectionClosed) and connection.outbox.closed:  # that of another one is a failure
            return
        frames = await recovered(connection, handler, failure, "")
        if frames is None and isinstance(failure, HTTPException):
            counters.events_skipped += 1  # its guards hold the event back from this client, who asked for nothing
            logger.debug("%s refused an event for connection %s: %s", handler.where, connection.id, failure.detail)
        elif frames is None:
            connection.report(handler.where, failure)
        with contextlib.suppress(ConnectionClosed):
            for frame in frames or ():
                await connection.send_text(frame)


async def _acceptable(connection: Connection, event: Received) -> bool:
    """Whether a frame that is not plainly small text may be handled; else it is dealt with here."""
    if event is EVENT:
        await _serial_event(connection)
        return False
    if event["type"] != "websocket.receive":
        connection.gone(event)
        return False
    text = event.get("text")
    limit = connection.service.limits.max_size
    size = len(event.get("bytes") or b"") if text is None else size_of(text)
    if size > limit:
        connection.close(1009, f"a frame may have at most {limit} bytes")
        return False
    if text is not None:
        return True
    detail = "binary frames are not understood here; send text"
    connection.running = event
    connection.watch()
    await refuse(connection, _frames.error_frame(connection.plan, "unsupported_frame", detail, None))
    connection.running = None
    return False


async def _serial_event(connection: Connection) -> None:
    """The turn of an event that waited among the messages."""
    taken = None if connection.serial is None or connection.closing else connection.serial.next()
    if taken is not None:
        connection.running = taken
        connection.watch()
        await handle_event(connection, taken)
        connection.running = None


async def _long_way(connection: Connection, text: str) -> None:
    """A frame with a `ref`, of a channel with two families or prefixes, for a handler that is more than a call,
    or one that must be read twice.
    """
    connection.running = text
    connection.watch()
    try:
        found = _dispatch.read(connection.plan, text)
    except BadFrame as bad:
        if bad.fault is None:
            await refuse(connection, bad.frame)
        else:
            with contextlib.suppress(ConnectionClosed):
                await connection.send_text(_fault(connection, bad))
    else:
        if isinstance(found, Control):
            await _control.act(connection, found, text)
        elif not connection.closing:
            handler, message, ref = found
            if ref and connection.in_flight(ref):
                await _control.duplicate(connection, ref)
            elif handler.plain:
                connection.ref = ref
                try:
                    await send_answer(connection, await handler.run(message, connection), ref)
                except BaseException as error:  # noqa: BLE001 - a handler may raise anything
                    await failed(connection, handler, connection.home.ordinary(error), ref)
                connection.ref = ""
            else:
                await connection.made_runs().begin(Run(connection, handler, message, ref, size_of(text)))
    connection.running = None


def _invalid(connection: Connection, text: str, error: Exception) -> str | None:
    """The answer to a frame that does not validate; None where it must be read the longer way, or has no answer."""
    section = connection.plan.direct
    assert section is not None
    if section.strict or isinstance(error, KeyError) or '"ask"' in text:  # perhaps no message, or no plain handler's
        return None
    try:
        answer = _dispatch.explain(connection.plan, section, text, error)
    except BadFrame as bad:
        return _fault(connection, bad)
    return answer if connection.strike() else None


def _fault(connection: Connection, bad: BadFrame) -> str:
    """The answer to a frame that the application itself could not read; no strike for the client."""
    assert bad.fault is not None
    connection.report("reading a message", bad.fault)
    return bad.frame
