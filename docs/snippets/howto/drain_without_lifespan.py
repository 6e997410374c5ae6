from contextlib import AsyncExitStack
from typing import Any

from chanx import Channel, drain_on_sigterm

notes = Channel("notes")
first_use = AsyncExitStack()
taken = False


async def app(scope: Any, receive: Any, send: Any) -> None:
    global taken
    if not taken:
        taken = True
        await first_use.enter_async_context(drain_on_sigterm(notes))
    await notes(scope, receive, send)
