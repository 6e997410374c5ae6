"""The AsyncAPI document of an application, as the views of 2.x serve it: made once for each configuration."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, TypedDict
from weakref import WeakKeyDictionary

from chanx.asyncapi.build import document
from chanx.asyncapi.options import Servers
from chanx.asyncapi.servers import servers_of
from chanx.compat.settings import setting

#: How many configurations of one application are kept.
_KEPT = 8


class AsyncAPIConfig(TypedDict, total=False):
    """What is told of the application; all may be left out.

    Attributes:
        title: its name.
        version: its version, not that of AsyncAPI.
        description: what it is for; CommonMark.
        server_url: host and port, with a path if there is one, or a whole URL; left out, where it was asked for.
        server_protocol: `"ws"` or `"wss"`.
        servers: Server Objects by name, in place of the two above.
        security_schemes: Security Scheme Objects by name.
    """

    title: str | None
    version: str | None
    description: str | None
    server_url: str | None
    server_protocol: str | None
    servers: Servers | None
    security_schemes: Mapping[str, Mapping[str, Any]] | None


_DEFAULTS: AsyncAPIConfig = {"title": "AsyncAPI Documentation", "version": "1.0.0"}
_made: WeakKeyDictionary[Any, dict[str, dict[str, Any]]] = WeakKeyDictionary()
_making = threading.Lock()


def project_config() -> AsyncAPIConfig:
    """The configuration in Django's settings `CHANX`: `ASYNCAPI_TITLE` and the like."""
    names = AsyncAPIConfig.__annotations__
    found = {name: setting(f"ASYNCAPI_{name.upper()}") for name in names}
    return {name: value for name, value in found.items() if value}  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def described(app: Any, config: Mapping[str, Any] | None = None, origin: str | None = None) -> dict[str, Any]:
    """The document of an application.

    It is made once for each configuration; the channels and consumers take no registrations from then on.

    Args:
        app: the application.
        config: see `AsyncAPIConfig`.
        origin: the URL of the server that was asked, told where the configuration names no server.

    Raises:
        ConfigurationError: there is nothing to document, or the configuration is wrong.
        TypeError: there is no such key.
    """
    told: dict[str, Any] = {**_DEFAULTS, **{name: value for name, value in (config or {}).items() if value}}
    url, protocol = told.pop("server_url", None), told.pop("server_protocol", None)
    if url is not None and "servers" not in told:
        told["servers"] = [url if "://" in url else f"{protocol or 'ws'}://{url}"]
    made = _document(app, told)
    if "servers" in told or origin is None:
        return made
    if protocol:
        origin = f"{protocol}://{origin.partition('://')[2]}"
    first = {name: made[name] for name in ("asyncapi", "info", "defaultContentType")}
    return {**first, "servers": servers_of([origin], []), **made}


def _document(app: Any, options: dict[str, Any]) -> dict[str, Any]:
    key = json.dumps(options, sort_keys=True, default=repr)
    with _making:
        kept = _made.setdefault(app, {})
        if key not in kept:
            made = document(app, **options)
            while len(kept) >= _KEPT:
                del kept[next(iter(kept))]
            kept[key] = made
        return kept[key]
