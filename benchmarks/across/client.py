"""The members of the room: `python -m benchmarks.across.client MEMBERS PATH GREETING PORT...`.

A WebSocket client that reads frames and does as little with them as it can, so that it takes little of the machine.
It writes `open` when all members are connected, and `warm` when each has heard something and all is quiet. After a line
`COUNT PATIENCE` on its standard input it writes a report as JSON: when all have the messages 0 to COUNT - 1, or so many
seconds later.
"""

import asyncio
import base64
import json
import os
import re
import sys
import time

#: The message, in whatever it is wrapped.
MESSAGE = re.compile(rb'"number": ?(-?\d+), ?"sent": ?([\d.e+-]+)')
OPEN_AT_ONCE = 50
TIMEOUT = 60.0
#: When nothing has come for so long, what was published before has been delivered.
QUIET = 0.3


class Crowd:
    """What all members share."""

    def __init__(self, members: int) -> None:
        self.members = members
        self.cold = members
        self.closed = 0
        self.late: list[float] = []
        self.duplicates = 0
        self.warm = asyncio.Event()
        self.heard = 0.0
        self.missing = -1
        self.complete = asyncio.Event()


class Member(asyncio.Protocol):
    """One connection.

    Args:
        crowd: which it is of.
        request: what is sent first.
        greeting: sent as text after the handshake, and then the next frame is waited for.
    """

    def __init__(self, crowd: Crowd, request: bytes, greeting: bytes) -> None:
        self.crowd = crowd
        self.open = asyncio.get_running_loop().create_future()
        self._request = request
        self._greeting = greeting
        self._rest = b""
        self._talking = False
        self._cold = True
        self._seen: set[int] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.closed += 1
        if not self.open.done():
            self.open.set_exception(ConnectionError(f"refused: {self._rest[:200]!r} {exc}"))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        at, length = 0, len(data)
        if not self._talking:
            end = data.find(b"\r\n\r\n")
            if end < 0 or not data.startswith(b"HTTP/1.1 101 "):
                self._rest = data
                return
            self._talking = True
            at = end + 4
            if self._greeting:
                self._answer(1, self._greeting)
            else:
                self.open.set_result(None)
        while length - at >= 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                start += wide
                if length < start:
                    break
                size = int.from_bytes(data[start - wide : start])
            if length - start < size:
                break
            self._frame(data[at] & 15, data[start : start + size], now)
            at = start + size
        self._rest = data[at:]

    def _frame(self, kind: int, payload: bytes, now: float) -> None:
        crowd = self.crowd
        if kind == 9:
            self._answer(10, payload)
        elif found := MESSAGE.search(payload):
            number = int(found[1])
            if number >= 0:
                if number in self._seen:
                    crowd.duplicates += 1
                    return
                self._seen.add(number)
                crowd.late.append(now - float(found[2]))
                if len(crowd.late) == crowd.missing:
                    crowd.complete.set()
                return
            crowd.heard = now
            if self._cold:
                self._cold = False
                crowd.cold -= 1
                if not crowd.cold:
                    crowd.warm.set()
        elif payload == b"2":  # Engine.IO's ping
            self._answer(1, b"3")
        elif payload.startswith(b"40") and not self.open.done():  # Socket.IO: connected
            self.open.set_result(None)

    def _answer(self, kind: int, payload: bytes) -> None:
        """A short frame, with a mask that changes nothing."""
        self._transport.write(bytes((128 | kind, 128 | len(payload), 0, 0, 0, 0)) + payload)


def request(path: str, port: int) -> bytes:
    """The handshake, without any extension."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""]
    return "\r\n".join(lines).encode()


async def main(members: int, path: str, greeting: str, *ports: str) -> None:
    crowd = Crowd(members)
    loop = asyncio.get_running_loop()
    places = asyncio.Semaphore(OPEN_AT_ONCE)

    async def connect(port: int) -> None:
        async with places, asyncio.timeout(TIMEOUT):
            _, member = await loop.create_connection(
                lambda: Member(crowd, request(path, port), greeting.encode()), "127.0.0.1", port
            )
            await member.open

    await asyncio.gather(*(connect(int(ports[number % len(ports)])) for number in range(members)))
    print("open", flush=True)
    await crowd.warm.wait()
    while (left := crowd.heard + QUIET - time.monotonic()) > 0:  # noqa: ASYNC110 - there is no event for what does not come
        await asyncio.sleep(left)
    print("warm", flush=True)
    count, patience = (await asyncio.to_thread(sys.stdin.readline)).split()
    crowd.missing = members * int(count)
    if len(crowd.late) < crowd.missing:
        try:
            async with asyncio.timeout(float(patience)):
                await crowd.complete.wait()
        except TimeoutError:
            pass
    late = sorted(crowd.late)
    report: dict[str, float] = {"delivered": len(late), "duplicates": crowd.duplicates, "closed": crowd.closed}
    if late:
        report |= {"p50": late[len(late) // 2], "p99": late[len(late) * 99 // 100]}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
