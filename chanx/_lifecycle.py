"""Hooks and connection-scoped dependencies of one connection, in order and back.

Rules: what was entered is left, once, in reverse, whatever ended the connection; what one of them raises,
or how long it takes, does not keep the others from their turn. The hooks of a channel that has
`on_connect` and `on_disconnect` belong together: the second run when all of the first finished. A
generator's second half runs when its first half finished. An included channel whose guards refuse a
connection takes no part in it; the connection goes on.

A generator may hold a task group from its first half to its second. Cancel scopes nest, so each generator
gets a scope of its own around all that follows it; everything else gets one around its own call.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, cast

import anyio
from starlette.exceptions import HTTPException

from chanx._plan import Hook, Hooks
from chanx.exceptions import ConnectionClosed, Reject

if TYPE_CHECKING:
    from chanx.connection import Connection

logger = logging.getLogger("chanx")

#: What ends one thing that was entered: its place for the log, the call, and the scope of a generator.
Ending = tuple[str, Callable[[], Awaitable[object]], anyio.CancelScope | None]


async def enter(connection: Connection) -> None:
    """Make the eager dependencies, then run the hooks.

    Raises:
        HTTPException: the connection is refused, with 503 where `Limits.connect_timeout` is over.
    """
    plan = connection.plan
    connection.deadline = connection.home.time() + connection.service.limits.connect_timeout
    connection.endings = []
    connection.entering = True
    for index in plan.eager:
        slot = plan.slots[index]
        if slot.read:
            connection.values[index] = slot.read(connection.scope)
        elif slot.generator:  # it comes back here through `begin`
            connection.values[index] = await slot.make(connection)
        else:
            connection.values[index] = await _in_time(connection, slot.make(connection))
    connection.entering = False
    if len(plan.eager) < len(plan.slots):
        connection.endings.append(("closing a dependency", connection.close_late, None))
    for hooks in plan.hooks:
        if connection.closing:  # an earlier one closes the connection as soon as it is accepted
            break
        await _connect(connection, hooks)
    connection.deadline = math.inf


async def begin(
    connection: Connection, where: str, first: Awaitable[Any], last: Callable[[], Awaitable[object]]
) -> Any:
    """Run the first half of a generator in the scope that lasts until its second half has run."""
    scope = anyio.CancelScope(deadline=connection.deadline)
    scope.__enter__()
    try:
        value = await first
    except BaseException as error:
        if scope.__exit__(type(error), error, error.__traceback__):
            raise Reject(503, "the handshake took too long") from None
        raise
    connection.endings.append((where, last, scope))
    if scope.cancel_called:  # too late by the time it takes to look
        raise Reject(503, "the handshake took too long")
    scope.deadline = math.inf
    return value


async def leave(connection: Connection) -> BaseException | None:
    """Run what ends the connection; returns a cancellation that came up.

    All of it has `Limits.cleanup`; what has its turn after that still gets a tenth of it.
    """
    cleanup = connection.service.limits.cleanup
    deadline = connection.home.time() + cleanup
    cancelled: BaseException | None = None
    while connection.endings:
        where, ending, scope = connection.endings.pop()
        if scope is None:
            scope = anyio.CancelScope()
            scope.__enter__()
        # one that hangs does not take the time of those after it altogether
        scope.shield, scope.deadline = True, max(deadline, connection.home.time() + cleanup / 10)
        error: BaseException | None = None
        try:
            await ending()
        except BaseException as raised:  # noqa: BLE001 - sorted out below
            error = raised
        try:
            swallowed = scope.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        except BaseException as raised:  # noqa: BLE001 - what is left of a group when the cancellations are taken out
            error, swallowed = raised, False
        if scope.cancelled_caught:
            connection.cut = True
            logger.warning("%s outlived Limits.cleanup and was cancelled; connection %s", where, connection.id)
        if error is not None and not swallowed:
            cancelled = _sorted_out(connection, where, error) or cancelled
    return cancelled


def _sorted_out(connection: Connection, where: str, error: BaseException) -> BaseException | None:
    """Report what failed in an ending; returns what must go on, such as a cancellation."""
    if connection.outbox.closed:  # to stumble over that is no mistake of a hook that goes on sending
        if isinstance(error, BaseExceptionGroup):
            rest = cast(BaseExceptionGroup[BaseException], error).subgroup(
                lambda one: not isinstance(one, (ConnectionClosed, BaseExceptionGroup))
            )
            if rest is None:
                return None
            error = rest
        elif isinstance(error, ConnectionClosed):
            return None
    if isinstance(error, BaseExceptionGroup) and not isinstance(error, Exception):
        group = cast(BaseExceptionGroup[BaseException], error)
        failed = group.subgroup(Exception)
        if isinstance(failed, Exception):
            connection.report(where, failed)
        return group.subgroup(lambda one: not isinstance(one, (Exception, BaseExceptionGroup)))
    try:
        connection.report(where, connection.home.ordinary(error))
    except BaseException as cancelled:  # noqa: BLE001 - goes on when all endings have had their turn
        return cancelled
    return None


async def _in_time(connection: Connection, step: Awaitable[Any]) -> Any:
    with anyio.CancelScope(deadline=connection.deadline):
        value = await step
        if connection.home.time() < connection.deadline:  # a plain function in its thread cannot be cancelled
            return value
    raise Reject(503, "the handshake took too long")


async def _connect(connection: Connection, hooks: Hooks) -> None:
    for hook in hooks.connect:
        connection.entered = False
        try:
            if hook.generator:
                generator: AsyncGenerator[None, None] = await _in_time(connection, hook.run(None, connection))
                await begin(connection, hook.where, _first_half(hook, generator), _second_half(hook, generator))
            else:
                await _in_time(connection, hook.run(None, connection))
        except HTTPException:
            if hook.guarded and not connection.entered:
                return
            raise
    # reversed twice: the endings run backwards, the functions of one channel as they were registered
    for hook in reversed(hooks.disconnect):
        connection.endings.append((hook.where, _disconnect(connection, hook), None))


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


def closing(manager: AbstractAsyncContextManager[Any]) -> Callable[[], Awaitable[object]]:
    """The second half of a context manager, whatever happened in between."""
    return lambda: manager.__aexit__(None, None, None)
