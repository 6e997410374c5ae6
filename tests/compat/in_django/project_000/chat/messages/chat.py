"""What clients of the chat send."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel

from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage


class NewChatPayload(BaseModel):
    content: str
    groups: list[str] | None = None


class NewChatMessage(BaseMessage):
    action: Literal["new_chat_message"] = "new_chat_message"
    payload: NewChatPayload


class JoinGroupPayload(BaseModel):
    group_name: str


class JoinGroupMessage(BaseMessage):
    action: Literal["join_group"] = "join_group"
    payload: JoinGroupPayload


ChatIncomingMessage: TypeAlias = NewChatMessage | JoinGroupMessage | PingMessage
