"""A WebSocket client with no thread of its own: it reads when it is told to, and its socket can be broken at will."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
from typing import Any, Self

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

TIMEOUT = 10.0  # seconds; how long one read may take on a loaded machine


class RawClient:
    """Connected when it is made. Use it in a `with` block, which closes the socket and says nothing to the server."""

    def __init__(self, url: str, *, receive_buffer: int | None = None) -> None:
        uri = parse_uri(url)
        self.protocol = ClientProtocol(uri, max_size=None)
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        if receive_buffer is not None:  # before connecting, or the window is large already
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((uri.host, uri.port))
        self.protocol.send_request(self.protocol.connect())
        self._flush()
        answer = self._read()
        assert isinstance(answer[0], Response), answer
        assert answer[0].status_code == 101, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def write(self, **message: object) -> None:
        """Send a message as a text frame."""
        self.protocol.send_text(json.dumps(message).encode())
        self._flush()

    def write_until_blocked(self, **message: object) -> int:
        """Send the same message again and again, until the server has read no more for half a second."""
        frame = Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True)
        self.socket.settimeout(0.5)
        sent = 0
        try:
            while True:
                sent += self.socket.send(frame * 100)
        except TimeoutError:
            return sent
        finally:
            self.socket.settimeout(TIMEOUT)

    def write_until_answered(self, data: bytes) -> None:
        """Send what may be refused before all of it has arrived; the answer is there to be read."""
        view = memoryview(data)
        with contextlib.suppress(ConnectionError):
            while view and not self.readable(0):
                view = view[self.socket.send(view[:65536]) :]

    def reset(self) -> None:
        """Break the connection: lingering for no time at all makes the kernel send RST in place of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self, code: int) -> None:
        """Begin to close, as a browser does; the server's answer is there to be read."""
        self.protocol.send_close(code)
        self._flush()

    def readable(self, seconds: float) -> bool:
        """Does something come from the server within so many seconds?"""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def half_close(self) -> None:
        """Tell the server that nothing more will come; it may still send, or have broken the connection already."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def read_to_the_end(self, *, answer: bool = True) -> tuple[int, int, int | None]:
        """Read until the server closes: the text frames and pings that came before, and the close code.

        The code is 1005 for a close frame without one, and None where the connection ended without a close frame.

        Args:
            answer: answer pings, as every client does that lives.
        """
        frames = pings = 0
        while True:
            try:
                events = self._read(answer=answer)
            except (EOFError, ConnectionError):
                self.socket.close()
                return frames, pings, None
            for event in events:
                assert isinstance(event, Frame), event
                if event.opcode is Opcode.TEXT:
                    frames += 1
                elif event.opcode is Opcode.PING:
                    pings += 1
                elif event.opcode is Opcode.CLOSE:
                    self._flush()  # a server may wait for our close frame, and then for our end of the connection
                    self.socket.close()
                    return frames, pings, int.from_bytes(event.data[:2], "big") if event.data else 1005

    def read_pings(self, *, answer: bool) -> int:
        """Read once, and count the pings."""
        events = [event for event in self._read(answer=answer) if isinstance(event, Frame)]
        assert all(event.opcode is Opcode.PING for event in events), events
        return len(events)

    def read(self) -> dict[str, Any]:
        """The next text frame; what comes behind it is lost."""
        while True:
            for event in self._read():
                assert isinstance(event, Frame), event
                if event.opcode is Opcode.TEXT:
                    message: dict[str, Any] = json.loads(bytes(event.data))
                    return message

    def _read(self, *, answer: bool = True) -> list[object]:
        while True:
            data = self.socket.recv(65536)
            if data:
                self.protocol.receive_data(data)
            else:
                self.protocol.receive_eof()
            if answer:
                self._flush()
            if events := self.protocol.events_received():
                return list(events)
            if not data:
                raise EOFError("the server ended the connection without a close frame")

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                with contextlib.suppress(ConnectionError):  # what the server said before it left can still be read
                    self.socket.sendall(data)
