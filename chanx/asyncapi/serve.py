"""Serves the document of an application, from routes of the application itself."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Unpack

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chanx.asyncapi.build import Documented, document
from chanx.asyncapi.options import DocumentOptions, check
from chanx.asyncapi.text import to_json, to_yaml
from chanx.exceptions import ConfigurationError

logger = logging.getLogger("chanx")


def routes(
    app: Documented | Any,
    *,
    title: str,
    version: str,
    path: str = "/asyncapi",
    **options: Unpack[DocumentOptions],
) -> list[Route]:
    """Routes that serve the AsyncAPI document of an application: as JSON, and as YAML, which needs PyYAML.

    For Starlette and FastAPI: `app.router.routes.extend(routes(app, title="Chat", version="1"))`. The document is made
    at the first request, so the application may get its other routes later; from then on it is kept, and the channels
    take no more registrations. Clients that have it already get 304 (RFC 9110, section 13.1.2). A document that cannot
    be made is answered with 500, and the reason is logged.

    Args:
        app: what `document` takes: the application, one channel, or channels by address.
        title: the name of the application.
        version: its version, not that of AsyncAPI.
        path: where the routes are, without the ending: `/asyncapi.json` and `/asyncapi.yaml`.
        **options: see `DocumentOptions`.

    Raises:
        ConfigurationError: the path does not begin with a slash, or a text is none.
        TypeError: there is no such option.
    """
    check(title, version, options)
    if not path.startswith("/"):
        raise ConfigurationError(f'routes(path={path!r}): a path begins with a slash, as in "/asyncapi"')
    kept = _Kept(lambda: document(app, title=title, version=version, **options))
    return [
        Route(path + ending, endpoint, name=f"asyncapi_{ending[1:]}", include_in_schema=False)
        for ending, endpoint in {
            ".json": kept.served(to_json, "application/json"),
            ".yaml": kept.served(to_yaml, "application/yaml"),  # RFC 9512
        }.items()
    ]


class _Kept:
    """A document that is made once."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self.make = make
        self.making = threading.Lock()
        self.document: dict[str, Any] | None = None

    def served(self, write: Callable[[Mapping[str, Any]], str], media_type: str) -> Any:
        """An endpoint that answers with the document, in one way to write it."""
        ready: tuple[bytes, dict[str, str]] | None = None

        def written() -> tuple[bytes, dict[str, str]]:
            with self.making:
                if self.document is None:
                    self.document = self.make()
            body = write(self.document).encode()
            tag = hashlib.sha256(body).hexdigest()[:32]
            # Browsers and proxies ask each time, and get 304 as long as it is the same.
            return body, {"etag": f'"{tag}"', "cache-control": "no-cache"}

        async def endpoint(request: Request) -> Response:
            nonlocal ready
            if ready is None:
                try:
                    ready = await anyio.to_thread.run_sync(written)  # it may take a while, and others are served
                except ConfigurationError:
                    logger.exception("the AsyncAPI document cannot be made")
                    return PlainTextResponse("The AsyncAPI document cannot be made; the server's log says why.", 500)
            body, headers = ready
            if _has(request.headers.getlist("if-none-match"), headers["etag"]):
                return Response(status_code=304, headers=headers)
            return Response(body, headers=headers, media_type=media_type)

        return endpoint


def _has(lists: list[str], tag: str) -> bool:
    """Does one of the `If-None-Match` headers name the document? Weak comparison, as they want it."""
    tags = [one.strip().removeprefix("W/") for value in lists for one in value.split(",")]
    return tag in tags or "*" in tags
