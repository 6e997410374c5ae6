"""The WebSockets of chanx 2.x: methods that decorators mark, one for each message or event."""

from asgiref.sync import sync_to_async

from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage

from . import tasks
from .authenticators import PageAuthenticator, RoomAuthenticator
from .messages import (
    Announcement,
    AskForDigest,
    DigestBegun,
    DigestReady,
    History,
    HistoryPayload,
    IsTyping,
    LetIn,
    Line,
    Member,
    MemberJoined,
    MemberRemoved,
    MessagePosted,
    NoticeEvent,
    ReadHistory,
    RoomEvent,
    Said,
    Say,
    Typing,
)
from .models import Message, group_of

SENT_OUT = 4403


class AnswersPings:
    """What several consumers have in common."""

    @ws_handler(summary="A sign of life", tags=["system"])
    async def ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


@channel(name="room", description="One room: what is said in it, and who comes and goes.", tags=["rooms"])
class RoomConsumer(AnswersPings, AsyncJsonWebsocketConsumer[RoomEvent]):
    authenticator_class = RoomAuthenticator
    authenticator: RoomAuthenticator
    passthrough_events = (MemberJoined, DigestReady)
    log_ignored_actions = ("ping", "pong", "typing")

    async def post_authentication(self) -> None:
        self.room = self.authenticator.obj
        self.username = self.authenticator.user.username
        await self.join_group(self.room.group)

    @ws_handler(summary="Say something", output_type=Said)
    async def say(self, message: Say) -> None:
        said = await Message.objects.acreate(room=self.room, author=self.authenticator.user, text=message.payload.text)
        await self.broadcast_message(Said(payload=Line.of(said)))

    @ws_handler(output_type=IsTyping)
    async def typing(self, message: Typing) -> None:
        await self.broadcast_message(IsTyping(payload=Member(member=self.username)), exclude_current=True)

    @ws_handler(summary="Read what was said earlier")
    async def read_history(self, message: ReadHistory) -> History:
        wanted = message.payload
        earlier = self.room.messages.select_related("author").order_by("-pk")
        if wanted.before is not None:
            earlier = earlier.filter(pk__lt=wanted.before)
        found = [Line.of(one) async for one in earlier[: wanted.limit + 1]]
        more = len(found) > wanted.limit
        return History(payload=HistoryPayload(lines=found[: wanted.limit][::-1], more=more))

    @ws_handler(summary="Ask for a digest", output_type=[DigestBegun, DigestReady])
    async def ask_for_digest(self, message: AskForDigest) -> DigestBegun:
        # In a thread: to reach a broker takes time, and without one the task runs at once.
        await sync_to_async(tasks.digest.delay)(self.room.pk, self.channel_name)
        return DigestBegun()

    @event_handler
    async def message_posted(self, event: MessagePosted) -> Said:
        return Said(payload=event.payload)

    @event_handler
    async def member_removed(self, event: MemberRemoved) -> MemberRemoved | None:
        if event.payload.member == self.username:
            await self.close(SENT_OUT)
            return None
        return event


@channel(name="notices", description="What concerns a user outside of rooms.", tags=["notices"])
class NoticeConsumer(AnswersPings, AsyncJsonWebsocketConsumer[NoticeEvent]):
    authenticator_class = PageAuthenticator
    authenticator: PageAuthenticator
    groups = ("notices",)
    passthrough_events = (Announcement, LetIn)

    async def post_authentication(self) -> None:
        await self.join_group(group_of(self.authenticator.user.pk))
