"""SIGTERM taken before the server takes it: first the channels are drained, then the server may stop.

A signal reaches a program in two ways, and servers use both. Uvicorn and Daphne install a handler with
`signal.signal`; ours takes its place and calls it afterwards. Hypercorn and Granian use
`loop.add_signal_handler`, and asyncio (uvloop too) learns of the signal from a byte that is written to the "wakeup
descriptor"; so a descriptor of our own takes that place, passes every byte on, and keeps back that of SIGTERM
until the channels are drained. Both are public interfaces of Python's `signal` module.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import anyio

from chanx import _drain, _runtime
from chanx.exceptions import ConfigurationError
from chanx.router import Channel

logger = logging.getLogger("chanx")

_OTHER_WAY = "drain in another way: let a pre-stop route await channel.drain()"

_told: set[str] = set()


@contextlib.asynccontextmanager
async def drain_on_sigterm(
    channel: Channel,
    *more: Channel,
    batch: int = 100,
    interval: float = 0.1,
    code: int = 1012,
    reason: str = "restarting",
    timeout: float = 25.0,
) -> AsyncGenerator[None, None]:
    """Inside the block, SIGTERM drains channels before the server hears of it; for the lifespan of an application.

    The server's own handler of SIGTERM is called when all channels are drained, at the latest after `timeout`. A
    second SIGTERM meanwhile goes to the server at once. At the end of the block everything is as it was before. SIGINT
    (Ctrl-C) is left alone. In a thread that is not the main one no signal can be taken, and in a worker process whose
    parent minds the signal there is none to take; there a warning says so, once, and the block does nothing.

    Args:
        channel: a channel that is served.
        more: others, drained at the same time.
        batch: see `Channel.drain`, for this and the rest.
        interval: seconds between two batches.
        code: the close code.
        reason: for people.
        timeout: seconds until the server is told in any case.

    Raises:
        ConfigurationError: what was given is no channel.
        ValueError: another argument is wrong.
    """
    options = {"batch": batch, "interval": interval, "code": code, "reason": reason, "timeout": timeout}
    _drain.check(**options)
    channels = (channel, *more)
    for one in channels:
        if not isinstance(one, Channel):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(
                f"drain_on_sigterm({one!r}): give the channels that are served, one after the other, without a list"
            )
    relay = _Relay(channels, options)
    if not relay.install():
        yield
        return
    try:
        yield
    finally:
        relay.remove()


class _Relay:
    """Stands between SIGTERM and the server."""

    def __init__(self, channels: tuple[Channel, ...], options: dict[str, Any]) -> None:
        self._channels = channels
        self._options = options
        self._home = _runtime.current()
        self._previous: Any = None
        self._wakeup: _Wakeup | None = None
        self._begun = self._handed_on = self._over = False

    def install(self) -> bool:
        """Take the signal; False where that cannot be."""
        if threading.current_thread() is not threading.main_thread():
            _tell_once(f"SIGTERM cannot be taken here: this event loop is not in the main thread; {_OTHER_WAY}")
            return False
        self._previous = signal.getsignal(signal.SIGTERM)
        if self._previous is None:
            _tell_once(f"SIGTERM cannot be taken here: its handler is not one of Python; {_OTHER_WAY}")
            return False
        if self._previous is signal.SIG_DFL and _in_a_child():
            _tell_once(
                "nothing in this process waits for SIGTERM: the server's parent process does, and has the "
                f"connections closed without a word to this one; {_OTHER_WAY}"
            )
        signal.signal(signal.SIGTERM, self._caught)
        if not _runtime.on_trio():
            self._wakeup = _Wakeup.take(asyncio.get_running_loop())
        return True

    def remove(self) -> None:
        """Put everything back as it was."""
        self._over = True
        if self._wakeup is not None:
            self._wakeup.give_back()
        if signal.getsignal(signal.SIGTERM) == self._caught:  # else somebody else has come after us
            signal.signal(signal.SIGTERM, self._previous)

    def _caught(self, _signal: int, frame: Any) -> None:
        if self._begun:
            self._hand_on(frame)
        else:
            self._begun = True
            if not self._home.post(self._begin):  # our loop has ended, without the end of the block
                self._hand_on(frame)

    def _begin(self) -> None:
        self._home.spawn(self._drain, context=contextvars.copy_context())

    async def _drain(self) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                for channel in self._channels:
                    tasks.start_soon(partial(channel.drain, **self._options))
        except Exception:
            logger.exception("draining at SIGTERM failed")
        if not (self._handed_on or self._over):
            self._hand_on(None)

    def _hand_on(self, frame: Any) -> None:
        """Give the signal to whom it would have gone without us."""
        self._handed_on = True
        if callable(self._previous):
            self._previous(signal.SIGTERM, frame)
        elif self._previous is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
        if self._wakeup is not None:
            self._wakeup.pass_on(bytes([signal.SIGTERM]))


class _Wakeup:
    """The descriptor to which the numbers of signals are written, in place of that of an asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._previous = -1

    @classmethod
    def take(cls, loop: asyncio.AbstractEventLoop) -> _Wakeup | None:
        """Take its place; None where the loop has no such descriptor, or cannot read ours."""
        one = cls(loop)
        try:
            loop.add_reader(one._reader, one._read)
        except NotImplementedError:  # on Windows
            one._close()
            return None
        one._previous = signal.set_wakeup_fd(one._writer.fileno(), warn_on_full_buffer=False)
        if one._previous == -1:
            one.give_back()
            return None
        return one

    def give_back(self) -> None:
        """The loop's own is used again, unless it has taken its place back by itself."""
        now = signal.set_wakeup_fd(self._previous, warn_on_full_buffer=False)
        if now != self._writer.fileno():
            signal.set_wakeup_fd(now, warn_on_full_buffer=False)
        self._loop.remove_reader(self._reader)
        self._read()
        self._close()

    def pass_on(self, numbers: bytes) -> None:
        """Let the loop have the numbers of signals."""
        with contextlib.suppress(OSError):  # as where the buffer is full: the loop wakes up all the same
            os.write(self._previous, numbers)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while numbers := self._reader.recv(4096):
                others = numbers.replace(bytes([signal.SIGTERM]), b"")
                if others:
                    self.pass_on(others)

    def _close(self) -> None:
        self._reader.close()
        self._writer.close()


def _tell_once(what: str) -> None:
    if what not in _told:
        _told.add(what)
        logger.warning("%s", what)


def _in_a_child() -> bool:
    """Was this process started by `multiprocessing`? Then that is loaded; else it need not be."""
    processes = sys.modules.get("multiprocessing")
    return processes is not None and processes.parent_process() is not None
