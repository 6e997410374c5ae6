"""One application under one server, and clients for it."""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.full import FULL
from tests.hosts.facts import ENDINGS, Facts
from tests.hosts.raw import RawClient
from tests.servers import Server, serve

TIMEOUT = 15.0  # seconds; how long an answer may take on a loaded machine

APPS = [name + lifespan for name in ("bare", "route", "mount", "fastapi") for lifespan in ("", "_without_lifespan")]

#: What each server serves in the short form. Together they are all of them but one.
SHORT = {
    "uvicorn": "route",
    "uvicorn-websockets": "fastapi",
    "uvicorn-wsproto": "bare_without_lifespan",
    "hypercorn-asyncio": "mount_without_lifespan",
    "hypercorn-trio": "bare",
    "granian": "mount",
    "daphne": "route_without_lifespan",
}
PAIRS = [(name, app) for name in SHORT for app in APPS] if FULL else list(SHORT.items())


def address(app: str) -> str:
    """Where a server finds one of `APPS`."""
    return f"tests.hosts.{'fastapi_apps' if app.startswith('fastapi') else 'apps'}:{app}"


class Running:
    """A server process, shared by the tests of one server and application; started again where one has ended it."""

    def __init__(self, name: str, app: str, server: Server | None = None) -> None:
        self.name = name
        self.app = app
        self.facts: Facts = ENDINGS[name]
        self._stack = ExitStack()
        self._server = server

    def server(self) -> Server:
        if self._server is None or self._server.stopped:
            self._stack.close()
            options = self.facts.options
            self._server = self._stack.enter_context(serve(self.facts.server, address(self.app), *options))
        return self._server

    def stop(self) -> None:
        self._stack.close()


class Host:
    """What one test has to do with a server: a topic and a part of the log of its own."""

    def __init__(self, running: Running) -> None:
        self.server = running.server()
        self.facts = running.facts
        self.app = running.app
        self.routed = not self.app.startswith("bare")
        # A Mount answers below its own path only, and that begins at the slash behind it.
        self.path = "/rooms/kitchen/7/" if self.app.startswith("mount") else "/rooms/kitchen/7"
        self.closing = "/closing/kitchen/7/" if self.app.startswith(("mount", "fastapi")) else "/closing/kitchen/7"
        self.topic = uuid.uuid4().hex
        self._logged = len(self.server.log)

    @property
    def log(self) -> str:
        """What the server has printed since the test began."""
        return self.server.log[self._logged :]

    def url(self, name: str | None, path: str | None = None) -> str:
        query = f"?topic={self.topic}" + (f"&name={name}" if name else "")
        return self.server.ws((path or self.path) + query)

    def client(self, name: str | None, path: str | None = None) -> ClientConnection:
        url = self.url(name, path)
        return connect(url, open_timeout=TIMEOUT, close_timeout=TIMEOUT, max_size=None, proxy=None)

    def raw(self, name: str, path: str | None = None, *, receive_buffer: int | None = None) -> RawClient:
        return RawClient(self.url(name, path), receive_buffer=receive_buffer)

    def our_code(self, code: int) -> int:
        """The close code on the wire for one that the application means."""
        return code if self.facts.codes or not 1000 < code < 2000 else code + 3000

    def our_reason(self, reason: str) -> str:
        """The close reason on the wire."""
        return reason if self.facts.reasons else ""

    def no_traceback_of_ours(self) -> None:
        """Nothing went wrong inside the application; servers have tracebacks of their own."""
        lines = self.log.splitlines()
        assert not [line for line in lines if 'File "' in line and ("/chanx/" in line or "/tests/hosts/" in line)]


def send(client: ClientConnection, **message: object) -> None:
    client.send(json.dumps(message))


def receive(client: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(client.recv(timeout=TIMEOUT))
    return frame


def echo(client: ClientConnection, text: str) -> None:
    """A round trip: what came before it has been handled, and nothing else was in between."""
    send(client, action="echo", text=text)
    assert receive(client) == {"action": "echoed", "text": text}
