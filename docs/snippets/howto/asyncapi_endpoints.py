from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from chanx.core.decorators import ws_handler
from chanx.fast_channels import asyncapi_docs, asyncapi_spec_json
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class PingConsumer(AsyncJsonWebsocketConsumer):
    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:  # noqa: ARG002
        return PongMessage()


# --8<-- [start:app]
app = FastAPI()
app.mount("/ws", PingConsumer.as_asgi())


@app.get("/asyncapi.json")
async def schema(request: Request) -> JSONResponse:
    return await asyncapi_spec_json(request, app, config={"title": "Shop", "version": "2.0.0"})


@app.get("/asyncapi")
async def page(request: Request) -> HTMLResponse:
    return await asyncapi_docs(request, app)


# --8<-- [end:app]
