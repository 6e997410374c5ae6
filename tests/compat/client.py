"""A client of consumers that speak JSON."""

from __future__ import annotations

import json
from typing import Any

from chanx.channels.testing import WebsocketCommunicator


class Client(WebsocketCommunicator):
    """A client that speaks JSON."""

    async def ask(self, content: Any) -> Any:
        """Send a frame, and return the next one that comes."""
        await self.tell(content)
        return await self.got()

    async def tell(self, content: Any) -> None:
        await self.send_to(text_data=content if isinstance(content, str) else json.dumps(content))

    async def got(self) -> Any:
        return json.loads(await self.receive_from())


async def opened(consumer: Any, path: str = "/", **initkwargs: Any) -> Client:
    client = Client(consumer.as_asgi(**initkwargs), path)
    connected, _ = await client.connect()
    assert connected
    return client


def error(payload: Any) -> dict[str, Any]:
    return {"action": "error", "payload": payload}


PONG = {"action": "pong", "payload": None}
