"""A TCP proxy that can fall silent, as a network does: nothing passes, and nobody is told."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from tests.servers import HOST


class Proxy:
    """Passes bytes between a free loopback port and another port, in threads, until it is closed.

    Args:
        target: the port of the server.

    Attributes:
        port: where it listens.
        beyond: the ports that the server knows its connections by.
        target: where new connections go.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._forth = threading.Event()  # from clients to the server
        self._back = threading.Event()
        self._open = True
        self.beyond: set[int] = set()
        self.go_on()
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Of a Redis server behind it."""
        return f"redis://{HOST}:{self.port}"

    def halt(self, *, forth: bool = True, back: bool = True) -> None:
        """Pass nothing any more, in one direction or both; connections stay, and new ones are accepted."""
        if forth:
            self._forth.clear()
        if back:
            self._back.clear()

    def go_on(self) -> None:
        """Pass everything again."""
        self._forth.set()
        self._back.set()

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            _close(one)

    def close(self) -> None:
        """End."""
        self._open = False
        self.go_on()
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((HOST, self.target), timeout=5)
            except OSError:
                _close(client)
                continue
            server.settimeout(None)
            self.beyond.add(server.getsockname()[1])
            with self._lock:
                self._sockets += [client, server]
            for source, to, gate in ((client, server, self._forth), (server, client, self._back)):
                threading.Thread(target=self._pass, args=(source, to, gate), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, gate: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while True:
                gate.wait()
                data = source.recv(65536)
                gate.wait()
                if not data:
                    break
                to.sendall(data)
        for one in (source, to):
            _close(one)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
