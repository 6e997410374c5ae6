"""Consumers on real servers: what clients see, and that `disconnect` runs once, however a connection ends."""

from __future__ import annotations

import json
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.servers import Server, serve

pytestmark = pytest.mark.hosts
kinds = pytest.mark.parametrize("kind", ["async", "sync"])

SERVERS = ["uvicorn", "uvicorn-websockets", "uvicorn-wsproto", "hypercorn-asyncio", "granian", "daphne"]
TIMEOUT = 15.0  # seconds; on a loaded machine


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve(request.param, "tests.compat.apps:application") as server:
        yield server


def log_of(server: Server) -> list[Any]:
    # `verify=False`: this is no TLS, and to load certificates for it takes longer than the request.
    return list(httpx.get(server.http("/log/"), trust_env=False, verify=False, timeout=TIMEOUT).json())


def until_logged(server: Server, matches: Any) -> Any:
    """Wait for an entry in the log."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        found = [one for one in log_of(server) if matches(one)]
        if found:
            return found
        assert time.monotonic() < deadline, f"not in {log_of(server)[-20:]}; the server's log:\n{server.log[-5000:]}"
        time.sleep(0.02)


def until_logged_again(server: Server, entry: str, before: int) -> None:
    """Wait until an entry is in the log more often than before."""
    deadline = time.monotonic() + TIMEOUT
    while log_of(server).count(entry) <= before:
        assert time.monotonic() < deadline, f"no other {entry!r}; the server's log:\n{server.log[-5000:]}"
        time.sleep(0.02)


def ended(server: Server, kind: str, name: str) -> list[int]:
    """The codes that `disconnect` was called with for a connection."""
    found = until_logged(server, lambda one: isinstance(one, list) and one[:2] == [kind, name])
    return [code for _, _, code in found]


def opened(server: Server, kind: str, name: str, *subprotocols: str) -> ClientConnection:
    offered = [Subprotocol(one) for one in subprotocols] or None
    return connect(server.ws(f"/{kind}/?{name}"), subprotocols=offered, open_timeout=TIMEOUT)


@kinds
def test_frames_go_both_ways(server: Server, kind: str) -> None:
    name = uuid.uuid4().hex
    with opened(server, kind, name, "first", "second") as client:
        assert client.subprotocol == "first"
        client.send('{"a": [1, "ä"]}')
        assert json.loads(client.recv(TIMEOUT)) == {"got": {"a": [1, "ä"]}}
    assert ended(server, kind, name) == [1006 if server.name.startswith("hypercorn") else 1000]


@kinds
def test_a_refused_connection_is_403(server: Server, kind: str) -> None:
    name = uuid.uuid4().hex
    with pytest.raises(InvalidStatus) as refused:
        opened(server, kind, name, "refuse")
    assert refused.value.response.status_code == 403
    assert len(ended(server, kind, name)) == 1


@kinds
def test_a_close_carries_its_code_and_reason(server: Server, kind: str) -> None:
    name = uuid.uuid4().hex
    with opened(server, kind, name) as client:
        client.send(json.dumps({"close": 4123, "reason": "enough"}))
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4123, "" if server.name == "daphne" else "enough")
    assert len(ended(server, kind, name)) == 1


@kinds
def test_an_error_closes_the_connection_and_disconnect_runs_once(server: Server, kind: str) -> None:
    name = uuid.uuid4().hex
    with opened(server, kind, name) as client:
        client.send(json.dumps({"fail": "broken"}))
        with pytest.raises(ConnectionClosed):
            client.recv(TIMEOUT)
    assert ended(server, kind, name) == [1011]


@kinds
def test_a_client_that_vanishes_ends_a_handler_that_sends_to_it(server: Server, kind: str) -> None:
    name = uuid.uuid4().hex
    with opened(server, kind, name) as client:
        client.send(json.dumps({"flood": name}))
        client.recv(TIMEOUT)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()  # a reset, and no close frame
    until_logged(server, lambda one: one == f"flood {name} ended")
    assert len(ended(server, kind, name)) == 1


@kinds
def test_a_client_that_leaves_is_noticed_while_a_handler_waits(server: Server, kind: str) -> None:
    name = uuid.uuid4().hex
    with opened(server, kind, name) as client:
        client.send(json.dumps({"wait": name}))
        client.send(json.dumps({"wait": name}))  # for which there is no time
        assert json.loads(client.recv(TIMEOUT)) == "waiting"
    until_logged(server, lambda one: one == f"wait {name} ended")
    assert len(ended(server, kind, name)) == 1
    assert log_of(server).count(f"wait {name} ended") == 1


@kinds
def test_a_client_that_vanishes_while_nothing_happens(server: Server, kind: str) -> None:
    name = uuid.uuid4().hex
    with opened(server, kind, name) as client:
        client.send("1")
        client.recv(TIMEOUT)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
    assert len(ended(server, kind, name)) == 1


@kinds
def test_the_document_s_consumer_runs_as_it_is_printed(server: Server, kind: str) -> None:
    logged = len(server.log)
    with connect(server.ws(f"/block/{kind}/closing/"), open_timeout=TIMEOUT) as client, pytest.raises(ConnectionClosed):
        client.recv(TIMEOUT)
    with connect(server.ws(f"/block/{kind}/"), open_timeout=TIMEOUT) as client:
        client.send("hi")
        assert client.recv(TIMEOUT) == "Hello world!"
        assert client.recv(TIMEOUT) == b"Hello world!"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000
    assert "Traceback" not in server.log[logged:]


def test_requests(server: Server) -> None:
    body = bytes(range(256)) * 1000
    response = httpx.post(server.http("/body/"), content=body, trust_env=False, verify=False, timeout=TIMEOUT)
    assert response.status_code == 201
    assert response.headers["x-length"] == str(len(body))
    assert response.content == body
    failed = httpx.post(server.http("/body/"), content=b"fail", trust_env=False, verify=False, timeout=TIMEOUT)
    assert failed.status_code == 500


def test_a_long_poll_is_answered_by_a_websocket(server: Server) -> None:
    ended_before = log_of(server).count("poll ended")
    polled = log_of(server).count("polling")
    with (
        httpx.Client(trust_env=False, verify=False, timeout=TIMEOUT) as http,
        http.stream("GET", server.http("/poll/")) as response,
        opened(server, "async", uuid.uuid4().hex) as teller,
    ):
        assert response.headers["content-type"] == "application/json"
        until_logged_again(server, "polling", polled)
        teller.send(json.dumps({"all": "news"}))
        assert json.loads(response.read()) == {"type": "tell.all", "text": "news"}
    until_logged_again(server, "poll ended", ended_before)


def test_server_sent_events_end_when_the_client_leaves(server: Server) -> None:
    with (
        httpx.Client(trust_env=False, verify=False, timeout=TIMEOUT) as http,
        http.stream("GET", server.http("/events/")) as response,
    ):
        assert response.headers["content-type"] == "text/event-stream"
        assert next(response.iter_lines()).startswith("data: 20")
    until_logged(server, lambda one: one == "events ended")


# -- consumers whose messages are handled at the same time ------------------------------------------------


def do(*names: str) -> list[str]:
    return [json.dumps({"action": "do", "payload": name}) for name in names]


def payloads(client: ClientConnection, number: int) -> list[str]:
    return [json.loads(client.recv(timeout=TIMEOUT))["payload"] for _ in range(number)]


def test_a_message_that_waits_holds_nobody_up(server: Server) -> None:
    name = uuid.uuid4().hex
    with opened(server, "crowd", name) as client:
        for text in do("wait", "wait", "one", "two"):  # at once, so before the consumer has let the client in
            client.send(text)
        assert payloads(client, 2) == ["one", "two"]
        client.send(do("go")[0])
        assert sorted(payloads(client, 3)) == ["go", "wait", "wait"]
    assert len(ended(server, "crowd", name)) == 1


def test_a_client_that_leaves_such_messages_alone_is_seen_off_once(server: Server) -> None:
    name = uuid.uuid4().hex
    with opened(server, "crowd", name) as client:
        for text in do("wait", "wait", "one"):
            client.send(text)
        assert payloads(client, 1) == ["one"]
    assert len(ended(server, "crowd", name)) == 1
    assert log_of(server).count(f"crowd {name} ended") == 2


def test_what_several_handlers_send_to_a_slow_client_arrives_whole(server: Server) -> None:
    with opened(server, "crowd", uuid.uuid4().hex) as client:
        for text in do(*["flood"] * 6, "one"):
            client.send(text)
        got = payloads(client, 6 * 11 + 1)
    assert {text: got.count(text) for text in got} == {"x" * 100_000: 60, "flood": 6, "one": 1}
