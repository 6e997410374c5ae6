"""Gives each new connection to the next process that takes it, and carries bytes between the two."""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress

import anyio
from anyio.abc import ByteStream

CHUNK = 65_536


class Balancer:
    """Takes turns among the socket files of server processes; one on which nobody listens is passed over."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = deque(paths)

    async def carry(self, client: ByteStream) -> None:
        """One connection, from its beginning to its end. Where no process lives it is closed, and comes again."""
        async with client:
            process = await self._connect()
            if process is None:
                return
            async with process, anyio.create_task_group() as tasks:
                for source, target in ((client, process), (process, client)):
                    tasks.start_soon(self._copy, source, target, tasks.cancel_scope)

    async def _connect(self) -> ByteStream | None:
        for _ in range(len(self._paths)):
            self._paths.rotate(-1)
            with suppress(OSError):  # it was killed, or has not begun to listen
                return await anyio.connect_unix(self._paths[-1])
        return None

    async def _copy(self, source: ByteStream, target: ByteStream, both: anyio.CancelScope) -> None:
        """Until one of the two ends, or is killed; then so does the other."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                await target.send(await source.receive(CHUNK))
        both.cancel()
