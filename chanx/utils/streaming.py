"""Answers that are sent piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from pydantic import BaseModel

__all__ = ["stream_messages"]


async def stream_messages(consumer: Any, messages: AsyncIterable[BaseModel]) -> int:
    """Send messages as they come, such as the tokens of an answer; how many there were.

    An async generator is closed however this ends.

    Args:
        consumer: what has `send_message`.
        messages: an async generator, for one.
    """
    sent = 0
    try:
        async for message in messages:
            await consumer.send_message(message)
            sent += 1
    finally:
        if (close := getattr(messages, "aclose", None)) is not None:
            await close()
    return sent
