"""A channel over real sockets, under real servers, in every documented way of serving one.

The client here is an independent implementation (`websockets`), used from plain threads: these tests look at what
arrives on a socket and at nothing else. One server process per server and application, shared by its tests; each
test has a topic of its own, so that they do not hear each other.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.hosts.apps import MAX_SIZE
from tests.hosts.raw import RawClient
from tests.servers import Server, serve

pytestmark = pytest.mark.hosts

APPS = [name + lifespan for name in ("bare", "route", "mount", "fastapi") for lifespan in ("", "_without_lifespan")]
SERVERS = ["uvicorn", "hypercorn-trio"]
# On trio, Hypercorn minds SIGTERM only where a parent process tells it, and then waits before it closes anything.
STOPPABLE = {"uvicorn": (), "hypercorn-trio": ("--workers", "1", "--graceful-timeout", "1")}
TIMEOUT = 10.0  # seconds; how long an answer may take on a loaded machine


class Host:
    """One application under one server, and the addresses of what it serves."""

    def __init__(self, server: Server, app: str) -> None:
        self.server = server
        self.app = app
        self.routed = not app.startswith("bare")
        # A Mount answers below its own path only, and that begins at the slash behind it.
        self.path = "/rooms/kitchen/7/" if app.startswith("mount") else "/rooms/kitchen/7"
        self.closing = "/closing/kitchen/7/" if app.startswith(("mount", "fastapi")) else "/closing/kitchen/7"
        self.topic = uuid.uuid4().hex

    def url(self, name: str | None, path: str | None = None) -> str:
        query = f"?topic={self.topic}" + (f"&name={name}" if name else "")
        return self.server.ws((path or self.path) + query)

    def client(self, name: str | None) -> ClientConnection:
        return connect(self.url(name), open_timeout=TIMEOUT, close_timeout=TIMEOUT, proxy=None)


@pytest.fixture(scope="module", params=[(server, app) for server in SERVERS for app in APPS], ids="-".join)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    name, app = request.param
    with serve(name, f"tests.hosts.apps:{app}") as server:
        yield server, app


@pytest.fixture
def host(running: tuple[Server, str]) -> Host:
    return Host(*running)


def send(client: ClientConnection, **message: object) -> None:
    client.send(json.dumps(message))


def receive(client: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(client.recv(timeout=TIMEOUT))
    return frame


def echo(client: ClientConnection, text: str) -> None:
    """A round trip: what came before it has been handled, and nothing else was in between."""
    send(client, action="echo", text=text)
    assert receive(client) == {"action": "echoed", "text": text}


def test_a_message_is_answered_with_its_ref(host: Host) -> None:
    with host.client("ada") as client:
        echo(client, "plain")
        send(client, action="echo", text="with a ref", ref="r1")
        assert receive(client) == {"action": "echoed", "text": "with a ref", "ref": "r1"}
        send(client, action="no such thing", ref=2)
        answer = receive(client)
        assert (answer["action"], answer["payload"]["code"], answer["ref"]) == ("error", "unknown_action", 2)
        echo(client, "still here")


def test_what_the_address_says_reaches_the_handler(host: Host) -> None:
    with host.client("ada") as client:
        send(client, action="where")
        if host.routed:
            assert receive(client) == {"action": "here", "room": "kitchen", "number": 7}
        else:  # no router, and so no path parameters: the handler reads the path itself
            assert receive(client) == {"action": "here", "room": host.path, "number": 0}


def test_a_refusal_is_an_http_status(host: Host) -> None:
    with pytest.raises(InvalidStatus) as caught, host.client(None):
        pass
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Name"
    assert b"a name is needed" in response.body


def test_a_refusal_can_be_a_close_code(host: Host) -> None:
    if host.routed:
        refused(host.url(None, host.closing))
    else:
        with serve(host.server.name, host.server.app + "_closing") as server:
            refused(Host(server, host.app).url(None))


def refused(url: str) -> None:
    with connect(url, open_timeout=TIMEOUT, close_timeout=TIMEOUT, proxy=None) as client:
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=TIMEOUT)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4401, "a name is needed")


def test_a_broadcast_reaches_both_clients(host: Host) -> None:
    with host.client("ada") as ada, host.client("bob") as bob:
        echo(bob, "bob is in")  # his on_connect has joined the topic
        send(ada, action="say", text="hello", ref="r1")
        said = {"action": "said", "who": "ada", "text": "hello"}
        assert receive(bob) == said
        frames = sorted((receive(ada) for _ in range(2)), key=lambda frame: str(frame["action"]))
        assert frames == [{"action": "ack", "ref": "r1"}, said]


def test_a_client_that_leaves_while_a_handler_runs_is_noticed(host: Host) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.client("ada") as ada:
            send(ada, action="wait")
            assert receive(bob) == {"action": "waiting", "who": "ada"}
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 1}
        echo(bob, "and only once")


def test_a_handler_whose_client_has_left_may_finish(host: Host) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.client("ada") as ada:
            send(ada, action="finish")
            assert receive(bob) == {"action": "waiting", "who": "ada"}
        send(bob, action="go")
        assert receive(bob) == {"action": "said", "who": "ada", "text": "finished"}
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}
        echo(bob, "and only once")
    assert "Traceback" not in host.server.log


def test_a_client_that_closes_is_noticed(host: Host) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.client("ada") as ada:
            echo(ada, "ada is in")
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}
        echo(bob, "and only once")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a handler"])
def test_a_reset_connection_is_noticed(host: Host, busy: bool) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with RawClient(host.url("ada")) as ada:
            if busy:
                ada.write(action="wait")
                assert receive(bob) == {"action": "waiting", "who": "ada"}
            else:
                ada.write(action="say", text="in")
                assert receive(bob) == {"action": "said", "who": "ada", "text": "in"}
            ada.reset()
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": int(busy)}
        echo(bob, "and only once")


def test_a_frame_that_is_too_large_closes(host: Host) -> None:
    with host.client("ada") as client:
        send(client, action="echo", text="x" * MAX_SIZE)
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=TIMEOUT)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def test_plain_http_is_told_to_upgrade(host: Host) -> None:
    response = httpx.get(host.server.http(host.path), timeout=TIMEOUT, trust_env=False)
    if host.app.startswith(("bare", "mount")):
        assert response.status_code == 426
        assert response.headers["upgrade"].lower() == "websocket"
    else:
        assert response.status_code == 404  # the host's router offers this path to WebSockets only


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a handler"])
def test_the_server_stops_with_a_client_connected(running: tuple[Server, str], busy: bool) -> None:
    """In a server of its own: the shared one is still needed."""
    shared, app = running
    with serve(shared.name, shared.app, *STOPPABLE[shared.name]) as server, Host(server, app).client("ada") as client:
        echo(client, "connected")
        if busy:
            send(client, action="wait")
            assert receive(client) == {"action": "waiting", "who": "ada"}
        server.stop()  # raises where it has to be killed
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=TIMEOUT)
        assert server.log.count("left: ada") == 1
        assert "Traceback" not in server.log
