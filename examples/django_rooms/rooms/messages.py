"""What goes over the WebSockets of chanx 2.x, and the events that views, tasks and commands send to their consumers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from chanx.messages.base import BaseMessage

from .models import Message

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Line(BaseModel):
    """Something that was said."""

    id: int
    author: str
    text: str
    sent_at: datetime

    @classmethod
    def of(cls, message: Message) -> Line:
        """That of a row; its author must have been read with it."""
        return cls(id=message.pk, author=message.author.username, text=message.text, sent_at=message.sent_at)


class Member(BaseModel):
    member: str


class RoomName(BaseModel):
    id: int
    name: str


# -- from clients ----------------------------------------------------------------------------------------


class SayPayload(BaseModel):
    text: Text


class Say(BaseMessage):
    """Says something in the room."""

    action: Literal["say"] = "say"
    payload: SayPayload


class Typing(BaseMessage):
    """Is writing something."""

    action: Literal["typing"] = "typing"
    payload: None = None


class Page(BaseModel):
    before: int | None = None
    limit: int = Field(default=50, ge=1, le=100)


class ReadHistory(BaseMessage):
    """Asks for what was said earlier."""

    action: Literal["read_history"] = "read_history"
    payload: Page = Page()


class AskForDigest(BaseMessage):
    """Asks for a digest of the room, for this connection only."""

    action: Literal["ask_for_digest"] = "ask_for_digest"
    payload: None = None


# -- to clients ------------------------------------------------------------------------------------------


class Said(BaseMessage):
    """Somebody has said something."""

    action: Literal["said"] = "said"
    payload: Line


class IsTyping(BaseMessage):
    """Somebody else is writing something."""

    action: Literal["is_typing"] = "is_typing"
    payload: Member


class HistoryPayload(BaseModel):
    lines: list[Line]
    more: bool


class History(BaseMessage):
    """What was said earlier, the oldest first."""

    action: Literal["history"] = "history"
    payload: HistoryPayload


class DigestBegun(BaseMessage):
    """A worker has been asked for the digest."""

    action: Literal["digest_begun"] = "digest_begun"
    payload: None = None


# -- from views, tasks and commands; those that are sent to clients as they are say so ----------------------------


class MessagePosted(BaseMessage):
    """A message came by the REST API."""

    action: Literal["message_posted"] = "message_posted"
    payload: Line


class MemberJoined(BaseMessage):
    """Somebody was let into the room. Clients get it as it is."""

    action: Literal["member_joined"] = "member_joined"
    payload: Member


class MemberRemoved(BaseMessage):
    """Somebody was sent out of the room. The others get it as it is."""

    action: Literal["member_removed"] = "member_removed"
    payload: Member


class DigestPayload(BaseModel):
    lines: int
    by_author: dict[str, int]


class DigestReady(BaseMessage):
    """A worker has made a digest. Clients get it as it is."""

    action: Literal["digest_ready"] = "digest_ready"
    payload: DigestPayload


class AnnouncementPayload(BaseModel):
    text: str


class Announcement(BaseMessage):
    """For everybody. Clients get it as it is."""

    action: Literal["announcement"] = "announcement"
    payload: AnnouncementPayload


class LetIn(BaseMessage):
    """This user was let into a room. Clients get it as it is."""

    action: Literal["let_in"] = "let_in"
    payload: RoomName


RoomEvent = MessagePosted | MemberJoined | MemberRemoved | DigestReady
NoticeEvent = Announcement | LetIn
