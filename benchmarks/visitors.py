"""Many WebSocket clients in one process, as cheap as clients can be, and what they cost the process at the other end.

What a client is sent is counted and thrown away.
"""

import asyncio
import base64
import time
from pathlib import Path
from urllib.parse import urlsplit

AT_ONCE = 100  # connections that are being opened
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"  # as browsers ask for it
PATIENCE = 60.0  # seconds for whatever is waited for


class Process:
    """The CPU time and the memory of another process (Linux)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._folder = Path(f"/proc/{pid}")

    def cpu(self) -> float:
        """Seconds, user and system, of the threads that it has now."""
        spent = [path.read_text().split()[0] for path in self._folder.glob("task/*/schedstat")]
        return sum(map(int, spent)) / 1e9

    def memory(self) -> int:
        """Bytes of its own that are in memory: the kernel's side of its sockets is not among them."""
        lines = (self._folder / "smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


class Crowd:
    """The clients of one address.

    Attributes:
        sockets: that are open.
        came: text frames that all of them have been sent.
    """

    def __init__(self, url: str, *, deflate: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme != "ws" or parts.hostname is None:
            raise SystemExit(f"{url!r} is no address like ws://127.0.0.1:8000/chat")
        self._where = parts.hostname, parts.port or 80
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        key = base64.b64encode(bytes(16)).decode()
        self.handshake = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{DEFLATE if deflate else ''}\r\n"
        ).encode()
        self.sockets: set[Visitor] = set()
        self.came = 0
        self._changed = asyncio.Event()

    async def grow(self, count: int) -> None:
        """Open so many more.

        Raises:
            SystemExit: the server refused one.
        """
        room = asyncio.Semaphore(AT_ONCE)

        async def open_one() -> None:
            async with room:
                _, visitor = await asyncio.get_running_loop().create_connection(lambda: Visitor(self), *self._where)
                await asyncio.wait_for(visitor.opened, PATIENCE)

        await asyncio.gather(*(open_one() for _ in range(count)))

    async def until(self, came: int) -> None:
        """Wait until so many frames have come in all."""
        async with asyncio.timeout(PATIENCE):
            while self.came < came:
                self._changed.clear()
                await self._changed.wait()

    async def quiet(self) -> None:
        """Wait until nothing has come for a moment."""
        before = -1
        while before != self.came:
            before = self.came
            await asyncio.sleep(0.5)

    def took(self, count: int) -> None:
        self.came += count
        self._changed.set()

    async def leave(self) -> None:
        for visitor in list(self.sockets):
            visitor.transport.write(b"\x88\x82\0\0\0\0\x03\xe8")  # a close frame, 1000
            visitor.transport.close()
        while self.sockets:
            self._changed.clear()
            await self._changed.wait()


class Visitor(asyncio.Protocol):
    """One client."""

    transport: asyncio.Transport

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._rest = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._crowd.handshake)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self.opened.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(SystemExit(f"the server answered {head[:60]!r}"))
                return
            self.opened.set_result(None)
            self._crowd.sockets.add(self)
        count, at, pings = texts(data)
        self._rest = data[at:]
        for payload in pings:
            self.transport.write(bytes((0x8A, 0x80 | len(payload))) + bytes(4) + payload)
        if count:
            self._crowd.took(count)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.sockets.discard(self)
        self._crowd.took(0)
        if not self.opened.done():
            self.opened.set_exception(SystemExit(f"the server closed the connection: {exc}"))

    def send(self, text: str) -> None:
        """Send a frame of less than 126 bytes; the mask is zero, which is as good as any other here."""
        payload = text.encode()
        assert len(payload) < 126
        self.transport.write(bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload)


def texts(data: bytes) -> tuple[int, int, list[bytes]]:
    """How many text frames are in the data, where the last whole frame ends, and the pings among them.

    Frames of a server have no mask.
    """
    count = at = 0
    pings: list[bytes] = []
    while len(data) >= at + 2:
        size, head = data[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2 : at + 4]), 4
        elif size == 127:
            size, head = int.from_bytes(data[at + 2 : at + 10]), 10
        if len(data) < at + head + size:
            break
        kind = data[at] & 15
        count += kind == 1
        if kind == 9:
            pings.append(data[at + head : at + head + size])
        at += head + size
    return count, at, pings


class Stopwatch:
    """Time, and CPU time of another process, since it was made."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._began = time.perf_counter(), process.cpu()

    def read(self) -> tuple[float, float]:
        """Seconds, and seconds of CPU time."""
        return time.perf_counter() - self._began[0], self._process.cpu() - self._began[1]
