from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles

from chanx import static
from docs.snippets.howto.topics import hub

app = Starlette(
    routes=[
        WebSocketRoute("/ws", hub),
        Mount("/chanx", static.app),  # /chanx/chanx.js and /chanx/topics.js
        Mount("/", StaticFiles(directory=Path(__file__).with_name("page_topics"), html=True)),
    ]
)
