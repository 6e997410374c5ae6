"""What generated clients talk to."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Limits, Path
from chanx.asyncapi import routes
from chanx.core.decorators import channel, ws_handler
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage


class Place(BaseModel):
    name: str
    at: tuple[float, float] = (0.0, 0.0)


class Say(BaseModel):
    """Something that is said."""

    action: Literal["say"] = "say"
    text: str
    mood: Literal["good", "bad"] = "good"
    place: Place | None = None
    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    class_: str = Field("none", alias="class")


class Said(BaseModel):
    action: Literal["said"] = "said"
    who: str
    text: str
    mood: Literal["good", "bad"]
    place: Place | None
    day: dt.date
    class_: str = Field(serialization_alias="class")


class Welcome(BaseModel):
    action: Literal["welcome"] = "welcome"
    room: int


class Count(BaseModel):
    action: Literal["count"] = "count"
    to: int


class Number(BaseModel):
    action: Literal["number"] = "number"
    number: int


class Note(BaseModel):
    action: Literal["note"] = "note"
    text: str


rooms = Channel("rooms", title="Rooms", limits=Limits(heartbeat=60))
notes = Channel("notes")
Room = Annotated[int, Path("room")]


@rooms.on_connect
async def enter(ctx: Context, room: Room) -> None:
    await ctx.send(Welcome(room=room))


@rooms.on(Say)
async def say(message: Say, http: HTTPConnection) -> Said:
    """Say something."""
    who = http.query_params.get("who") or http.headers.get("x-who", "nobody")
    day = dt.date(2000, 1, 1)
    mood, place = message.mood, message.place
    return Said(who=who, text=message.text, mood=mood, place=place, day=day, class_=message.class_)


@rooms.on(Count)
async def count(message: Count) -> AsyncIterator[Number]:
    for number in range(message.to):
        yield Number(number=number)


@rooms.event(Note, output=Welcome)
async def noted(event: Note) -> None: ...


@notes.on(Note)
async def note(message: Note) -> Note:
    return message


rooms.include(notes, topic="notes:{pk}")


class ChatPayload(BaseModel):
    message: str


class ChatMessage(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: ChatPayload


class ChatNotification(BaseMessage):
    action: Literal["chat_notification"] = "chat_notification"
    payload: ChatPayload


@channel(name="chat")
class ChatConsumer(AsyncJsonWebsocketConsumer):
    @ws_handler
    async def handle_chat(self, message: ChatMessage) -> ChatNotification:
        return ChatNotification(payload=message.payload)


app = Starlette(routes=[WebSocketRoute("/rooms/{room:int}", rooms), WebSocketRoute("/ws/chat", ChatConsumer.as_asgi())])
app.router.routes[:0] = routes(app, title="Rooms", version="1")
