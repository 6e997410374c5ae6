"""A WebSocket client with no thread of its own: it reads when it is told to, and its socket can be broken at will."""

from __future__ import annotations

import json
import socket
import struct
from typing import Self

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

    def reset(self) -> None:
        """Break the connection: lingering for no time at all makes the kernel send RST in place of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read_to_the_end(self) -> tuple[int, int]:
        """Read until the server closes: how many text frames came before, and the close code."""
        frames = 0
        while True:
            for event in self._read():
                assert isinstance(event, Frame), event
                if event.opcode is Opcode.TEXT:
                    frames += 1
                elif event.opcode is Opcode.CLOSE:
                    self._flush()
                    return frames, int.from_bytes(event.data[:2], "big")

    def _read(self) -> list[object]:
        while True:
            data = self.socket.recv(65536)
            if data:
                self.protocol.receive_data(data)
            else:
                self.protocol.receive_eof()
            self._flush()
            if events := self.protocol.events_received():
                return list(events)
            if not data:
                raise EOFError("the server ended the connection without a close frame")

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.socket.sendall(data)
