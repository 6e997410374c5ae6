"""The least that a server can serve; it imports little, since each server that is tried imports it anew."""

from __future__ import annotations

from starlette.responses import PlainTextResponse

hello = PlainTextResponse("hello")
