"""Frames on their way to one client.

Rules: only one send is under way at a time, and `writing` is what it carries; who finds None there may write
at once and puts it back. While nothing waits, the sender itself writes; a writer task exists only while
something waits. Group pushes never wait: a full outbox closes the connection. Answers wait for room, at most
`send_timeout`.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio

from chanx._runtime import Cancel, Runtime
from chanx.exceptions import ConnectionClosed
from chanx.types import Limits

#: The queue of an outbox in which nothing has waited yet; a deque of its own takes 760 bytes.
_NOTHING: deque[str | dict[str, Any]] = deque()

#: Stands in `writing` until the handshake is over: everything waits.
HELD = "held"

#: Stands in `writing` when nothing more may be written.
SHUT = "shut"


class Outbox:
    """The bounded queue of one connection and whoever writes from it.

    Attributes:
        send: the server's ASGI `send`.
        writing: the frame that is being written, `HELD`, or None: the next sender may write at once.
        closed: a close frame was queued or the connection broke; nothing more is taken.
        failed: called once with the exception when the server could not send.
    """

    __slots__ = (
        *("_cancel", "_context", "_empty", "_limits", "_room", "_runtime", "_size", "_watch"),
        *("closed", "failed", "queue", "send", "writing"),
    )

    def __init__(
        self,
        send: Any,
        runtime: Runtime,
        limits: Limits,
        context: contextvars.Context,
        failed: Callable[[Exception], None],
        watch: Callable[[], None],
    ) -> None:
        self.send = send
        self.writing: str | None = HELD
        self.closed = False
        self.failed = failed
        self._watch = watch
        self.queue: deque[str | dict[str, Any]] = _NOTHING
        self._size = 0
        self._limits = limits
        self._runtime = runtime
        self._context = context
        self._room: anyio.Event | None = None
        self._empty: anyio.Event | None = None
        self._cancel: Cancel | None = None

    def release(self) -> None:
        """The handshake is over: what waited goes out."""
        if self.writing is HELD:
            self.writing = None
        self.start()

    async def put(self, text: str) -> None:
        """Send a frame, or queue it when others wait; returns once it is written or queued.

        Raises:
            ConnectionClosed: nothing more can be sent.
            TimeoutError: there was no room for `send_timeout`.
        """
        if self.closed:
            raise ConnectionClosed
        if self.writing is None:
            self.writing = text
            try:
                await self.send({"type": "websocket.send", "text": text})
            except BaseException as error:
                self.interrupted(error)
                raise ConnectionClosed from error
            self.writing = None
            self.start()
            return
        if self._full(size_of(text)):
            with anyio.fail_after(self._limits.send_timeout):
                while self._full(size_of(text)):
                    self._room = self._room or anyio.Event()
                    await self._room.wait()
                    if self.closed:
                        raise ConnectionClosed
        self._append(text)

    def push(self, text: str) -> bool:
        """Queue a frame of a group; False when there is no room for it."""
        if self.closed:  # gone is not full
            return True
        if self._full(size_of(text)):
            return False
        self._append(text)
        return True

    def close(self, code: int, reason: str, *, now: bool = False) -> int:
        """Queue the close frame, behind what waits or instead of it; returns how many frames were dropped."""
        if self.closed:
            return 0
        self.closed = True
        dropped = len(self.queue) if now else 0
        if now:
            self.queue.clear()
        self._queue().append({"type": "websocket.close", "code": code, "reason": short_reason(reason)})
        self._wake()
        self.start()
        return dropped

    def interrupted(self, error: BaseException) -> None:
        """A direct send raised: the server could not send, or the sender was cancelled (raised again)."""
        self.writing = None
        if isinstance(error, Exception):
            self.broke(error)
            return
        self.start()
        raise error

    @property
    def busy(self) -> str | None:
        """What is being written just now."""
        return None if self.writing is HELD or self.writing is SHUT else self.writing

    async def drained(self) -> None:
        """Wait until everything is written or the connection broke."""
        while self.queue or self.busy is not None:
            self._empty = self._empty or anyio.Event()
            await self._empty.wait()

    def abandon(self) -> None:
        """The connection is over: forget what waits and stop the writer."""
        if self.queue or self.writing is not SHUT:
            self.shut()
        if self._cancel is not None:
            self._cancel()

    def _full(self, size: int) -> bool:
        queued = len(self.queue)
        return queued >= self._limits.outbox or (queued > 0 and self._size + size > self._limits.outbox_bytes)

    def _queue(self) -> deque[str | dict[str, Any]]:
        if self.queue is _NOTHING:
            self.queue = deque()
        return self.queue

    def _append(self, text: str) -> None:
        self._queue().append(text)
        self._size += size_of(text)
        if self.writing is None:
            self.start()

    def start(self) -> None:
        """Have a writer take what waits, if there is something and nobody writes."""
        if self.queue and self.queue[0] is SHUT:
            self.queue.clear()
            self.writing = SHUT
            self._wake()
        if self.writing is None and self.queue:
            self.writing = ""  # taken, so that nobody overtakes the writer before it runs
            self._watch()
            self._cancel = self._runtime.spawn(self._write, context=self._context)

    async def _write(self) -> None:
        try:
            while self.queue:
                item = self.queue.popleft()
                text = item if isinstance(item, str) else None
                self.writing = text or ""
                if text is not None:
                    self._size -= size_of(text)
                if self._room is not None:
                    self._room.set()
                    self._room = None
                if text is not None:
                    await self.send({"type": "websocket.send", "text": text})
                elif isinstance(item, dict):
                    await self._send_close(item)
        except Exception as error:  # noqa: BLE001 - whatever a server raises, the connection is broken
            self.broke(error)
        finally:
            self.writing = SHUT if self.closed and not self.queue else None
            self._cancel = None
            self._wake()
            self.start()

    async def _send_close(self, event: dict[str, Any]) -> None:
        """Send the close frame, with a code of the application's range where the server refuses to send ours.

        RFC 6455, section 7.4.2, leaves 4000 to 4999 to the application; Daphne lets it send no other code but
        1000 and 3000 to 3999, and the client of a close that raises would stay connected.
        """
        try:
            await self.send(event)
        except OSError:  # the connection is broken
            raise
        except Exception:
            if not 1000 < event["code"] < 2000:
                raise
            await self.send({**event, "code": event["code"] + 3000})

    def broke(self, error: Exception) -> None:
        """The server could not send: nothing more goes out on this connection."""
        self.shut()
        self.failed(error)

    def shut(self) -> None:
        """Take nothing more, and forget what waits."""
        self.closed = True
        if self.queue:
            self.queue.clear()
            self._size = 0
        writing = self.writing
        if writing is None or writing is HELD or writing is SHUT:  # not `busy`: nothing is being written
            self.writing = SHUT
        elif self._cancel is None:  # who writes directly looks at the queue afterwards, and shuts it in `start`
            self._queue().append(SHUT)
        self._wake()

    def _wake(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None
        if self._empty is not None:
            self._empty.set()
            self._empty = None


def size_of(text: str) -> int:
    """The bytes of a text on the wire."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def short_reason(reason: str) -> str:
    """A close reason cut to the 123 bytes that fit a control frame (RFC 6455, section 5.5)."""
    return reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
