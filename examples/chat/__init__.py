"""A chat with rooms: who is present, who is typing, and a page that survives a restart of the server.

Run it with `uvicorn examples.chat:app` and open `http://127.0.0.1:8000/` in two tabs. Stop the server
and start it again: both tabs come back, and what was written meanwhile is sent.

- `messages.py`: what the page and the server say to each other
- `rooms.py`: who is in which room, and what was said there last; in this process's memory
- `channel.py`: the channel with its hooks and handlers
- `static/`: the page; its connection is chanx.js
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from chanx import static
from examples.chat.channel import chat

__all__ = ["app", "chat"]

STATIC = Path(__file__).parent / "static"


async def page(_: Request) -> FileResponse:
    return FileResponse(STATIC / "index.html")


app = Starlette(
    routes=[
        Route("/", page),
        WebSocketRoute("/rooms/{room}", chat),
        Mount("/chanx", static.app),
        Mount("/static", StaticFiles(directory=STATIC)),
    ],
    lifespan=chat.lifespan,
)
