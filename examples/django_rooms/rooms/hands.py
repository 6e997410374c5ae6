"""Raised hands: a WebSocket that was written for chanx 0.12, with one method for messages and one for events."""

from typing import Any, Literal

from pydantic import BaseModel

from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseChannelEvent, BaseGroupMessage, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage

from .models import Membership, Room
from .permissions import IsMember


class RaiseHand(BaseMessage):
    action: Literal["raise_hand"] = "raise_hand"
    payload: None = None


class LowerHand(BaseMessage):
    action: Literal["lower_hand"] = "lower_hand"
    payload: None = None


class Hands(BaseMessage):
    """Whose hands are up."""

    action: Literal["hands"] = "hands"
    payload: list[str]


class HandPayload(BaseModel):
    member: str
    up: bool


class HandMoved(BaseGroupMessage):
    """Somebody has raised or lowered a hand."""

    action: Literal["hand_moved"] = "hand_moved"
    payload: HandPayload


class HandsLowered(BaseChannelEvent):
    """The owner has lowered all hands."""

    class Payload(BaseModel):
        by: str

    handler: Literal["hands_lowered"] = "hands_lowered"
    payload: Payload


class MemberGone(BaseChannelEvent):
    """Somebody was sent out of the room."""

    class Payload(BaseModel):
        member: str

    handler: Literal["member_gone"] = "member_gone"
    payload: Payload


HandsEvent = HandsLowered | MemberGone
HandsIncoming = PingMessage | RaiseHand | LowerHand


def hands_group(room: Room) -> str:
    return f"hands.{room.pk}"


class HandsConsumer(AsyncJsonWebsocketConsumer[HandsIncoming, HandsEvent, HandMoved, Room]):
    """The raised hands of one room."""

    permission_classes = [IsMember]  # noqa: RUF012 - as its documentation writes it
    queryset = Room.objects.all()
    lookup_field = "slug"
    lookup_url_kwarg = "room"

    member: Membership

    async def build_groups(self) -> list[str]:
        assert self.obj
        self.group_name = hands_group(self.obj)
        return [self.group_name]

    async def post_authentication(self) -> None:
        assert self.user is not None
        assert self.obj
        self.member = await self.obj.memberships.select_related("user").aget(user=self.user)
        await self.send_message(await self.raised())

    async def receive_message(self, message: HandsIncoming, **kwargs: Any) -> None:
        match message:
            case PingMessage():
                await self.send_message(PongMessage())
            case RaiseHand():
                await self.move(up=True)
            case LowerHand():
                await self.move(up=False)

    async def receive_event(self, event: HandsEvent) -> None:
        match event:
            case HandsLowered():
                self.member.hand_up = False
                await self.send_message(await self.raised())
            case MemberGone() if event.payload.member == self.member.user.username:
                await self.close()
            case MemberGone():
                await self.send_message(await self.raised())

    async def move(self, *, up: bool) -> None:
        self.member.hand_up = up
        await self.member.asave(update_fields=["hand_up"])
        moved = HandMoved(payload=HandPayload(member=self.member.user.username, up=up))
        await self.send_group_message(moved, exclude_current=False)

    async def raised(self) -> Hands:
        assert self.obj
        up = self.obj.memberships.filter(hand_up=True).order_by("user__username")
        return Hands(payload=[name async for name in up.values_list("user__username", flat=True)])
