from fastapi import APIRouter, FastAPI
from starlette.routing import WebSocketRoute

from chanx.asyncapi import routes
from docs.snippets.howto.asyncapi_serve import chat

# --8<-- [start:app]
router = APIRouter(routes=[WebSocketRoute("/rooms/{room}", chat)])

app = FastAPI(title="Shop", version="2.0.0")
app.include_router(router, prefix="/v2")
app.router.routes.extend(routes(app, title=app.title, version=app.version, path="/docs/sockets"))
# --8<-- [end:app]
