"""Before the socket is open: origin, subprotocol, and the two forms of refusal."""

from __future__ import annotations

import functools
import http
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from starlette.exceptions import HTTPException

from chanx import _lifecycle
from chanx._gate import RETRY_AFTER
from chanx._outbox import HELD, short_reason
from chanx.exceptions import ConnectionClosed, LayerUnavailable, Reject

if TYPE_CHECKING:
    from chanx.connection import Connection

logger = logging.getLogger("chanx")

#: Stands in the outbox as what is being written while the server accepts.
ACCEPT = "accept"

#: No origin is longer: a host has at most 253 characters (RFC 1035, section 2.3.4). What is compared is remembered.
_LONGEST = 300

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def origin_allowed(scope: Mapping[str, Any], allowed: Collection[str] | None) -> bool:
    """Cross-site protection (RFC 6455, section 10.2); a refusal is logged with what to change.

    No `Origin` is a client that is no browser, and is let in. Without a list of allowed origins, host
    and port must be those of the `Host` header; `X-Forwarded-*` is never read.
    """
    origins: list[bytes] = []
    hosts: list[bytes] = []
    for name, value in scope["headers"]:
        if len(name) == 6:
            if name.lower() == b"origin":
                origins.append(value)
        elif len(name) == 4 and name.lower() == b"host":
            hosts.append(value)
    if not origins:
        return True
    if len(origins) == 1 and len(hosts) <= 1:
        if allowed is not None:
            if origins[0].decode("latin-1") in allowed:
                return True
        elif hosts and len(origins[0]) <= _LONGEST and len(hosts[0]) <= _LONGEST and _same_host(origins[0], hosts[0]):
            return True
    logger.warning(
        "refused a connection from Origin %s to Host %s; if it is yours, list it: Channel(allowed_origins=[%s])",
        b", ".join(origins).decode("latin-1")[:200],
        b", ".join(hosts).decode("latin-1")[:200] or "(none)",
        repr(origins[0].decode("latin-1")[:200]),
    )
    return False


def subprotocol(scope: Mapping[str, Any], ours: Sequence[str]) -> str | None:
    """The first of the channel's subprotocols that the client offers (RFC 6455, section 4.2.2)."""
    offered: Sequence[str] = scope.get("subprotocols") or ()
    return next((one for one in ours if one in offered), None)


async def open_socket(connection: Connection) -> bool:
    """The handshake up to the accept: checks, dependencies, hooks; False when the connection was refused."""
    service, plan = connection.service, connection.plan
    try:
        if not origin_allowed(connection.scope, service.allowed_origins):
            raise Reject(403, "this origin is not allowed")
        service.gate.check()
        if service.subprotocols:
            connection.subprotocol = subprotocol(connection.scope, service.subprotocols)
        connection.ctx = connection.made_context(0)
        if plan.slots or plan.hooks:
            await _lifecycle.enter(connection)
            service.gate.check()  # it may have been closed meanwhile
    except HTTPException as refusal:
        await refuse(connection, refusal)
        return False
    except BaseException as error:  # noqa: BLE001 - a broken hook refuses its connection, not the server
        failure = connection.home.ordinary(error)
        if isinstance(failure, HTTPException):
            await refuse(connection, failure)
            return False
        # a hook that closes, and then stumbles over that, wanted the client to see the close
        if connection.left and isinstance(failure, ConnectionClosed):  # as a subscription ends before it is told so
            return False
        if isinstance(failure, LayerUnavailable):  # the layer's own log tells of it, once
            logger.info("refused a connection: %s", failure)
            await refuse(connection, Reject(503, "the group layer is unavailable", {"Retry-After": str(RETRY_AFTER)}))
            return False
        if not (connection.closing and isinstance(failure, ConnectionClosed)):
            connection.report("the handshake", failure)
            await refuse(connection, Reject(500, "internal error"))
            return False
        if service.gate.drain is not None:  # it was the drain that closed
            await refuse(connection, service.gate.refusal())
            return False
    return True


async def accept(connection: Connection) -> bool:
    """Accept the socket; False when the connection has broken. Where the server does not take it, as for any frame."""
    outbox = connection.outbox
    outbox.writing = ACCEPT
    connection.watch()
    try:
        await outbox.send({"type": "websocket.accept", "subprotocol": connection.subprotocol, "headers": []})
    except Exception as error:  # noqa: BLE001 - the client left during the handshake
        outbox.writing = HELD
        outbox.broke(error)  # a close that waits for the accept waits no more
        return False
    outbox.writing = HELD
    connection.opened()
    return True


async def refuse(connection: Connection, refusal: HTTPException) -> None:
    """Answer a handshake with a refusal, in the form that the channel asks for.

    `refuse="close"` accepts and closes at once with 4000 + status, which a browser's code can read. Else the
    status goes out as HTTP where the server has the `websocket.http.response` extension of ASGI, and as
    the server's own 403 where it has not.
    """
    connection.service.counters.refused += 1
    status = refusal.status_code if 400 <= refusal.status_code <= 599 else 500
    detail = str(refusal.detail)
    connection.depart(4000 + status, detail)
    close = {"type": "websocket.close", "code": 4000 + status, "reason": short_reason(detail)}
    # what a subscription is told waits for room in the outbox of its socket, where each frame has its own time
    patience = connection.service.limits.send_timeout if connection.topic is None else None
    try:
        with anyio.fail_after(patience):
            await _answer(connection, refusal, status, close)
    except Exception as error:  # noqa: BLE001 - the client is gone; servers tell it in many ways
        connection.broke(error)


async def _answer(connection: Connection, refusal: HTTPException, status: int, close: dict[str, Any]) -> None:
    scope, send = connection.scope, connection.outbox.send
    if connection.service.refuse == "close":
        await send({"type": "websocket.accept"})
        await send(close)
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        body = json.dumps({"detail": refusal.detail}, default=str).encode()  # FastAPI's may be any JSON
        given = {name.lower(): value for name, value in (refusal.headers or {}).items()}
        headers = {"content-type": "application/json", **given, "content-length": str(len(body))}
        fields = [(_bytes(name), _bytes(value)) for name, value in headers.items()]
        await send({"type": "websocket.http.response.start", "status": status, "headers": fields})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send(close)


async def upgrade_required(send: Any) -> None:
    """The answer to plain HTTP (RFC 9110, section 15.5.22)."""
    body = b"This is a WebSocket endpoint: connect with the WebSocket protocol.\n"
    headers = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": http.HTTPStatus.UPGRADE_REQUIRED.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _bytes(text: str) -> bytes:
    """A header's name or value; what Latin-1 has not goes out as UTF-8 (RFC 9110, section 5.5)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


@functools.lru_cache(maxsize=256)  # most clients come from a few pages
def _same_host(raw_origin: bytes, raw_host: bytes) -> bool:
    origin, host = raw_origin.decode("latin-1"), raw_host.decode("latin-1")
    try:
        parts = urlsplit(origin)
        default = _PORTS.get(parts.scheme)
        there = urlsplit(f"//{host}")
        exact = origin.lower() == f"{parts.scheme}://{parts.netloc}".lower() and host == there.netloc
        plain = not any(mark in origin + host for mark in "@\\\t\r\n ")
        return (
            default is not None
            and exact
            and plain
            and parts.hostname is not None
            and parts.hostname == there.hostname
            and (default if parts.port is None else parts.port) == (default if there.port is None else there.port)
        )
    except ValueError:
        return False
