"""Two server processes behind one address: kill one, and its clients come back at the other with nothing missing.

Run it with `python -m examples.scale` and open the address that it prints. It starts a Redis server of its own, for
which `redis-server` has to be installed; `--redis URL` takes one that runs already.

- `messages.py`: what the page and the server say to each other
- `channel.py`: the channel, which both processes serve
- `process.py`: one server process; it ends with its supervisor
- `balancer.py`: gives each new connection to a process that lives
- `supervisor.py`: the processes, which it starts again, and who counts aloud
- `__main__.py`: the command
- `static/`: the page, with several clients; their connections are `chanx.js` with `history.js`

In production the supervisor is systemd or Kubernetes, and the balancer is nginx: see docs/how-to/deploy.md.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from chanx import static
from examples.scale.channel import scale

__all__ = ["app", "scale"]

STATIC = Path(__file__).parent / "static"


async def page(_: Request) -> FileResponse:
    return FileResponse(STATIC / "index.html")


app = Starlette(
    routes=[
        Route("/", page),
        WebSocketRoute("/clients", scale),
        Mount("/chanx", static.app),
        Mount("/static", StaticFiles(directory=STATIC)),
    ],
    lifespan=scale.lifespan,
)
