"""The application, in memory and in Redis; and a worker in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from examples.fastapi_rooms.app import create_app

ROOT = Path(__file__).parents[3]
REDIS_URL = os.environ.get("REDIS_URL")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "redis"])
async def app(request: pytest.FixtureRequest) -> AsyncGenerator[FastAPI]:
    if request.param == "redis":
        if REDIS_URL is None:
            pytest.skip("REDIS_URL is not set")
        request.getfixturevalue("worker")
    app = create_app(REDIS_URL if request.param == "redis" else None)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """Asks as ada, who is of the staff."""
    transport, headers = httpx.ASGITransport(app), {"authorization": "Bearer ada-token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
        yield client


@pytest.fixture
def room() -> str:
    """The name of a room in which nobody was before."""
    return uuid4().hex[:30]


@pytest.fixture(scope="session")
def worker() -> Iterator[int]:
    """The id of a worker's process, which waits for jobs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.fastapi_rooms.worker"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stderr is not None
            assert "waiting for jobs" in (line := process.stderr.readline()), line + process.stderr.read()
            yield process.pid
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
