"""Rooms in which people talk."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, StringConstraints

from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.messages.base import BaseMessage
from examples.fastapi_rooms.auth import CurrentUser, TokenAuthenticator
from examples.fastapi_rooms.base import BaseConsumer
from examples.fastapi_rooms.live import Activity, ActivityPayload, ActivityTopic

ROOM = re.compile(r"[a-z0-9-]{1,30}")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


def group_of(room: str) -> str:
    return f"room.{room}"


# What clients send.


class SayPayload(BaseModel):
    text: Text


class Say(BaseMessage):
    action: Literal["say"] = "say"
    payload: SayPayload


class Typing(BaseMessage):
    action: Literal["typing"] = "typing"
    payload: None = None


# What they get.


class SaidPayload(BaseModel):
    who: str
    text: str


class Said(BaseMessage):
    action: Literal["said"] = "said"
    payload: SaidPayload


class HistoryPayload(BaseModel):
    room: str
    recent: list[SaidPayload]


class History(BaseMessage):
    """What was said last, for somebody who has just come."""

    action: Literal["history"] = "history"
    payload: HistoryPayload


class WhoPayload(BaseModel):
    who: str


class Joined(BaseMessage):
    action: Literal["joined"] = "joined"
    payload: WhoPayload


class Left(BaseMessage):
    action: Literal["left"] = "left"
    payload: WhoPayload


class IsTyping(BaseMessage):
    action: Literal["is_typing"] = "is_typing"
    payload: WhoPayload


# What server code tells the consumers.


class AnnouncedPayload(BaseModel):
    text: str
    for_staff: bool = False


class Announced(BaseMessage):
    action: Literal["announced"] = "announced"
    payload: AnnouncedPayload


class RoomAuthenticator(TokenAuthenticator):
    """Lets a user stay who asks for a room that there can be."""

    room: str

    async def authenticate(self) -> bool:
        if not await super().authenticate():
            return False
        self.room = self.scope["path_params"]["room"]
        if ROOM.fullmatch(self.room) is None:
            self.status_code = 404  # it is closed with 4404
            return False
        return True


@channel(name="rooms", description="Talk in a room", tags=["rooms"])
class RoomConsumer(BaseConsumer[Announced]):
    authenticator_class = RoomAuthenticator
    authenticator: RoomAuthenticator
    emits = [History, Joined, Left]

    async def post_authentication(self) -> None:
        room = self.authenticator.room
        await self.join_group(group_of(room))
        recent = [SaidPayload.model_validate_json(one) for one in await self.backend.recent(room)]
        await self.send_message(History(payload=HistoryPayload(room=room, recent=recent)))
        await self.broadcast_message(Joined(payload=WhoPayload(who=self.me.name)), exclude_current=True)

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        if self.groups:  # it was let in
            await self.broadcast_message(Left(payload=WhoPayload(who=self.me.name)))

    @ws_handler(summary="Say something to all in the room", output_type=Said)
    async def handle_say(self, message: Say) -> None:
        said = SaidPayload(who=self.me.name, text=message.payload.text)
        await self.backend.remember(self.authenticator.room, said.model_dump_json())
        await self.broadcast_message(Said(payload=said))
        await ActivityTopic.broadcast("activity", Activity(payload=ActivityPayload(room=self.authenticator.room)))

    @ws_handler(summary="Tell the others that one is writing", output_type=IsTyping)
    async def handle_typing(self, _message: Typing) -> None:
        await self.broadcast_message(IsTyping(payload=WhoPayload(who=self.me.name)), exclude_current=True)

    @event_handler
    async def announced(self, event: Announced) -> Announced | None:
        """Each consumer decides for its own client."""
        return event if self.me.is_staff or not event.payload.for_staff else None


router = APIRouter(tags=["rooms"])


@router.post("/rooms/{room}/announcements", status_code=202)
async def announce(room: str, announcement: AnnouncedPayload, user: CurrentUser) -> None:
    """Tell all who are in a room."""
    if not user.is_staff:
        raise HTTPException(403, "only staff may announce something")
    if ROOM.fullmatch(room) is None:
        raise HTTPException(404, "there is no such room")
    await RoomConsumer.broadcast_event(Announced(payload=announcement), groups=group_of(room))
