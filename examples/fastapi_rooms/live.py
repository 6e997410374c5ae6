"""Topics: what a page follows on one connection, as much of it as it shows; and a poll on a route of its own."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from chanx.core.decorators import channel, ws_handler
from chanx.core.topic import Topic
from chanx.messages.base import BaseMessage
from examples.fastapi_rooms.auth import TokenAuthenticator, User
from examples.fastapi_rooms.backend import backend_of
from examples.fastapi_rooms.base import BaseConsumer

Choice = Literal["yes", "no"]

#: The polls that there are, and who may take part in them.
POLLS: dict[str, Literal["everybody", "staff"]] = {"lunch": "everybody", "budget": "staff"}


class VotePayload(BaseModel):
    choice: Choice


class Vote(BaseMessage):
    """Each user has one vote, and may change it."""

    action: Literal["vote"] = "vote"
    payload: VotePayload


class TallyPayload(BaseModel):
    yes: int = 0
    no: int = 0


class Tally(BaseMessage):
    """How a poll stands. The higher `seq` beside it, the later it is."""

    action: Literal["tally"] = "tally"
    payload: TallyPayload


class PollTopic(Topic):
    """A poll: who subscribes gets its state, and every change."""

    pattern = "poll:{poll}"
    passthrough_events = [Tally]

    async def authorize(self, poll: str) -> bool:
        user: User = self.user
        return POLLS.get(poll) == "everybody" or (poll in POLLS and user.is_staff)

    async def on_subscribe(self) -> None:
        await self.send_message(await self.tally())

    @ws_handler(summary="Vote, or change one's vote", output_type=Tally)
    async def handle_vote(self, message: Vote) -> None:
        number = await backend_of(self.scope).vote(self.params["poll"], self.user.name, message.payload.choice)
        await self.broadcast(self.topic, await self.tally(), seq=number)

    async def tally(self) -> Tally:
        votes = list((await backend_of(self.scope).votes(self.params["poll"])).values())
        return Tally(payload=TallyPayload(yes=votes.count("yes"), no=votes.count("no")))


class ActivityPayload(BaseModel):
    room: str


class Activity(BaseMessage):
    """Somebody has said something in a room."""

    action: Literal["activity"] = "activity"
    payload: ActivityPayload


class ActivityTopic(Topic):
    """Where something is going on."""

    pattern = "activity"
    passthrough_events = [Activity]


@channel(name="live", description="Follow polls and activity on one connection", tags=["live"])
class LiveConsumer(BaseConsumer[BaseMessage]):
    topics = [PollTopic, ActivityTopic]


#: One poll on a route of its own, for a client that wants nothing else: `/ws/polls/lunch`.
PollConsumer = channel(name="poll", description="Follow one poll", tags=["live"])(
    PollTopic.as_consumer(authenticator_class=TokenAuthenticator, send_completion=True)
)
