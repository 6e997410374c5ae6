"""Endpoints of Starlette and FastAPI that show an application's AsyncAPI document: `chanx.fast_channels` of 2.x."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

if TYPE_CHECKING:
    from chanx.compat.schema import AsyncAPIConfig

# What makes documents is loaded when one is asked for: consumers are imported from beside these endpoints.


async def asyncapi_spec_json(
    request: Request | None = None, app: Any = None, config: AsyncAPIConfig | None = None
) -> JSONResponse:
    """Answer with the document as JSON. An endpoint by itself, or what one returns.

    Route("/asyncapi.json", asyncapi_spec_json)

    Args:
        request: tells the server's address, where the configuration does not; and the application, likewise.
        app: the application.
        config: title, version and the like.

    Raises:
        ConfigurationError: there is nothing to document, or the configuration is wrong.
        TypeError: there is neither a request nor an application.
    """
    return JSONResponse(await _document(request, app, config))


async def asyncapi_spec_yaml(
    request: Request | None = None, app: Any = None, config: AsyncAPIConfig | None = None
) -> Response:
    """The same as YAML, which needs PyYAML."""
    from chanx.asyncapi.text import to_yaml

    return Response(to_yaml(await _document(request, app, config)), media_type="application/yaml")  # RFC 9512


async def asyncapi_docs(
    request: Request | None = None, app: Any = None, config: AsyncAPIConfig | None = None
) -> HTMLResponse:
    """The same as a page for people. It has no scripts, and nothing in it comes from elsewhere."""
    from chanx.asyncapi.page import PAGE_HEADERS, page

    return HTMLResponse(page(await _document(request, app, config)), headers=PAGE_HEADERS)


async def _document(request: Request | None, app: Any, config: AsyncAPIConfig | None) -> dict[str, Any]:
    from chanx.compat.schema import described

    if app is None:
        if request is None:
            raise TypeError("give the application or the request: asyncapi_spec_json(request, app=app)")
        app = request.app
    origin = None
    if request is not None:
        url = request.base_url
        origin = f"{'wss' if url.scheme == 'https' else 'ws'}://{url.netloc}{url.path.rstrip('/')}"
    # It may take a while the first time, and others are served meanwhile.
    return await anyio.to_thread.run_sync(functools.partial(described, app, config, origin))
