"""One WebSocket connection in memory: what a server would hand to an ASGI application, and a clock on it."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from itertools import cycle, islice, repeat
from time import process_time
from typing import Any

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]
Pause = Callable[[], Awaitable[object]]


class UnansweredError(Exception):
    """An application did not send exactly one frame for each that it got, so that its time means nothing."""


def scope() -> Event:
    """A fresh connection scope, as uvicorn makes one for a browser."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "root_path": "",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"name=Ada",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"origin", b"http://127.0.0.1:8000"),
            (b"user-agent", b"benchmarks"),
            (b"sec-websocket-version", b"13"),
        ],
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def _events(frames: Iterable[str], amount: int) -> list[Event]:
    return [{"type": "websocket.receive", "text": text} for text in islice(cycle(frames), amount)]


async def timed(
    app: App,
    frames: Sequence[str],
    warmup: int,
    amount: int,
    pause: Pause | None = None,
    answers: int = 1,
    stay: Pause | None = None,
) -> float:
    """CPU seconds that `app` takes for each of `amount` frames, after `warmup` frames that are not counted.

    The clock starts when the application asks for the first counted frame and stops when it comes back for more after
    the last. One that has not sent all its answers by then has read ahead: its clock runs until it returns, and so
    includes the end of the connection. With a `pause`, every `receive` gives the event loop a turn first, as one on a
    quiet socket does. Each frame has so many `answers`. With `stay`, a turn of the event loop, the client leaves only
    when it has all of them.

    Raises:
        UnansweredError: the number of frames sent is not that of all answers.
    """
    warm, counted = _events(frames, warmup), _events(frames, amount)
    expected = (warmup + amount) * answers + 1  # the first is the accept
    sent = taken = 0
    start = stop = 0.0
    last: Event = {}

    def feed() -> Iterator[Event]:
        nonlocal start, stop
        yield {"type": "websocket.connect"}
        yield from warm
        start = process_time()
        yield from counted
        if sent >= expected:
            stop = process_time()
        yield from repeat({"type": "websocket.disconnect", "code": 1000, "reason": ""})

    events = feed()

    async def receive() -> Event:
        return next(events)

    async def receive_staying() -> Event:
        nonlocal taken
        taken += 1
        if taken > warmup + amount + 1:
            assert stay is not None
            while sent < expected:
                await stay()
        return next(events)

    async def receive_after_pause() -> Event:
        assert pause is not None
        await pause()
        return next(events)

    async def send(event: Event) -> None:
        nonlocal sent, last
        sent += 1
        last = event

    await app(scope(), receive_staying if stay else receive_after_pause if pause else receive, send)
    if not stop:
        stop = process_time()
    if sent != expected:
        raise UnansweredError(f"{expected} frames expected, {sent} sent, the last of them {last!r}")
    return (stop - start) / amount


async def answers(app: App, frames: Sequence[str], pause: Pause | None = None) -> list[str]:
    """The text frames with which `app` answers `frames`."""
    events = iter(_events(frames, len(frames)))
    kept: list[str] = []
    connected = False

    async def receive() -> Event:
        nonlocal connected
        if pause is not None:
            await pause()
        if not connected:
            connected = True
            return {"type": "websocket.connect"}
        return next(events, None) or {"type": "websocket.disconnect", "code": 1000, "reason": ""}

    async def send(event: Event) -> None:
        if event["type"] == "websocket.send":
            kept.append(event["text"])

    await app(scope(), receive, send)
    return kept
