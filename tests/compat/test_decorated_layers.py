"""Consumers of chanx 2.x on channel layers of other people, and beside processes that run the original."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

from chanx.core.decorators import event_handler, ws_handler
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from tests.compat.client import Client, opened
from tests.compat.test_other_layers import LAYERS, layer, redis_url  # noqa: F401 - fixtures

pytestmark = pytest.mark.anyio


class Note(BaseMessage):
    action: Literal["note"] = "note"
    payload: str = ""


class Consumer(AsyncJsonWebsocketConsumer[Note]):
    groups = ["room"]

    @ws_handler
    async def handle_note(self, message: Note) -> None:
        await self.broadcast_message(message)

    @event_handler
    async def heard(self, event: Note) -> Note:
        return Note(payload=event.payload.upper())


async def entered() -> Client:
    """A client whose consumer is in its groups, which it joins when it has accepted."""
    client = await opened(Consumer)
    await client.ask({"action": "note"})
    return client


async def test_groups_and_events(layer: Any) -> None:  # noqa: F811
    one = await entered()
    other = await entered()
    await one.got()
    note = {"action": "note", "payload": "x"}
    await one.tell(note)
    assert await one.got() == {**note, "is_current": True}
    assert await other.got() == {**note, "is_current": False}
    await Consumer.broadcast_event(Note(payload="event"))
    for client in (one, other):
        assert (await client.got())["payload"] == "EVENT"
    await one.disconnect()
    await Consumer.broadcast_event(Note(payload="left"))
    assert (await other.got())["payload"] == "LEFT"
    await other.disconnect()


@pytest.mark.parametrize("layer", [one for one in LAYERS if one.id != "channels-memory"], indirect=True)
async def test_an_event_from_a_thread(layer: Any) -> None:  # noqa: F811
    client = await entered()
    await asyncio.to_thread(Consumer.broadcast_event_sync, Note(payload="thread"))
    assert (await client.got())["payload"] == "THREAD"
    await client.disconnect()


async def test_what_a_process_with_the_original_sends(layer: Any) -> None:  # noqa: F811
    client = await entered()
    note = {"action": "note", "payload": "x"}
    original = {"type": "handle_group_message", "message": note, "exclude_current": True, "from_channel": "other"}
    await layer.group_send("room", original)
    assert await client.got() == {**note, "is_current": False}
    await layer.group_send("room", {"type": "handle_channel_event", "event_data": note})
    assert (await client.got())["payload"] == "X"
    await client.disconnect()
