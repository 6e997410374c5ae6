"""A dashboard: one page, one socket, and as many topics on it as the visitor has opened.

Run it with `uvicorn examples.dashboard:app` and open `http://127.0.0.1:8000/` in two tabs, once as on call and once
not. The services that it watches are made up, but they run.

- `messages.py`: what the page and the server say to each other
- `fleet.py`: the services, their measurements and their logs; runs as long as the application does
- `incidents.py`: the incidents, and who is where; in this process's memory
- `visitors.py`: who is at the other end, and what they may
- `service.py`, `logs.py`, `incident.py`: a channel for each kind of topic
- `hub.py`: the channel that is served, which has the others as topics, and what measures
- `static/`: the page; its connection is `chanx.js` with `topics.js`, which chanx serves

An incident may also be followed alone, at `/incidents/1`: it is the same channel, with the same members of the group.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from chanx import static
from examples.dashboard.hub import hub, watch
from examples.dashboard.incident import incident

__all__ = ["app", "hub", "incident"]

STATIC = Path(__file__).parent / "static"


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None]:
    """The services run while the application does."""
    async with hub.lifespan(app), anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        yield
        tasks.cancel_scope.cancel()


async def page(_: Request) -> FileResponse:
    return FileResponse(STATIC / "index.html")


app = Starlette(
    routes=[
        Route("/", page),
        WebSocketRoute("/dashboard", hub),
        WebSocketRoute("/incidents/{pk}", incident),
        Mount("/chanx", static.app),
        Mount("/static", StaticFiles(directory=STATIC)),
    ],
    lifespan=lifespan,
)
