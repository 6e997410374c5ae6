"""A consumer of chanx 2.x whose slow answers do not hold up the quick ones."""

import asyncio
from typing import Literal

from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import ws_handler
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class Search(BaseMessage):
    action: Literal["search"] = "search"
    payload: str


class Found(BaseMessage):
    action: Literal["found"] = "found"
    payload: list[str]


def look_up(text: str) -> list[str]:
    return [text]  # from a slow database


class SearchConsumer(AsyncJsonWebsocketConsumer):
    concurrency = 4

    @ws_handler
    async def search(self, message: Search) -> Found:
        return Found(payload=await asyncio.to_thread(look_up, message.payload))

    @ws_handler
    async def ping(self, _message: PingMessage) -> PongMessage:
        return PongMessage()
