"""What a test says to an application, and hears from it; on asyncio and trio."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload
from urllib.parse import urlencode

import anyio

from chanx import _runtime
from chanx.testing import frames
from chanx.testing.frames import Frame
from chanx.testing.socket import Closed, Socket
from chanx.testing.stream import Stream

if TYPE_CHECKING:
    from chanx.connection import Connection

T = TypeVar("T")


class Client(Socket):
    """One connection to the application under test; made by `connect`.

    Attributes:
        subprotocol: what was agreed on.
        errors: what handlers and hooks raised and nobody handled.
        ended: the application has returned.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self._refs = itertools.count(1)
        self._questions: list[tuple[Any, str]] = []

    async def send(self, message: Any) -> None:
        """Send a message (a model or struct), a dict as JSON, or a text or binary frame as it is.

        Raises:
            Closed: the application has closed the connection.
        """
        self._put_frame(message if isinstance(message, (bytes, str)) else frames.write(message))
        await anyio.lowlevel.checkpoint()

    @overload
    async def receive(self, type_: type[T], /, *, timeout: float | None = None) -> T: ...
    @overload
    async def receive(self, /, *, timeout: float | None = None) -> Any: ...
    async def receive(self, type_: type[Any] | None = None, /, *, timeout: float | None = None) -> Any:
        """The next frame: as a message of `type_`, or as the decoded JSON (binary frames as they are).

        Raises:
            Failed: the frame is an error, and a type was given.
            AssertionError: the frame is no `type_`, or none came in time; the text shows the pending frames.
            Closed: the application closed the connection, and no frame is left.
        """
        await self.wait_until(lambda: bool(self._frames) or self._closed is not None or self.ended, "a frame", timeout)
        if not self._frames:
            if self.errors and self._closed is None:
                raise self.errors.pop(0)
            raise self._closed or Closed(1006, "the application ended without closing")
        return self._read(self._frames.popleft(), type_)

    @overload
    async def request(
        self, message: Any, type_: type[T], /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> T: ...
    @overload
    async def request(
        self, message: Any, /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> Any: ...
    async def request(
        self,
        message: Any,
        type_: type[Any] | None = None,
        /,
        *,
        chunks: Iterable[Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Send a message with a fresh `ref` and return the frame that answers it; others stay pending.

        Of several answers the first is returned; `stream` gives them all.

        Args:
            message: a model, struct or dict.
            type_: of the answer; its decoded JSON when left out.
            chunks: messages that this client streams to the handler after it, up to the last one.
            timeout: in seconds; that of the connection when left out.

        Raises:
            Failed: the answer is an error, and a type was given.
            AssertionError: it is another message, or none came in time.
            Closed: the application closed the connection.
        """
        return self._read(await self._take(self._ask(message, chunks), timeout), type_)

    @overload
    def stream(
        self, message: Any, type_: type[T], /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> Stream[T]: ...
    @overload
    def stream(
        self, message: Any, /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> Stream[Any]: ...
    def stream(
        self,
        message: Any,
        type_: type[Any] | None = None,
        /,
        *,
        chunks: Iterable[Any] | None = None,
        timeout: float | None = None,
    ) -> Stream[Any]:
        """Send a message with a fresh `ref`, at once, and iterate over its answers.

        For `async for word in client.stream(Count(to=3), Word)`. The arguments are those of `request`; `timeout` is
        that of each answer.

        Raises:
            Closed: the application has closed the connection.
        """
        ref = self._ask(message, chunks)
        return Stream(ref, lambda ref: self._take(ref, timeout), lambda frame: self._read(frame, type_))

    async def cancel(self, ref: str | int) -> None:
        """Tell the application that no answer to a message is wanted any more; `ref` is the message's.

        Raises:
            Closed: the application has closed the connection.
        """
        await self._control("cancel", ref=ref)

    async def answer(self, question: Any, message: Any) -> None:
        """Answer a question of `Context.ask`.

        Args:
            question: the message or frame that `receive` returned.
            message: a model, struct or dict.

        Raises:
            LookupError: it is no question, or was not received by this client.
            Closed: the application has closed the connection.
        """
        await self.send(frames.write_with(message, ask=self._asked(question)))

    async def decline(self, question: Any, code: str = "declined", detail: str = "") -> None:
        """Refuse to answer a question; `Context.ask` raises `AskFailed`. See `answer`."""
        await self._control("error", ask=self._asked(question), payload={"code": code, "detail": detail})

    @property
    def id(self) -> str:
        """The connection's id, as `Context.id` gives it; for `connection=` and `exclude=`.

        Raises:
            LookupError: the connection has ended, or was not made on this event loop.
        """
        return self._connection.id

    async def drain(self) -> list[Any]:
        """Wait until nothing is left to do, and take every frame that has arrived, as `receive` would."""
        await self.settled()
        frames = self.pending
        self._frames.clear()
        return frames

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

    @property
    def _connection(self) -> Connection:
        for connection in _runtime.current().connections:
            if connection.scope.get("chanx.report") == self.errors.append:
                return cast("Connection", connection)
        raise LookupError("the connection has ended")

    def _put_frame(self, frame: Frame) -> None:
        if self._closed is not None:
            raise self._closed
        self._put({"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame})

    async def _control(self, action: str, **keys: Any) -> None:
        if self._closed is not None:
            raise self._closed
        await self.send({self._connection.plan.discriminator: action, **keys})

    def _ask(self, message: Any, chunks: Iterable[Any] | None) -> str:
        """Send a message, and what is streamed after it; returns its ref."""
        ref = f"test-{next(self._refs)}"
        self._put_frame(frames.write_with(message, ref=ref))
        if chunks is not None:
            for chunk in chunks:
                self._put_frame(frames.write_with(chunk, ref=ref))
            self._put_frame(frames.write({self._connection.plan.discriminator: "complete", "ref": ref}))
        return ref

    async def _take(self, ref: str, timeout: float | None) -> Frame:
        """The next frame with a ref."""

        def found() -> Frame | None:
            return next((frame for frame in self._frames if frames.key_of(frame, "ref") == ref), None)

        await self.wait_until(lambda: found() is not None or self._closed is not None, f"the answer to {ref}", timeout)
        frame = found()
        if frame is None:
            raise self._closed or Closed(1006, "")
        self._frames.remove(frame)
        return frame

    def _read(self, frame: Frame, type_: type[Any] | None) -> Any:
        """A frame as what the test wants of it; a question is remembered, so that it can be answered."""
        if type_ is None:
            return frames.readable(frame)
        try:
            message = frames.parse(type_, frame)
        except Exception as error:
            failed = frames.failure(frame)
            if failed is not None:
                raise failed from None
            told = ", ".join(str(one) for one in self.pending) or "nothing"
            raise AssertionError(
                f"expected {type_.__name__}, got {frames.readable(frame)!r}; after it: {told}"
            ) from error
        ask = frames.key_of(frame, "ask")
        if ask is not None:
            self._questions.append((message, ask))
        return message

    def _asked(self, question: Any) -> str:
        if isinstance(question, dict) and "ask" in question:
            return str(cast(dict[str, Any], question)["ask"])
        for asked, ask in self._questions:
            if asked is question:
                return ask
        raise LookupError(f"{question!r} is no question that this client has received")


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
