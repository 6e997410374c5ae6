"""What a test says to an application, and hears from it; on asyncio and trio."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import anyio

from chanx import _runtime
from chanx._topics.subscription import Subscription
from chanx.testing import frames
from chanx.testing.conversation import Closed
from chanx.testing.frames import Frame
from chanx.testing.socket import Socket
from chanx.testing.topic import Topic

if TYPE_CHECKING:
    from chanx.connection import Connection


class Client(Socket):
    """One connection to the application under test; made by `connect`.

    Attributes:
        subprotocol: what was agreed on.
        errors: what handlers and hooks raised and nobody handled.
        ended: the application has returned.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self._topics: dict[str, Topic] = {}
        self._asked_for: dict[str, _AskedFor] = {}

    async def subscribe(self, topic: str, *, timeout: float | None = None) -> Topic:
        """Subscribe to a topic, and wait for the answer.

        What is heard of the topic from then on belongs to what this returns, no longer to the client. For a topic
        that is subscribed already it is the same object.

        Args:
            topic: its name, as in `"discussion:5"`.
            timeout: in seconds; that of the connection when left out.

        Raises:
            Failed: it was refused; the `code` says why.
            AssertionError: no answer came in time.
            Closed: the application closed the connection.
        """
        return await self._ask_for("subscribe", Topic(self, topic, self.unsubscribe), timeout)

    async def unsubscribe(self, topic: Topic | str, *, timeout: float | None = None) -> None:
        """Unsubscribe from a topic, given as an object or by its name, and wait for the answer; see `subscribe`."""
        name = topic if isinstance(topic, str) else topic.name
        await self._ask_for("unsubscribe", Topic(self, name, self.unsubscribe), timeout)

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

    async def _ask_for(self, action: str, topic: Topic, timeout: float | None) -> Topic:
        """Subscribe or unsubscribe; returns the topic that is subscribed."""
        ref = self._ref()
        self._asked_for[ref] = asked = _AskedFor(topic)
        try:
            await self._control(action, topic=topic.name, ref=ref)
            await self.wait_until(lambda: asked.answer is not None or self._over, f"{action} {topic.name}", timeout)
        finally:
            del self._asked_for[ref]
        if asked.answer is None:
            raise self._end()
        if (failed := frames.failure(asked.answer)) is not None:
            self._frames.extend(topic.left_over())
            raise failed
        return asked.topic

    def _arrived(self, frame: Frame) -> None:
        """Give a frame to its topic where a test has an object for it, else keep it here."""
        if not self._asked_for and not self._topics:
            self._frames.append(frame)
            return
        name, ref = str(frames.key_of(frame, "topic")), frames.key_of(frame, "ref")
        told = frames.key_of(frame, self._discriminator)
        topic = self._topics.get(name)
        if told == "unsubscribed" and topic is not None:
            topic.ended(frame)
            del self._topics[name]
        if (asked := self._asked_for.get(str(ref))) is not None:
            asked.answer = frame
            if told == "subscribed":
                asked.topic = self._topics.setdefault(name, asked.topic)
            return
        if topic is None:  # what `on_connect` sends comes before the answer
            topic = next((one.topic for one in self._asked_for.values() if one.topic.name == name), None)
        if topic is None:
            self._frames.append(frame)
        elif told != "unsubscribed" or ref is not None:
            topic.arrived(frame)

    @property
    def _connection(self) -> Connection:
        for connection in _runtime.current().connections:
            ours = connection.scope.get("chanx.report") == self.errors.append
            if ours and not isinstance(connection, Subscription):  # topics share its scope
                return cast("Connection", connection)
        raise LookupError("the connection has ended")

    @property
    def _over(self) -> bool:
        return self._closed is not None or self.ended

    def _end(self) -> Exception:
        if self.errors and self._closed is None:
            return self.errors.pop(0)
        return self._closed or Closed(1006, "the application ended without closing")

    def _put_frame(self, frame: Frame) -> None:
        if self._closed is not None:
            raise self._closed
        self._put({"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame})

    @property
    def _discriminator(self) -> str:
        return self._connection.plan.discriminator


class _AskedFor:
    """A topic that was asked for, and the answer when it has come."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.answer: Frame | None = None


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
