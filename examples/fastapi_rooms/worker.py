"""Does the jobs that are in Redis: `REDIS_URL=redis://127.0.0.1:6379 python -m examples.fastapi_rooms.worker`.

Any number of these may run. SIGTERM and Ctrl-C end one when it has done the job in its hands. A worker that is killed
loses that job.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from examples.fastapi_rooms.backend import RedisBackend
from examples.fastapi_rooms.jobs import perform

logger = logging.getLogger(__name__)

#: How long a worker without jobs takes to notice that it is to end, in seconds.
LISTEN = 1


async def work(backend: RedisBackend, ending: asyncio.Event) -> None:
    """Do jobs, one at a time, until it is told to end."""
    async with backend.running(perform):
        logger.info("waiting for jobs")
        while not ending.is_set():
            job = await backend.next_job(LISTEN)
            if job is not None:
                await perform(job)


async def main(url: str) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    await work(RedisBackend(url), ending)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if "REDIS_URL" not in os.environ:
        sys.exit("set REDIS_URL; without Redis, the server does the jobs itself, and needs no worker")
    asyncio.run(main(os.environ["REDIS_URL"]))
