"""Consumers for real servers. `/log/` tells what has happened to them so far."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any, Literal

from starlette.routing import Route, WebSocketRoute

from chanx.channels.generic.http import AsyncHttpConsumer
from chanx.channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.routing import ProtocolTypeRouter, URLRouter
from chanx.channels.websocket import AsyncJsonWebsocketConsumer as Decorated
from chanx.compat import leaving
from chanx.core.decorators import ws_handler
from chanx.messages.base import BaseMessage
from tests.compat.documents import printed
from tests.compat.test_document_004 import ASYNC_WEBSOCKET, LONG_POLL, SERVER_SENT_EVENTS, WEBSOCKET

register_channel_layer("default", InMemoryChannelLayer())
leaving.LINGER = 1.0  # seconds; so that the tests need not wait for long
log: list[Any] = []


class Async(AsyncJsonWebsocketConsumer):
    groups = ["all"]

    async def connect(self) -> None:
        offered = self.scope["subprotocols"]
        if "refuse" in offered:
            await self.close()
        else:
            await self.accept(offered[0] if offered else None)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        match content:
            case {"close": code, "reason": reason}:
                await self.close(code, reason)
            case {"fail": text}:
                raise LookupError(text)
            case {"wait": name}:
                await self.send_json("waiting")
                try:
                    await asyncio.Event().wait()
                finally:
                    log.append(f"wait {name} ended")
            case {"all": text}:
                await self.channel_layer.group_send("all", {"type": "tell.all", "text": text})
            case {"flood": name}:
                try:
                    while True:
                        await self.send_json("x" * 10_000)
                        await asyncio.sleep(0)
                finally:
                    log.append(f"flood {name} ended")
            case _:
                await self.send_json({"got": content})

    async def tell_all(self, event: Any) -> None:
        await self.send_json(event["text"])

    async def disconnect(self, code: int) -> None:
        log.append(["async", self.scope["query_string"].decode(), code])


class Sync(JsonWebsocketConsumer):
    groups = ["all"]

    def connect(self) -> None:
        offered = self.scope["subprotocols"]
        if "refuse" in offered:
            self.close()
        else:
            self.accept(offered[0] if offered else None)

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        assert threading.current_thread() is not threading.main_thread()
        match content:
            case {"close": code, "reason": reason}:
                self.close(code, reason)
            case {"fail": text}:
                raise LookupError(text)
            case {"flood": name}:
                try:
                    while True:
                        self.send_json("x" * 10_000)
                finally:
                    log.append(f"flood {name} ended")
            case {"wait": name}:
                self.send_json("waiting")
                while not self._chanx_pump.over:  # longer than the client has
                    time.sleep(0.01)
                log.append(f"wait {name} ended")
            case _:
                self.send_json({"got": content})

    def tell_all(self, event: Any) -> None:
        self.send_json(event["text"])

    def disconnect(self, code: int) -> None:
        log.append(["sync", self.scope["query_string"].decode(), code])


class Do(BaseMessage):
    action: Literal["do"] = "do"
    payload: str


class Done(BaseMessage):
    action: Literal["done"] = "done"
    payload: str


class Crowd(Decorated):
    """Handles messages at the same time, from when it has slowly let the client in."""

    async def connect(self) -> None:
        await asyncio.sleep(0.05)  # the server is asked for the next event meanwhile
        self.go = asyncio.Event()
        await self.accept()

    async def post_authentication(self) -> None:
        await asyncio.sleep(0.05)

    @ws_handler
    async def handle_do(self, message: Do) -> Done:
        match message.payload:
            case "wait":
                try:
                    await self.go.wait()
                finally:
                    log.append(f"crowd {self.scope['query_string'].decode()} ended")
            case "go":
                self.go.set()
            case "flood":
                for _ in range(10):
                    await self.send_message(Done(payload="x" * 100_000))
            case _:
                pass
        return Done(payload=message.payload)

    async def disconnect(self, code: int) -> None:
        log.append(["crowd", self.scope["query_string"].decode(), code])


class Log(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        await self.send_response(200, json.dumps(log).encode(), headers={b"content-type": b"application/json"})


class Body(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        if body == b"fail":
            raise LookupError("broken")
        await self.send_response(201, body, headers=[(b"x-length", str(len(body)).encode())])


class LongPoll(printed(LONG_POLL)["LongPollConsumer"]):  # type: ignore[misc]
    async def handle(self, body: bytes) -> None:
        await self.channel_layer.group_add("all", self.channel_name)
        await super().handle(body)
        log.append("polling")

    async def tell_all(self, event: Any) -> None:
        await self.chat_message(event)

    async def disconnect(self) -> None:
        await self.channel_layer.group_discard("all", self.channel_name)
        log.append("poll ended")


class Events(printed(SERVER_SENT_EVENTS, asyncio=asyncio)["ServerSentEventsConsumer"]):  # type: ignore[misc]
    async def disconnect(self) -> None:
        log.append("events ended")


def block(text: str, base: Any, closing: bool) -> Any:
    """The document's consumer, which closes what it has accepted; or one that accepts, and then does as it does."""
    consumer = printed(text, closed=log)["MyConsumer"]
    names = {} if closing else {"connect": base.connect}
    made: Any = type("MyConsumer", (consumer,), names)
    return made.as_asgi()


application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                Route("/", Log.as_asgi()),
                Route("/log/", Log.as_asgi()),
                Route("/body/", Body.as_asgi(), methods=["POST"]),
                Route("/poll/", LongPoll.as_asgi()),
                Route("/events/", Events.as_asgi()),
            ]
        ),
        "websocket": URLRouter(
            [
                WebSocketRoute("/async/", Async.as_asgi()),
                WebSocketRoute("/sync/", Sync.as_asgi()),
                WebSocketRoute("/crowd/", Crowd.as_asgi()),
                WebSocketRoute("/block/async/closing/", block(ASYNC_WEBSOCKET, AsyncWebsocketConsumer, True)),
                WebSocketRoute("/block/async/", block(ASYNC_WEBSOCKET, AsyncWebsocketConsumer, False)),
                WebSocketRoute("/block/sync/closing/", block(WEBSOCKET, WebsocketConsumer, True)),
                WebSocketRoute("/block/sync/", block(WEBSOCKET, WebsocketConsumer, False)),
            ]
        ),
    }
)
