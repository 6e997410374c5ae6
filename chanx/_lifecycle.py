"""Hooks and connection-scoped dependencies of one connection, in order and back.

Rules: what was entered is left, once, in reverse, whatever ended the connection. The hooks of a channel
that has `on_connect` and `on_disconnect` belong together: the second run when all of the first finished.
A generator's second half runs when its first half finished. An included channel whose guards refuse a
connection takes no part in it; the connection goes on.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from chanx._plan import Hook, Hooks

if TYPE_CHECKING:
    from chanx.connection import Connection

logger = logging.getLogger("chanx")

#: What ends one hook, and its place for the log.
Ending = tuple[str, Callable[[], Awaitable[None]]]


async def enter(connection: Connection) -> None:
    """Make the eager dependencies, then run the hooks; raises what they raise."""
    plan = connection.plan
    for index in plan.eager:
        slot = plan.slots[index]
        connection.values[index] = slot.read(connection.scope) if slot.read else await slot.make(connection)
    for hooks in plan.hooks:
        await _connect(connection, hooks)


async def leave(connection: Connection) -> None:
    """Run what ends the connection; a failure is logged and does not keep the rest from running."""
    try:
        while connection.endings:
            where, ending = connection.endings.pop()
            try:
                await ending()
            except Exception as error:  # noqa: BLE001 - each ending must get its turn
                connection.report(where, error)
    finally:  # also when the endings took too long and were cancelled
        if connection.entered_stack is not None:
            try:
                await connection.entered_stack.aclose()
            except Exception as error:  # noqa: BLE001
                connection.report("closing a dependency", error)


async def _connect(connection: Connection, hooks: Hooks) -> None:
    for hook in hooks.connect:
        connection.entered = False
        try:
            if hook.generator:
                generator: AsyncGenerator[None, None] = await hook.run(None, connection)
                await _first_half(hook, generator)
                connection.endings.append((hook.where, _second_half(hook, generator)))
            else:
                await hook.run(None, connection)
        except HTTPException:
            if hook.guarded and not connection.entered:
                return
            raise
    # reversed twice: the endings run backwards, the functions of one channel as they were registered
    for hook in reversed(hooks.disconnect):
        connection.endings.append((hook.where, _disconnect(connection, hook)))


async def _first_half(hook: Hook, generator: AsyncGenerator[None, None]) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        raise RuntimeError(f"{hook.where} ended without a yield; an on_connect generator yields once") from None


def _second_half(hook: Hook, generator: AsyncGenerator[None, None]) -> Callable[[], Awaitable[None]]:
    async def end() -> None:
        try:
            await anext(generator)
        except StopAsyncIteration:
            return
        await generator.aclose()
        raise RuntimeError(f"{hook.where} yielded twice; an on_connect generator yields once")

    return end


def _disconnect(connection: Connection, hook: Hook) -> Callable[[], Awaitable[None]]:
    async def end() -> None:
        connection.entered = False
        try:
            await hook.run(None, connection)
        except HTTPException:
            if connection.entered or not hook.guarded:
                raise

    return end
