import asyncio
import contextlib
import random

from room_client.chat import ChatClient, Said
from websockets.exceptions import WebSocketException


# --8<-- [start:back]
class Reader(ChatClient):
    async def on_said(self, message: Said) -> None:
        print(message.seq, message.text)

    async def handle_lost(self, stream: str, topic: str | None) -> None:
        print("load anew:", topic or "", stream)


async def read(url: str) -> None:
    reader = Reader(url, room="7")
    while True:
        with contextlib.suppress(OSError, WebSocketException):  # no server, or it refuses
            await reader.handle()
        await asyncio.sleep(random.uniform(0, 3))


# --8<-- [end:back]
