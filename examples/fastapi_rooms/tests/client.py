"""The clients of the tests."""

from __future__ import annotations

from typing import Any

from chanx.constants import ACTION_COMPLETE
from chanx.fast_channels.testing import WebsocketCommunicator

PATIENCE = 10  # seconds; a loaded machine is slow


class Client(WebsocketCommunicator):
    """The documented client, which waits longer for what is slow."""

    async def connect(self, timeout: float = PATIENCE) -> tuple[bool, Any]:
        return await super().connect(timeout)

    async def disconnect(self, code: int = 1000, timeout: float = PATIENCE) -> None:
        await super().disconnect(code, timeout)

    async def receive_json_from(self, timeout: float = PATIENCE) -> Any:
        return await super().receive_json_from(timeout)

    async def receive_all_messages(self, stop_action: str = ACTION_COMPLETE, timeout: float = PATIENCE) -> list[Any]:
        return await super().receive_all_messages(stop_action, timeout)
