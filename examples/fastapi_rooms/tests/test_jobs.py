from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from examples.fastapi_rooms.app import create_app
from examples.fastapi_rooms.backend import MAX_JOBS
from examples.fastapi_rooms.jobs import JobConsumer, JobState, StartJob, StartJobPayload
from examples.fastapi_rooms.tests.client import PATIENCE, Client

pytestmark = pytest.mark.anyio


def tab(app: FastAPI) -> Client:
    return Client(app, "/ws/jobs?token=ada-token", consumer=JobConsumer)


async def states(client: Client, number: int) -> list[JobState]:
    """So many states of jobs, in the order in which they come."""
    found: list[JobState] = []
    while len(found) < number:
        frame: dict[str, Any] = await client.receive_json_from()
        if frame["action"] == "job_state":
            payload = frame["payload"]
            told = {"job_id": payload["jobId"], "state": payload["state"], "result": payload["result"]}
            found.append(JobState.model_validate({"payload": told}))
    return found


async def test_the_client_that_asks_gets_the_result_and_no_other(app: FastAPI) -> None:
    async with tab(app) as asking, tab(app) as other:
        await asking.send_json_to({"action": "start_job", "payload": {"text": "a rather long text", "maxWords": 2}})
        told = [one.payload for one in await states(asking, 3)]
        assert [(one.state, one.result) for one in told] == [("queued", None), ("running", None), ("done", "a rather…")]
        assert len({one.job_id for one in told}) == 1
        await other.send_message(StartJob(payload=StartJobPayload(text="short")))
        assert [one.payload.result for one in await states(other, 3)] == [None, None, "short"]


async def test_a_job_that_fails_is_told_so_and_the_next_one_is_done(app: FastAPI) -> None:
    async with tab(app) as client:
        for text in ("", "text"):
            await client.send_message(StartJob(payload=StartJobPayload(text=text)))
            state = (await states(client, 3))[-1].payload.state
            assert state == ("done" if text else "failed")


async def test_a_client_that_leaves_costs_the_next_one_nothing(app: FastAPI) -> None:
    async with tab(app) as client:
        await client.send_message(StartJob(payload=StartJobPayload(text="text")))
        await states(client, 1)
    async with tab(app) as client:
        await client.send_message(StartJob(payload=StartJobPayload(text="text")))
        assert (await states(client, 3))[-1].payload.state == "done"


async def test_jobs_beyond_those_that_may_wait_are_refused() -> None:
    async def never(_job: str) -> None:
        await asyncio.Event().wait()

    app = create_app()
    async with app.state.backend.running(never), tab(app) as client:
        for _ in range(MAX_JOBS + 1):  # the first one is in the worker's hands
            await client.send_message(StartJob(payload=StartJobPayload(text="text")))
            assert [one.payload.state for one in await states(client, 1)] == ["queued"]
        await client.send_message(StartJob(payload=StartJobPayload(text="text")))
        assert [one.payload.state for one in await states(client, 2)] == ["queued", "refused"]


async def test_names_are_in_camel_case_only(app: FastAPI) -> None:
    async with tab(app) as client:
        await client.send_json_to({"action": "start_job", "payload": {"text": "text", "maxWords": 0}})
        (frame,) = await client.receive_until_action("complete", PATIENCE)
        assert frame["action"] == "error"
        assert frame["payload"][0]["loc"] == ["start_job", "payload", "max_words"]
