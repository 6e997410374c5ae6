"""The client for the browser, and an ASGI application that serves it.

Mount("/chanx", static.app)      # <script type="module"> import { Chanx } from "/chanx/chanx.js"

`chanx.js` is all that a page needs for a channel; `topics.js` is added for a channel with topics, `history.js` for one
with `history=`.
"""

from __future__ import annotations

from os import PathLike, stat_result
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

__all__ = ["app", "script", "scripts"]

script: Path = Path(__file__).with_name("chanx.js")
"""The file itself, for a build of your own: `from chanx import static; print(static.script)`."""

scripts: tuple[Path, ...] = (script, script.with_name("topics.js"), script.with_name("history.js"))
"""All of them; the others import `chanx.js` from the same folder."""


NAMES = frozenset(path.name for path in scripts)


class _Scripts(StaticFiles):
    """Serves the scripts of this folder, and nothing else of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except HTTPException as error:  # answered here: there may be no framework around
            await PlainTextResponse(error.detail, error.status_code, error.headers)(scope, receive, send)

    def lookup_path(self, path: str) -> tuple[str, stat_result | None]:
        return super().lookup_path(path) if path in NAMES else ("", None)

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        # The name stays when chanx is upgraded: browsers ask each time, and get 304 where it is the same.
        response.headers["cache-control"] = "no-cache"
        if "content-type" in response.headers:  # a module is refused with any other, and Windows has a registry for it
            response.headers["content-type"] = "text/javascript; charset=utf-8"
        return response


app = _Scripts(directory=script.parent)
