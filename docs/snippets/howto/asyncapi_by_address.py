from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from chanx.asyncapi import document, routes
from docs.snippets.howto.asyncapi_serve import chat


# --8<-- [start:app]
async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":  # any path: what a function decides cannot be seen from outside
        await chat(scope, receive, send)
    else:
        await pages(scope, receive, send)


pages = Router(routes({"/chat": chat}, title="Chat", version="1.0.0"))
told = document({"/chat": chat}, title="Chat", version="1.0.0")
# --8<-- [end:app]
