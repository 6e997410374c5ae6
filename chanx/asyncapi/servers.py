"""Servers and what they ask of clients, as AsyncAPI objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from chanx.asyncapi.naming import free, legal
from chanx.asyncapi.options import Servers
from chanx.exceptions import ConfigurationError


def servers_of(given: Servers | None, security: list[dict[str, str]]) -> dict[str, Any]:
    """The servers by name; those given as a list are named after their hosts.

    Raises:
        ConfigurationError: one is no URL with a host, or has neither URL nor host.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        raise ConfigurationError(f'servers={given!r}; give a list, as in servers=["{given}"]')
    if isinstance(given, Mapping):
        named = cast("Mapping[str, str | Mapping[str, Any]]", given)
        return {str(name): _server(one, security) for name, one in named.items()}
    made: dict[str, Any] = {}
    taken: set[str] = set()
    for one in given:
        server = _server(one, security)
        made[free(legal(server["host"]), taken)] = server
    return made


def secured(names: Iterable[str] | None, schemes: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """References to security schemes: any one of them is enough.

    Raises:
        ConfigurationError: there is no scheme of that name.
    """
    if isinstance(names, str):
        raise ConfigurationError(f'security={names!r}; give a list, as in security=["{names}"]')
    found: list[dict[str, str]] = []
    for name in names or ():
        if name not in (schemes or {}):
            known = ", ".join(map(repr, schemes or {})) or "none"
            raise ConfigurationError(f"security= names {name!r}, but security_schemes= has {known}; add it there")
        found.append({"$ref": f"#/components/securitySchemes/{name}"})
    return found


def _server(given: str | Mapping[str, Any], security: list[dict[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {"url": given} if isinstance(given, str) else dict(given)
    url = fields.pop("url", None)
    if url is not None:
        parts = urlsplit(str(url))
        if not parts.scheme or not parts.netloc:
            raise ConfigurationError(f'servers= has {url!r}; a server is a URL such as "wss://example.com/live"')
        path = {"pathname": parts.path} if parts.path not in ("", "/") else {}
        fields = {"host": parts.netloc, "protocol": parts.scheme, **path, **fields}
    if not isinstance(fields.get("host"), str) or not isinstance(fields.get("protocol"), str):
        raise ConfigurationError(f'servers= has {given!r}; give it a "url", or "host" and "protocol"')
    return {**fields, "security": security} if security and "security" not in fields else fields
