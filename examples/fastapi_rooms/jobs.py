"""Jobs that take too long for a handler: a worker does them, and answers the client that has asked."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import BaseModel, Field

from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.messages.base import BaseMessage
from examples.fastapi_rooms.base import BaseConsumer

logger = logging.getLogger(__name__)

State = Literal["queued", "refused", "running", "done", "failed"]


class StartJobPayload(BaseModel):
    text: str = Field(max_length=10_000)
    max_words: Annotated[int, Field(ge=1, le=100)] = 10


class StartJob(BaseMessage):
    """Asks for the first words of a text. Names are in camel case on the wire: `maxWords`."""

    action: Literal["start_job"] = "start_job"
    payload: StartJobPayload


class JobStatePayload(BaseModel):
    job_id: str
    state: State
    result: str | None = None


class JobState(BaseMessage):
    action: Literal["job_state"] = "job_state"
    payload: JobStatePayload


class JobRan(BaseMessage):
    """What the worker tells the consumer."""

    action: Literal["job_ran"] = "job_ran"
    payload: JobStatePayload


class Job(BaseModel):
    """What goes through the queue.

    Attributes:
        job_id: made by the consumer.
        channel_name: of the consumer that is to be answered.
        text: what is to be shortened.
        max_words: how many words are kept.
    """

    job_id: str
    channel_name: str
    text: str
    max_words: int


@channel(name="jobs", description="Have a text shortened by a worker", tags=["jobs"])
class JobConsumer(BaseConsumer[JobRan]):
    camelize = True

    @ws_handler(summary="Start a job")
    async def handle_start(self, message: StartJob) -> JobState | None:
        job = Job(
            job_id=uuid4().hex,
            channel_name=self.channel_name,
            text=message.payload.text,
            max_words=message.payload.max_words,
        )
        # Before the worker can have begun: so the client hears of it in order.
        await self.send_message(JobState(payload=JobStatePayload(job_id=job.job_id, state="queued")))
        if await self.backend.enqueue(job.model_dump_json()):
            return None
        return JobState(payload=JobStatePayload(job_id=job.job_id, state="refused"))

    @event_handler
    async def job_ran(self, event: JobRan) -> JobState:
        return JobState(payload=event.payload)


async def perform(text: str) -> None:
    """Do a job, in whatever process, and tell its client how it goes. A client that has left is told nothing."""
    job = Job.model_validate_json(text)
    try:
        await _tell(job, "running")
        try:
            result = await shorten(job.text, job.max_words)
        except ValueError:
            await _tell(job, "failed")
        else:
            await _tell(job, "done", result)
    except Exception:  # the next job is none the worse for it
        logger.exception("job %s has failed", job.job_id)


async def _tell(job: Job, state: State, result: str | None = None) -> None:
    payload = JobStatePayload(job_id=job.job_id, state=state, result=result)
    await JobConsumer.send_event(JobRan(payload=payload), job.channel_name)


async def shorten(text: str, max_words: int) -> str:
    """The first words of a text; stands for work that takes long."""
    await asyncio.sleep(0)
    words = text.split()
    if not words:
        raise ValueError("there is nothing to shorten")
    return " ".join(words[:max_words]) + ("…" if len(words) > max_words else "")
