"""Notices that server code sends to everybody, or to one user."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from chanx.core.decorators import channel
from chanx.messages.base import BaseMessage
from examples.fastapi_rooms.auth import CurrentUser
from examples.fastapi_rooms.base import BaseConsumer

EVERYBODY = "notices"


def group_of(user: str) -> str:
    return f"notices.{user}"


class NoticePayload(BaseModel):
    title: str = Field(max_length=200)
    sent_by: str


class Notice(BaseMessage):
    action: Literal["notice"] = "notice"
    payload: NoticePayload


class MaintenancePayload(BaseModel):
    minutes: int = Field(ge=1)


class Maintenance(BaseMessage):
    """The service goes down soon."""

    action: Literal["maintenance"] = "maintenance"
    payload: MaintenancePayload


@channel(name="notices", description="Get notices; a client has nothing to say here", tags=["notices"])
class NoticeConsumer(BaseConsumer[Notice | Maintenance]):
    groups = [EVERYBODY]
    passthrough_events = [Notice, Maintenance]

    async def post_authentication(self) -> None:
        await self.join_group(group_of(self.me.name))


class NewNotice(BaseModel):
    title: str = Field(max_length=200)
    to: str | None = None


router = APIRouter(tags=["notices"])


@router.post("/notices", status_code=202)
async def notify(new: NewNotice, user: CurrentUser) -> None:
    """Send a notice: to one user, or to everybody."""
    notice = Notice(payload=NoticePayload(title=new.title, sent_by=user.name))
    await NoticeConsumer.broadcast_event(notice, groups=None if new.to is None else group_of(new.to))


@router.post("/maintenance", status_code=202)
async def maintain(planned: MaintenancePayload, user: CurrentUser) -> None:
    """Warn everybody."""
    if not user.is_staff:
        raise HTTPException(403, "only staff may do that")
    await NoticeConsumer.broadcast_event(Maintenance(payload=planned))
