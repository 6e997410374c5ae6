from fastapi import FastAPI
from starlette.routing import WebSocketRoute

from docs.snippets.howto.mount_bare import app as ping

app = FastAPI(lifespan=ping.lifespan)
app.router.routes.append(WebSocketRoute("/ping", ping))
app.mount("/under", ping)
