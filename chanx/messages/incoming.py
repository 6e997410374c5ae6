"""Messages that clients send."""

from __future__ import annotations

from typing import Literal

from chanx.messages.base import BaseMessage


class PingMessage(BaseMessage):
    """Asks for a sign of life; the usual answer is `PongMessage`."""

    action: Literal["ping"] = "ping"
    payload: None = None
