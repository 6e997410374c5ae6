from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from docs.snippets.howto.mount_bare import app as ping

app = Starlette(
    routes=[
        WebSocketRoute("/ping", ping),  # this path only
        Mount("/under", ping),  # every path below /under
    ],
    lifespan=ping.lifespan,  # optional
)
