"""An assistant that answers word by word, asks back, and reads what is uploaded.

Run it with `uvicorn examples.assistant:app` and open `http://127.0.0.1:8000/`. Its address gets a session's
name; open it in a second tab, and that one sees live what happens in the first.

- `messages.py`: what the page and the server say to each other
- `model.py`: the model; this one makes its words up, and needs no network
- `tools.py`: what the model may do, and where the user is asked first
- `sessions.py`: questions, answers and documents of each session; in this process's memory
- `channel.py`: the channel with its hooks and handlers
- `static/`: the page; its connection is `chanx.js`, which chanx serves
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from chanx import static
from examples.assistant.channel import assistant

__all__ = ["app", "assistant"]

STATIC = Path(__file__).parent / "static"


async def page(_: Request) -> FileResponse:
    return FileResponse(STATIC / "index.html")


app = Starlette(
    routes=[
        Route("/", page),
        WebSocketRoute("/sessions/{session}", assistant),
        Mount("/chanx", static.app),
        Mount("/static", StaticFiles(directory=STATIC)),
    ],
    lifespan=assistant.lifespan,
)
