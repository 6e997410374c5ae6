"""The two ends of a WebSocket in process: the test's, and the ASGI one that the application talks to."""

from __future__ import annotations

import itertools
import json
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from chanx.testing.conversation import Closed, Conversation
from chanx.testing.frames import Frame


class Refused(Exception):
    """The application refused the connection.

    Attributes:
        status: the HTTP status; for a plain close before accept the server's 403.
        detail: the detail of the refusal, or the close reason.
        headers: the response's headers, names in lower case.
        code: the close code, where the refusal was a close.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str], code: int | None = None) -> None:
        super().__init__(f"refused with {status}: {detail}")
        self.status = status
        self.detail = detail
        self.headers = headers
        self.code = code


class Socket(Conversation):
    """One connection to an application on the same event loop.

    Attributes:
        subprotocol: what was agreed on.
        errors: what handlers and hooks raised and nobody handled.
        ended: the application has returned.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(itertools.count(1))
        self.subprotocol: str | None = None
        self.errors: list[Exception] = []
        self._timeout = timeout
        self._to_app: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._changed = anyio.Event()
        self._accepted = False
        self.ended = False
        self._left = False
        self._refused: Refused | None = None
        self._denial: dict[str, Any] = {}

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the client's side, and wait until the application has ended."""
        self.leave(code, reason)
        await self.wait_until(lambda: self.ended, "the application to end")

    def leave(self, code: int = 1006, reason: str = "") -> None:
        """Be gone, as after a lost network; returns at once."""
        if not self._left:
            self._left = True
            self._put({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def wait_closed(self, *, timeout: float | None = None) -> Closed:
        """Wait until the application closes the connection; returns code and reason."""
        await self.wait_until(lambda: self._closed is not None or self.ended, "a close", timeout)
        return self._closed or Closed(1006, "the application ended without closing")

    async def wait_until(self, condition: Callable[[], bool], what: str, timeout: float | None = None) -> None:
        """Wait until a condition of this client holds; it is looked at whenever something happens.

        Raises:
            AssertionError: it does not come to hold in time.
        """
        with anyio.move_on_after(self._timeout if timeout is None else timeout):
            while not condition():
                await self._changed.wait()
            return
        raise AssertionError(f"waited in vain for {what}; pending frames: {self.pending}; errors: {self.errors}")

    # -- the application's side ---------------------------------------------------------------------

    async def run(self, app: Any, scope: dict[str, Any]) -> None:
        """Run the application to its end."""
        scope["chanx.report"] = self.errors.append
        try:
            await app(scope, self._app_receives, self._app_sends)
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.errors.append(error)
        finally:
            self.ended = True
            self._change()

    async def handshake(self) -> None:
        """Wait for the application's answer to the handshake."""
        await self.wait_until(lambda: self._accepted or self._refused is not None or self.ended, "the handshake")
        if self._refused is not None:
            raise self._refused
        if not self._accepted:
            if self.errors:
                raise self.errors.pop(0)
            raise Refused(500, "the application ended without an answer", {})

    @abstractmethod
    def _arrived(self, frame: Frame) -> None:
        """The application has sent a frame."""

    def _put(self, event: dict[str, Any]) -> None:
        self._to_app.append(event)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _app_receives(self) -> dict[str, Any]:
        while not self._to_app:
            await self._changed.wait()
        await anyio.lowlevel.checkpoint()
        return self._to_app.popleft()

    async def _app_sends(self, event: dict[str, Any]) -> None:
        if self._left or self._closed is not None:
            raise OSError("the client has left")
        match event["type"]:
            case "websocket.accept":
                self._accepted = True
                self.subprotocol = event.get("subprotocol")
            case "websocket.send":
                text = event.get("text")
                self._arrived(text if text is not None else event["bytes"])
            case "websocket.close":
                code, reason = event.get("code", 1000), event.get("reason") or ""
                if self._accepted:
                    self._closed = Closed(code, reason)
                    self._to_app.append({"type": "websocket.disconnect", "code": code, "reason": reason})
                else:
                    self._refused = Refused(403, reason, {}, code)
            case "websocket.http.response.start":
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event["headers"]}
                self._denial = {"status": event["status"], "headers": headers, "body": b""}
            case "websocket.http.response.body":
                self._denial["body"] += event.get("body", b"")
                if not event.get("more_body"):
                    detail = _detail(self._denial["body"])
                    self._refused = Refused(self._denial["status"], detail, self._denial["headers"])
            case other:
                raise RuntimeError(f"unexpected ASGI message {other!r}")
        self._change()


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")
