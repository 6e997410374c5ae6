"""Before the socket is open: origin, subprotocol, and the two forms of refusal."""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from chanx._outbox import short_reason

logger = logging.getLogger("chanx")

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def origin_allowed(scope: Mapping[str, Any], allowed: Collection[str] | None) -> bool:
    """Cross-site protection (RFC 6455, section 10.2); a refusal is logged with what to change.

    No `Origin` is a client that is no browser, and is let in. Without a list of allowed origins, host
    and port must be those of the `Host` header; `X-Forwarded-*` is never read.
    """
    origins = [value for name, value in scope["headers"] if name.lower() == b"origin"]
    if not origins:
        return True
    hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
    if len(origins) == 1 and len(hosts) <= 1:
        origin = origins[0].decode("latin-1")
        if allowed is not None:
            if origin in allowed:
                return True
        elif hosts and _same_host(origin, hosts[0].decode("latin-1")):
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


async def refuse(
    scope: Mapping[str, Any], send: Any, status: int, detail: str, headers: Mapping[str, str] | None, form: str
) -> None:
    """Refuse a connection that is not accepted.

    `form` "close" accepts and closes at once with 4000 + status, which a browser's code can read. Else the
    status goes out as HTTP where the server has the `websocket.http.response` extension of ASGI, and as
    the server's own 403 where it has not.
    """
    reason = short_reason(detail)
    if form == "close":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000 + status, "reason": reason})
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        body = json.dumps({"detail": detail}).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        fields += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
        await send({"type": "websocket.http.response.start", "status": status, "headers": fields})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 4000 + status, "reason": reason})


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


def _same_host(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        default = _PORTS.get(parts.scheme)
        there = urlsplit(f"//{host}")
        return (
            default is not None
            and parts.hostname is not None
            and parts.hostname == there.hostname
            and (parts.port or default) == (there.port or default)
        )
    except ValueError:
        return False
