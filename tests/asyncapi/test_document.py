"""What stands in a document, part by part."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from chanx import Channel
from chanx.asyncapi import document
from tests.asyncapi.conftest import Valid


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


def test_one_channel(valid: Valid) -> None:
    chat = Channel("chat", title="Chat", description="Talk.")

    @chat.on(Say)
    async def say(message: Say) -> Said:
        """Say something."""
        return Said(text=message.text)

    made = document(chat, title="Office", version="1.2")
    assert valid(made) == []
    assert made["info"] == {"title": "Office", "version": "1.2"}
    channel = made["channels"]["chat"]
    assert (channel["address"], channel["title"], channel["description"]) == ("/", "Chat", "Talk.")
    assert made["operations"]["say"] == {
        "action": "receive",
        "channel": {"$ref": "#/channels/chat"},
        "summary": "Say something.",
        "messages": [{"$ref": "#/channels/chat/messages/Say"}],
        "reply": {
            "channel": {"$ref": "#/channels/chat"},
            "messages": [{"$ref": "#/channels/chat/messages/Said"}],
        },
        "x-exchange": {"final": ["said", "error"]},
    }
