"""A raw ASGI server's side of one connection, for what the test client is too polite to do.

`receive` and `send` can be held, can fail, and insist on the rules of a server: one call of each at a time.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any

import anyio
import anyio.lowlevel

Event = dict[str, Any]


class Wire:
    """One connection as the server sees it.

    Attributes:
        sent: what the application sent, in order, each once its `send` was called.
        written: how many of them were let through.
        taken: frames that the application has received, `websocket.connect` included.
        fails: raised by the next `send`s, where it is not None.
        pace: so long each event takes to be sent, in seconds.
        ended: the application has returned or raised.
        error: what it raised.
    """

    def __init__(self, app: Any, scope: Event, patience: float) -> None:
        self._app = app
        self._patience = patience
        self._inbound: deque[Event] = deque([{"type": "websocket.connect"}])
        self._changed = anyio.Event()
        self._open_gate: anyio.Event | None = None
        self._held_type = ""
        self._receiving = 0
        self._sending = 0
        self._scope = anyio.CancelScope()
        self._left = False
        self.scope = scope
        self.sent: list[Event] = []
        self.written = 0
        self.taken = 0
        self.fails: Exception | None = None
        self.pace = 0.0
        self.ended = False
        self.error: BaseException | None = None

    # -- the test's side ----------------------------------------------------------------------------

    def say(self, *frames: Mapping[str, Any] | str | bytes) -> None:
        """The client sends frames."""
        for frame in frames:
            if isinstance(frame, bytes):
                self._put({"type": "websocket.receive", "bytes": frame})
            else:
                text = frame if isinstance(frame, str) else json.dumps(frame)
                self._put({"type": "websocket.receive", "text": text})

    def leave(self, code: int = 1001, reason: str = "") -> None:
        """The client is gone."""
        if not self._left:
            self._left = True
            self._put({"type": "websocket.disconnect", "code": code, "reason": reason})

    def hold(self, type_: str = "websocket.send") -> None:
        """Let `send` of this type of event wait, as where a client does not read."""
        self._held_type = type_
        self._open_gate = anyio.Event()

    def release(self) -> None:
        """Let all `send`s through again."""
        gate, self._open_gate = self._open_gate, None
        if gate is not None:
            gate.set()

    def cancel(self) -> None:
        """The server cancels the application, as at a hard shutdown."""
        self._scope.cancel()

    @property
    def kinds(self) -> list[str]:
        """The types of what was sent, without their prefix."""
        return [event["type"].removeprefix("websocket.") for event in self.sent]

    @property
    def frames(self) -> list[Any]:
        """The frames that were sent, decoded."""
        return [json.loads(event["text"]) for event in self.sent if event["type"] == "websocket.send"]

    @property
    def closed(self) -> tuple[int, str] | None:
        """Code and reason of the close that was sent."""
        for event in self.sent:
            if event["type"] == "websocket.close":
                return event["code"], event["reason"]
        return None

    @property
    def waiting(self) -> int:
        """Frames of the client that nobody has taken."""
        return len(self._inbound)

    @property
    def sending(self) -> int:
        """Calls of `send` that have not returned."""
        return self._sending

    @property
    def listening(self) -> bool:
        """The application has taken all frames and waits for another."""
        return self._receiving > 0 and not self._inbound

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition over this connection holds; it is looked at after every event on the wire."""
        with anyio.move_on_after(self._patience):
            while not condition():
                await self._changed.wait()
            return
        raise AssertionError(f"waited in vain; sent: {self.sent}; taken: {self.taken}; ended: {self.ended}")

    async def reached(self, *, frames: int = 0, written: int = 0) -> None:
        """Wait until so many frames were sent, and so many events of any type let through."""
        await self.until(lambda: len(self.frames) >= frames and self.written >= written)

    async def accepted(self) -> None:
        """Wait for the accept."""
        await self.until(lambda: "accept" in self.kinds)

    async def end(self) -> None:
        """Wait until the application has ended."""
        await self.until(lambda: self.ended)

    def touch(self) -> None:
        """Something that a condition looks at has changed."""
        self._changed.set()
        self._changed = anyio.Event()

    # -- the application's side ---------------------------------------------------------------------

    async def run(self) -> None:
        try:
            with self._scope:
                await self._app(self.scope, self._receive, self._send)
        except Exception as error:
            self.error = error
        finally:
            self.ended = True
            self.touch()

    def _put(self, event: Event) -> None:
        self._inbound.append(event)
        self.touch()

    async def _receive(self) -> Event:
        assert not self._receiving, "two calls of receive at once"
        self._receiving += 1
        try:
            await anyio.lowlevel.checkpoint()
            self.touch()
            while not self._inbound:
                await self._changed.wait()
            self.taken += 1
            event = self._inbound.popleft()
        finally:
            self._receiving -= 1
        self.touch()
        return event

    async def _send(self, event: Event) -> None:
        assert not self._sending, "two calls of send at once"
        self._sending += 1
        try:
            self.sent.append(event)
            self.touch()
            await anyio.sleep(self.pace)
            if self.fails is not None:
                raise self.fails
            if self._open_gate is not None and event["type"] == self._held_type:
                await self._open_gate.wait()
            if self.fails is not None:
                raise self.fails
            self.written += 1
        finally:
            self._sending -= 1
            self.touch()


def websocket_scope(
    *,
    headers: Iterable[tuple[bytes, bytes]] = ((b"host", b"testserver"),),
    denial: bool = True,
    subprotocols: Iterable[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> Event:
    """The scope of a handshake, as a server makes it."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
        "client": ("testclient", 50000),
        "server": ("testserver", 80),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}} if denial else {},
        **(extra or {}),
    }


@contextlib.asynccontextmanager
async def serve(
    app: Any,
    *,
    headers: Iterable[tuple[bytes, bytes]] = ((b"host", b"testserver"),),
    denial: bool = True,
    subprotocols: Iterable[str] = (),
    extra: Mapping[str, Any] | None = None,
    patience: float = 5.0,
) -> AsyncGenerator[Wire, None]:
    """Serve one connection; at the end its client leaves, and what the application raised is raised here."""
    scope = websocket_scope(headers=headers, denial=denial, subprotocols=subprotocols, extra=extra)
    wire = Wire(app, scope, patience)
    failure: Exception | None = None
    ended = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run)
        try:
            yield wire
        except Exception as error:
            failure = error
        wire.leave()
        wire.release()
        with anyio.move_on_after(patience, shield=True):
            await wire.end()
        ended = wire.ended
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if wire.error is not None:
        raise wire.error
    assert ended, "the application did not end after its client had left"
