from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx.asyncapi import document, walk
from docs.snippets.howto.asyncapi_serve import chat

# --8<-- [start:app]
app = Starlette(routes=[WebSocketRoute("/chat", chat), WebSocketRoute("/internal/chat", chat)])

public = [served for served in walk(app) if not served.address.startswith("/internal/")]
told = document(public, title="Chat", version="1.0.0")
# --8<-- [end:app]
