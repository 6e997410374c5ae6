"""A client that speaks ASGI to an application on the same event loop, on asyncio and trio."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any, TypeVar, cast, overload
from urllib.parse import urlencode

import anyio
import msgspec
from pydantic import BaseModel

from chanx import _runtime

T = TypeVar("T")

Frame = str | bytes


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


class Closed(Exception):
    """The application closed the connection.

    Attributes:
        code: the close code.
        reason: the close reason.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed by the application with {code}: {reason or 'no reason'}")
        self.code = code
        self.reason = reason


class Client:
    """One connection to the application under test; made by `connect`.

    Attributes:
        subprotocol: what was agreed on.
        errors: what handlers and hooks raised and nobody handled.
        ended: the application has returned.
    """

    def __init__(self, timeout: float) -> None:
        self.subprotocol: str | None = None
        self.errors: list[Exception] = []
        self._timeout = timeout
        self._frames: deque[Frame] = deque()
        self._to_app: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._refs = itertools.count(1)
        self._changed = anyio.Event()
        self._accepted = False
        self.ended = False
        self._left = False
        self._closed: Closed | None = None
        self._refused: Refused | None = None
        self._denial: dict[str, Any] = {}

    @property
    def pending(self) -> list[Any]:
        """Frames that arrived and were not received yet; JSON as objects."""
        return [_readable(frame) for frame in self._frames]

    async def send(self, message: Any) -> None:
        """Send a message (a model or struct), a dict as JSON, or a text or binary frame as it is.

        Raises:
            Closed: the application has closed the connection.
        """
        if self._closed is not None:
            raise self._closed
        if isinstance(message, bytes):
            self._put({"type": "websocket.receive", "bytes": message})
        else:
            self._put({"type": "websocket.receive", "text": message if isinstance(message, str) else _text(message)})
        await anyio.lowlevel.checkpoint()

    @overload
    async def receive(self, type_: type[T], /, *, timeout: float | None = None) -> T: ...
    @overload
    async def receive(self, /, *, timeout: float | None = None) -> Any: ...
    async def receive(self, type_: type[Any] | None = None, /, *, timeout: float | None = None) -> Any:
        """The next frame: as a message of `type_`, or as the decoded JSON (binary frames as they are).

        Raises:
            AssertionError: the frame is no `type_`, or none came in time; the text shows the pending frames.
            Closed: the application closed the connection, and no frame is left.
        """
        await self.wait_until(lambda: bool(self._frames) or self._closed is not None or self.ended, "a frame", timeout)
        if not self._frames:
            if self.errors and self._closed is None:
                raise self.errors.pop(0)
            raise self._closed or Closed(1006, "the application ended without closing")
        frame = self._frames.popleft()
        if type_ is None:
            return _readable(frame)
        try:
            return _parse(type_, frame)
        except Exception as error:
            told = ", ".join(str(one) for one in self.pending) or "nothing"
            raise AssertionError(f"expected {type_.__name__}, got {_readable(frame)!r}; after it: {told}") from error

    @overload
    async def request(self, message: Any, type_: type[T], /, *, timeout: float | None = None) -> T: ...
    @overload
    async def request(self, message: Any, /, *, timeout: float | None = None) -> Any: ...
    async def request(self, message: Any, type_: type[Any] | None = None, /, *, timeout: float | None = None) -> Any:
        """Send a message with a fresh `ref` and return the frame that answers it; others stay pending.

        Of several answers the first is returned.
        """
        ref = f"test-{next(self._refs)}"
        await self.send({**json.loads(_text(message)), "ref": ref})

        def answer() -> Frame | None:
            return next((frame for frame in self._frames if _ref(frame) == ref), None)

        await self.wait_until(lambda: answer() is not None or self._closed is not None, f"the answer to {ref}", timeout)
        frame = answer()
        if frame is None:
            raise self._closed or Closed(1006, "")
        self._frames.remove(frame)
        return _readable(frame) if type_ is None else _parse(type_, frame)

    @property
    def id(self) -> str:
        """The connection's id, as `Context.id` gives it; for `connection=` and `exclude=`.

        Raises:
            LookupError: the connection has ended, or was not made on this event loop.
        """
        for connection in _runtime.current().connections:
            if connection.scope.get("chanx.report") == self.errors.append:
                return str(connection.id)
        raise LookupError("the connection has ended")

    async def drain(self) -> list[Any]:
        """Wait until nothing is left to do, and take every frame that has arrived, as `receive` would."""
        await self.settled()
        frames = self.pending
        self._frames.clear()
        return frames

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the client's side, and wait until the application has ended."""
        self.leave(code, reason)
        await self.wait_until(lambda: self.ended, "the application to end")

    def leave(self, code: int = 1006, reason: str = "") -> None:
        """Be gone, as after a lost network; returns at once."""
        if not self._left:
            self._left = True
            self._put({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def settled(self, *, timeout: float | None = None) -> None:
        """Wait until nothing is left to do: for every connection on this loop, no frame to read, no handler
        running, nothing to write.
        """
        runtime = _runtime.current()

        def idle() -> bool:
            if self._to_app and not self.ended:
                return False
            return all(connection.idle for connection in runtime.connections)

        with anyio.move_on_after(self._timeout if timeout is None else timeout):
            while True:
                await anyio.wait_all_tasks_blocked()
                if idle():
                    return
                await anyio.sleep(0.001)
        raise AssertionError(f"not settled in time; pending frames: {self.pending}")

    async def wait_closed(self, *, timeout: float | None = None) -> Closed:
        """Wait until the application closes the connection; returns code and reason."""
        await self.wait_until(lambda: self._closed is not None or self.ended, "a close", timeout)
        return self._closed or Closed(1006, "the application ended without closing")

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

    def _put(self, event: dict[str, Any]) -> None:
        self._to_app.append(event)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

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
                self._frames.append(text if text is not None else event["bytes"])
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


@contextlib.asynccontextmanager
async def connect(
    app: Any,
    path: str = "/",
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    query: Mapping[str, Any] | str = "",
    subprotocols: Iterable[str] = (),
    scope: Mapping[str, Any] | None = None,
    timeout: float = 2.0,
    raise_app_exceptions: bool = True,
) -> AsyncGenerator[Client, None]:
    """Connect to a channel or to any ASGI application that routes to one.

    Args:
        app: the channel, or a Starlette, FastAPI or Django application.
        path: the path, with or without a query string.
        headers: of the handshake; `host: testserver` is there unless given.
        query: the query string, or its values.
        subprotocols: offered, in order.
        scope: further keys of the ASGI scope, such as `{"path_params": {"room": "7"}}`.
        timeout: seconds that every wait may take.
        raise_app_exceptions: raise what handlers raised when the block ends, unless it was taken from
            `Client.errors`.

    Raises:
        Refused: the connection was refused.
    """
    client = Client(timeout)
    made = _scope(path, headers, query, subprotocols, scope or {})
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, app, made)
        try:
            await client.handshake()
            yield client
        except Exception as error:  # noqa: BLE001 - raised below as itself, not in a group of one
            failure = error
        client.leave(1000)
        with anyio.move_on_after(timeout, shield=True):
            await client.wait_until(lambda: client.ended, "the application to end")
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if raise_app_exceptions and client.errors:
        raise client.errors[0]


def _scope(
    path: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    query: Mapping[str, Any] | str,
    subprotocols: Iterable[str],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    path, _, query_string = path.partition("?")
    if query:
        query_string = query if isinstance(query, str) else urlencode(query, doseq=True)
    pairs = cast(Mapping[str, str], headers).items() if isinstance(headers, Mapping) else headers
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    if all(name != b"host" for name, _ in fields):
        fields.insert(0, (b"host", b"testserver"))
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query_string.encode(),
        "headers": fields,
        "client": ("testclient", 50000),
        "server": ("testserver", 80),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
        "state": {},
        **more,
    }


def _text(message: Any) -> str:
    if isinstance(message, BaseModel):
        return message.model_dump_json(by_alias=True)
    return msgspec.json.encode(message).decode()


def _readable(frame: Frame) -> Any:
    if isinstance(frame, bytes):
        return frame
    try:
        return json.loads(frame)
    except ValueError:
        return frame


def _ref(frame: Frame) -> Any:
    content = _readable(frame)
    return cast(dict[str, Any], content).get("ref") if isinstance(content, dict) else None


def _parse(type_: type[Any], frame: Frame) -> Any:
    if issubclass(getattr(type_, "__origin__", type_), BaseModel):  # a generic struct is an alias, not a class
        content = json.loads(frame)
        if type_.model_config.get("extra") == "forbid":
            content.pop("ref", None)
        return type_.model_validate(content)
    return msgspec.json.decode(frame, type=type_)


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")
